"""Linear probe: multinomial logistic regression on frozen features, its strength swept.

What is minimised is the sum of the cross-entropies plus half the strength times the squared
weights (biases free), on standardised features, by L-BFGS in float64: convex, so the
same on every machine up to rounding. The strength is looked for as CLIP does: seven powers
of ten apart by two, then ever closer around the best of the validation pictures.

Source: Radford et al. 2021 (CLIP, arXiv:2103.00020), appendix A.3.

Shape legend: N pictures, P width of the features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interlingua.errors import DataError
from interlingua.evaluate.intervals import FloatArray

STRENGTHS = tuple(10.0**power for power in (-6, -4, -2, 0, 2, 4, 6))
STEPS_PER_DECADE = 8  # the sweep ends when neighbours are this close
MAX_ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A trained probe.

    Attributes:
        weight: [C, P] for standardised features.
        bias: [C].
        mean, deviation: [P] of the training features.
        strength: of the L2 penalty.
        gradient: the largest absolute value of the gradient where L-BFGS stopped, per picture.
    """

    weight: FloatArray
    bias: FloatArray
    mean: FloatArray
    deviation: FloatArray
    strength: float
    gradient: float

    def logits(self, features: npt.ArrayLike) -> FloatArray:
        """[N, C] of features [N, P]."""
        table = (np.asarray(features, np.float64) - self.mean) / self.deviation
        return np.asarray(table @ self.weight.T + self.bias)

    def probabilities(self, features: npt.ArrayLike) -> FloatArray:
        """[N, C], rows add up to 1."""
        logits = self.logits(features)
        exponent = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(exponent / exponent.sum(1, keepdims=True))


def fit(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_classes: int,
    strength: float,
    *,
    start: LinearProbe | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> LinearProbe:
    """Train one probe.

    Args:
        features: [N, P].
        labels: [N].
        num_classes: C; a class without a picture gets a low bias, nothing else.
        strength: of the penalty on the weights.
        start: a probe of another strength on the same pictures, to begin from.
        max_iterations: of L-BFGS.

    Raises:
        DataError: pictures of one class only, or a feature that isn't finite.
    """
    table, mean, deviation = _standardised(features)
    target = torch.as_tensor(np.asarray(labels, np.int64))
    if len(torch.unique(target)) < 2:
        raise DataError(
            "All training pictures are of one class; there is nothing to learn.",
            next_step="Give pictures of two classes or more.",
        )
    begin = torch.zeros(num_classes, table.shape[1] + 1, dtype=torch.float64)
    if start is not None:
        begin = torch.from_numpy(np.column_stack([start.weight, start.bias]))
    parameters = begin.clone().requires_grad_()
    loss = _objective(parameters, table, target, strength)
    optimizer: Any = torch.optim.LBFGS(
        [parameters],
        max_iter=max_iterations,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        value = loss()
        (parameters.grad,) = torch.autograd.grad(value, parameters)
        return value

    optimizer.step(closure)
    (gradient,) = torch.autograd.grad(loss(), parameters)
    slope = float(gradient.abs().max())
    found = parameters.detach().numpy()
    return LinearProbe(found[:, :-1], found[:, -1], mean, deviation, strength, slope)


def sweep(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    validation: npt.ArrayLike,
    validation_labels: npt.ArrayLike,
    num_classes: int,
) -> tuple[float, dict[float, float]]:
    """The strength that is best on validation pictures.

    Accuracy decides, then the likelihood: with few pictures many strengths have one accuracy.

    Returns:
        The strength, and the validation accuracy of each that was tried.
    """
    true = np.asarray(validation_labels, np.int64)
    tried: dict[float, tuple[float, float]] = {}
    probes: dict[float, LinearProbe] = {}

    def score(strength: float) -> tuple[float, float]:
        if strength not in tried:
            near = min(probes, key=lambda other: abs(np.log(other / strength)), default=None)
            start = None if near is None else probes[near]
            probes[strength] = fit(features, labels, num_classes, strength, start=start)
            chances = probes[strength].probabilities(validation)
            accuracy = float((chances.argmax(1) == true).mean())
            truth = np.maximum(chances[np.arange(len(true)), true], 1e-12)
            tried[strength] = accuracy, float(np.log(truth).mean())
        return tried[strength]

    best = _search(score)
    return best, {strength: tried[strength][0] for strength in sorted(tried)}


def _search(score: Callable[[float], tuple[float, float]]) -> float:
    """The best strength: a coarse grid, strongest first, then halved intervals around the peak."""
    best = max(reversed(STRENGTHS), key=score)
    gap = 2.0  # powers of ten between neighbours
    while gap > 1 / STEPS_PER_DECADE:
        gap /= 2
        around = [best * 10**-gap, best, best * 10**gap]
        best = max(reversed(around), key=score)  # of equals the stronger
    return best


def _standardised(features: npt.ArrayLike) -> tuple[Tensor, FloatArray, FloatArray]:
    """Features [N, P] of mean 0 and deviation 1, and what made them so; constant ones stay 0."""
    table = np.asarray(features, np.float64)
    if table.ndim != 2 or not len(table):
        raise DataError("There is no training picture.")
    if not np.isfinite(table).all():
        raise DataError(
            "The model gives features that are not finite.",
            next_step="Its weights are damaged, or training diverged: take an earlier checkpoint.",
        )
    mean, deviation = table.mean(0), table.std(0)
    deviation = np.where(deviation > 1e-12 * np.abs(table).max(0), deviation, 1.0)
    return torch.from_numpy((table - mean) / deviation), mean, deviation


def _objective(
    parameters: Tensor, table: Tensor, target: Tensor, strength: float
) -> Callable[[], Tensor]:
    """The loss per picture, so that tolerances mean the same for few and for many."""
    count = len(target)

    def loss() -> Tensor:
        logits = table @ parameters[:, :-1].T + parameters[:, -1]
        entropy = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
        return (entropy + 0.5 * strength * parameters[:, :-1].square().sum()) / count

    return loss
