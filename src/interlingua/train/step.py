"""One optimizer step up to the update: forward, objectives, backward, clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from interlingua.batch import Batch
from interlingua.device import autocast
from interlingua.objectives.objective import Loss, Objective
from interlingua.train.gradient_cache import cached_step
from interlingua.train.memory import Size, batch_sizes
from interlingua.train.parallel import Parallel
from interlingua.train.processes import Processes
from interlingua.train.stages import Stage
from interlingua.train.stream import Stream
from interlingua.train.target_counts import Tally
from interlingua.train.touch import reading_all

Objectives = Mapping[str, tuple[Objective, float]]


@dataclass(slots=True)
class Outcome:
    """What a step gave.

    Attributes:
        loss: the weighted total over all accumulated batches and all processes.
        grad_norm: total norm before clipping.
        parts: of the loss, by name: (weighted sum, weight) of this process' share.
        keys: of this process' samples.
    """

    loss: float = 0.0
    grad_norm: float = 0.0
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)
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
    """Computes clipped gradients; each tower runs once however many objectives read it.

    Args:
        objectives: by name: the loss and its weight.
        parallel: how the model is spread over the processes.
        processes: all of them.
        device, precision: of the forward.

    Attributes:
        called: what is called in the forward; each stage sets it.
        sizes: of the newest batch, for messages.
    """

    def __init__(
        self,
        objectives: Objectives,
        parallel: Parallel,
        processes: Processes,
        device: torch.device,
        precision: torch.dtype,
    ):
        self.objectives = objectives
        self.parallel = parallel
        self.processes = processes
        self.device = device
        self.precision = precision
        self.needs = frozenset[str]().union(*(item.needs for item, _ in objectives.values()))
        self.called: nn.Module = nn.Identity()
        self.sizes: list[Size] = []

    def gradients(
        self, stream: Stream, stage: Stage, optimizer: torch.optim.Optimizer, step: int
    ) -> Outcome:
        """Leave the step's clipped gradients in the parameters.

        Args:
            stream: gives ``stage.accumulate`` batches, this process' shares of them.
            stage: its settings.
            optimizer: whose parameters are clipped together.
            step: its number, for the other processes.
        """
        outcome = Outcome()
        weights = {name: weight for name, (_, weight) in self.objectives.items()}
        tally = Tally(weights, stage.accumulate, self.processes, self.device)
        for number in range(stage.accumulate):
            self.processes.at(step, 0)
            batch = stream.next()
            self.sizes[:] = batch_sizes(batch)
            batch = batch.to(self.device)
            self.processes.at(step, 1)
            outcome.keys.extend(batch.keys)
            with self.parallel.sharing(last=number + 1 == stage.accumulate):
                self._backward(batch, stage, tally)
        trained = [one for group in optimizer.param_groups for one in group["params"]]
        self.parallel.finish_gradients(trained)
        tally.correct(trained)
        # An infinite limit clips nothing but still measures.
        norm = self.parallel.clip(trained, stage.clip_norm or math.inf)
        loss = tally.loss()
        outcome.loss, outcome.grad_norm = torch.stack([loss, norm.to(loss)]).tolist()
        outcome.parts = tally.parts()
        return outcome

    def _backward(self, batch: Batch, stage: Stage, tally: Tally) -> None:
        def loss_of(outputs: Any, batch: Batch) -> Tensor:
            losses: dict[str, Loss] = {
                name: objective(outputs, batch) for name, (objective, _) in self.objectives.items()
            }
            return reading_all(tally.add(losses), outputs)

        if stage.micro_batch:
            cached_step(
                self.called, batch, loss_of, self.needs, stage.micro_batch,
                self.precision, self.device,
            )  # fmt: skip
            return
        with autocast(self.device, self.precision):
            outputs = self.called(batch, needs=self.needs)
        loss = loss_of(outputs, batch)
        if loss.requires_grad:
            loss.backward()
