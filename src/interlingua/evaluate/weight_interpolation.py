"""Between a model as it was and as it was fine-tuned: a weighted mean of their weights.

Fine-tuning on a small set gains on that set and loses elsewhere; on the straight line between
the two models mostly lies one that has nearly all of the gain at little of the loss. Where on
the line is chosen on validation pictures, its start always among the choices: what
is chosen is never worse on them than the model was before.

Source: Wortsman et al. 2022 (WiSE-FT, arXiv:2109.01903), sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interlingua.errors import DataError

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # validation sets are too small to tell tenths apart


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that was tried.

    Attributes:
        step: of the fine-tuned checkpoint; 0 = the start.
        share: of the fine-tuned weights.
        accuracy: on the validation pictures, higher is better.
        nll: mean negative log-likelihood there; decides between equal accuracies.
    """

    step: int
    share: float
    accuracy: float
    nll: float

    def weights(
        self, start: Mapping[str, Tensor], tuned: Callable[[int], Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """The weights at this point; ``tuned`` reads those of a checkpoint."""
        return interpolate(start, tuned(self.step), self.share) if self.step else dict(start)


def interpolate(
    start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """``(1 - share) * start + share * tuned`` for every weight; whole numbers as they were tuned.

    Raises:
        DataError: names or shapes differ: the two are not one model.
        ValueError: a share outside of 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share is {share}, not in 0..1")
    shapes = [{name: tensor.shape for name, tensor in one.items()} for one in (start, tuned)]
    if shapes[0] != shapes[1]:
        differ = sorted(
            name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name)
        )
        raise DataError(
            f"These are not weights of one model: {', '.join(differ[:3])} differ.",
            next_step="Give a model and what was fine-tuned from it.",
        )
    mixed = {}
    for name, tensor in tuned.items():
        before = start[name].to(tensor.device)
        if share == 1 or not tensor.is_floating_point():
            mixed[name] = tensor.clone()
        elif share == 0:
            mixed[name] = before.clone()
        else:
            mixed[name] = torch.lerp(before.float(), tensor.float(), share).to(tensor.dtype)
    return mixed


def choose(
    start: Mapping[str, Tensor],
    steps: Sequence[int],
    tuned: Callable[[int], Mapping[str, Tensor]],
    score: Callable[[Mapping[str, Tensor]], tuple[float, float]],
    shares: Sequence[float] = SHARES,
) -> tuple[Candidate, list[Candidate]]:
    """The best point on the lines from a model to each of its fine-tuned checkpoints.

    Accuracy decides, then the likelihood, then the smaller step away from the start.

    Args:
        start: weights before.
        steps: of the fine-tuned checkpoints.
        tuned: reads the weights of one of them; one at a time is in memory.
        score: gives validation accuracy and negative log-likelihood of some weights.
        shares: points on each line; 0 is always tried.

    Returns:
        The chosen one, and all that were tried, the start first.
    """
    tried = [Candidate(0, 0.0, *score(dict(start)))]
    for step in steps:
        weights = tuned(step)
        for share in sorted(set(shares) - {0.0}):
            tried.append(Candidate(step, share, *score(interpolate(start, weights, share))))
    best = max(tried, key=lambda one: (one.accuracy, -one.nll, -one.share, -one.step))
    return best, tried
