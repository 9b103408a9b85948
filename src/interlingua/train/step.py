"""One optimizer step up to the update: forward, objectives, backward, clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from interlingua.batch import Batch
from interlingua.device import autocast
from interlingua.objectives.objective import Objective
from interlingua.train.stages import Stage
from interlingua.train.stream import Stream

Objectives = Mapping[str, tuple[Objective, float]]


@dataclass(slots=True)
class Outcome:
    """What a step gave.

    Attributes:
        loss: the weighted total, the mean over the accumulated batches.
        grad_norm: total norm before clipping.
        parts: of the loss, by name.
        keys: of all samples.
    """

    loss: float = 0.0
    grad_norm: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    @property
    def finite(self) -> bool:
        """False when an update would spoil the weights."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)

    @property
    def figures(self) -> str:
        """For messages."""
        return f"loss {self.loss}, gradient norm {self.grad_norm}"


class Stepper:
    """Computes clipped gradients; each tower runs once however many objectives read it."""

    def __init__(
        self,
        model: nn.Module,
        objectives: Objectives,
        device: torch.device,
        precision: torch.dtype,
    ):
        self.model = model
        self.objectives = objectives
        self.device = device
        self.precision = precision
        self.needs = frozenset[str]().union(*(item.needs for item, _ in objectives.values()))

    def gradients(self, stream: Stream, stage: Stage, optimizer: torch.optim.Optimizer) -> Outcome:
        """Leave the step's clipped gradients in the parameters."""
        outcome = Outcome()
        parts: dict[str, Tensor] = {}
        total = torch.zeros((), device=self.device)
        for _ in range(stage.accumulate):
            batch = stream.next().to(self.device)
            outcome.keys.extend(batch.keys)
            loss = self._loss(batch, parts, 1 / stage.accumulate)
            if loss.requires_grad:
                loss.backward()
            total += loss.detach()
        trained = [one for group in optimizer.param_groups for one in group["params"]]
        # An infinite limit clips nothing but still measures.
        norm = nn.utils.clip_grad_norm_(trained, stage.clip_norm or math.inf)
        outcome.loss, outcome.grad_norm = torch.stack([total, norm.to(total)]).tolist()
        outcome.parts = {name: float(value) for name, value in parts.items()}
        return outcome

    def _loss(self, batch: Batch, parts: dict[str, Tensor], share: float) -> Tensor:
        """The weighted sum of the objectives; adds their parts to ``parts``."""
        with autocast(self.device, self.precision):
            outputs = self.model(batch, needs=self.needs)
        total = torch.zeros((), device=self.device)
        for name, (objective, weight) in self.objectives.items():
            loss = objective(outputs, batch)
            total = total + weight * share * loss.total.float()
            for part, value in loss.parts.items():
                full_name = part if len(self.objectives) == 1 else f"{name}/{part}"
                before = parts.get(full_name, torch.zeros((), device=self.device))
                parts[full_name] = before + share * value.detach()
        return total
