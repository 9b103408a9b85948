"""What a target weighs: the same in every accumulated batch and in every process.

A loss that is a mean over its own targets (classes, words) has more of them in one batch than in
another. The mean over the step is the sum over all targets divided by their number, so a batch is
weighted by its count, and the counts of all processes are added before the backward. A loss that is
of all processes already (a contrastive one that gathers), or that counts nothing, weighs the same
in every batch.

The counts of later batches aren't known when the first one runs backward. The first one's stands
for them, and the gradients are corrected at the end, exactly; only where objectives with different
corrections share a step (then no single factor is right) the first batch's count stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from interlingua.objectives.objective import Loss
from interlingua.train import sharding
from interlingua.train.processes import Processes


@dataclass(slots=True)
class _Sum:
    """One objective in one step.

    Attributes:
        assumed: the number of targets that the gradients were divided by.
        counted: the number there are, in all processes.
        loss: the sum of losses times counts, of this process.
    """

    assumed: float
    counted: float
    loss: Tensor


class Tally:
    """The losses of one step.

    Args:
        weights: of the objectives.
        accumulate: how many batches come.
        processes: all that take part.
        device: of the losses.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        accumulate: int,
        processes: Processes,
        device: torch.device,
    ):
        self.weights = weights
        self.accumulate = accumulate
        self.processes = processes
        self.device = device
        self._sums: dict[str, _Sum] = {}
        self._parts: dict[str, tuple[Tensor, float]] = {}

    def add(self, losses: Mapping[str, Loss]) -> Tensor:
        """Take in one batch; gives the scalar whose backward adds the right gradients.

        Gradients are averaged over the processes afterwards, so they are multiplied by the number
        of processes here.
        """
        counts = self._counts(losses)
        world = self.processes.world
        total = torch.zeros((), device=self.device)
        for name, loss in losses.items():
            own, everywhere = counts.get(name, (1.0, float(world)))
            value = loss.total.float()
            if name not in self._sums:
                assumed = self.accumulate * (everywhere or 1.0)
                self._sums[name] = _Sum(assumed, 0.0, torch.zeros((), device=self.device))
            one = self._sums[name]
            # A loss of all processes is the same in each, its gradient only this one's part.
            factor = world * (world if loss.of_all_ranks else 1)
            share = self.weights[name] * (factor * own / one.assumed)
            total = total + share * value
            one.counted += everywhere
            one.loss = one.loss + value.detach() * own
            self._add_parts(name, loss, name in counts)
        return total

    def correct(self, trained: Sequence[nn.Parameter]) -> None:
        """Divide the gradients by the number of targets that there were."""
        ratios = {one.assumed / one.counted for one in self._sums.values() if one.counted}
        if len(ratios) == 1 and (ratio := ratios.pop()) != 1.0:
            for parameter in trained:
                if parameter.grad is not None:
                    sharding.local(parameter.grad).mul_(ratio)

    def loss(self) -> Tensor:
        """This process' part of the step's weighted loss: the parts of all add up to it."""
        total = torch.zeros((), device=self.device)
        for name, one in self._sums.items():
            total = total + self.weights[name] * one.loss / (one.counted or 1.0)
        return total

    def parts(self) -> dict[str, tuple[float, float]]:
        """By name: the sum of a part times its weight, and the weight, of this process."""
        return {name: (float(value), weight) for name, (value, weight) in self._parts.items()}

    def _counts(self, losses: Mapping[str, Loss]) -> dict[str, tuple[float, float]]:
        """Targets here and everywhere, of the objectives that are means over their own."""
        names = [name for name, loss in losses.items() if not loss.of_all_ranks]
        if not names:
            return {}
        own = [float(sum(losses[name].counts.values())) for name in names]
        known = [float(bool(losses[name].counts)) for name in names]
        sums = self.processes.sum([*own, *known])
        return {
            name: (own[place], sums[place])
            for place, name in enumerate(names)
            if sums[len(names) + place]
        }

    def _add_parts(self, name: str, loss: Loss, counted: bool) -> None:
        for part, value in loss.parts.items():
            full_name = part if len(self.weights) == 1 else f"{name}/{part}"
            weight = float(loss.counts.get(part, 1)) if counted else 1.0
            before, weight_before = self._parts.get(full_name, (0.0, 0.0))
            added = value.detach() * weight
            self._parts[full_name] = (before + added, weight_before + weight)


def mean_parts(shares: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """The parts of the loss over all processes, from what ``Tally.parts`` gave in each."""
    sums: dict[str, tuple[float, float]] = {}
    for share in shares:
        for name, (value, weight) in share.items():
            before, weight_before = sums.get(name, (0.0, 0.0))
            sums[name] = (before + value, weight_before + weight)
    return {name: value / weight if weight else 0.0 for name, (value, weight) in sums.items()}
