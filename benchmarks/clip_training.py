"""A training step of CLIP by each library, as its own training loop does it.

open_clip: the body of ``train_one_epoch`` of its 3.3.0 (zero the gradients, forward and loss under
autocast, backward, AdamW, clamp of the logit scale), with the optimizer groups and defaults of its
``main`` and ``params`` (lr 5e-4, betas 0.9 and 0.98, eps 1e-6, weight decay 0.2 of matrices).
Ours: ``Stepper`` and the optimizer of ``train/optim.py``, the same settings, no clipping.

Equal titles are not masked as false negatives on either side: open_clip can't.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import clip_models
from benchmarks.clip_batches import Pairs, as_batch, normalized
from benchmarks.compare import apart, cosines, relatively_apart
from benchmarks.harness import Check, Precision, Prepared
from interlingua.batch import Batch

LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY = 5e-4, (0.9, 0.98), 1e-6, 0.2
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Endless:
    """A stream of given batches, again and again."""

    def __init__(self, batches: Sequence[Batch]):
        self.batches = batches
        self.place = 0

    def next(self) -> Batch:
        batch = self.batches[self.place % len(self.batches)]
        self.place += 1
        return batch

    def state(self) -> dict[str, Any]:
        return {"place": self.place}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.place = state["place"]


class OurTraining:
    """Our model, stepper and optimizer."""

    def __init__(
        self,
        folder: Path,
        batches: Sequence[Pairs],
        precision: Precision,
        device: str,
        image_size: int | None = None,
        learning_rate: float = LEARNING_RATE,
    ):
        from interlingua.objectives.contrastive import PairwiseContrastive
        from interlingua.train import distributed, optim
        from interlingua.train.parallel import parallel_for
        from interlingua.train.stages import Stage
        from interlingua.train.step import Stepper

        where, dtype = torch.device(device), DTYPES[precision]
        processes = distributed.present()
        parallel = parallel_for("ddp", processes, dtype, where)
        self.model = clip_models.ours(folder, image_size).to(where)
        parallel.place(self.model)
        self.stage = Stage(
            steps=1, learning_rate=learning_rate, betas=BETAS, epsilon=EPSILON,
            weight_decay=WEIGHT_DECAY, clip_norm=0,
        )  # fmt: skip
        self.optimizer = optim.prepare(self.model, self.stage)
        optim.training_mode(self.model)
        objective = PairwiseContrastive(PairwiseContrastive.Config())
        self.stepper = Stepper({"contrastive": (objective, 1.0)}, parallel, processes, where, dtype)
        self.stepper.called = parallel.for_stage(self.model)
        self.stream = Endless([as_batch(pairs) for pairs in batches])
        self.grad_norm = math.nan

    def step(self) -> float:
        """One step; gives the loss before it."""
        outcome = self.stepper.gradients(self.stream, self.stage, self.optimizer, step=0)
        self.grad_norm = outcome.grad_norm
        self.optimizer.step()
        self.model.after_step(1)
        self.optimizer.zero_grad(set_to_none=True)
        return outcome.loss

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Of the first batch, by the present weights: pictures and texts."""
        with torch.no_grad(), autocast(self.stepper.device.type, self.stepper.precision):
            found = self.model(self.stream.batches[0].to(self.stepper.device)).vectors
        return found["image"], found["text"]


class OpenClipTraining:
    """open_clip's model, loss and optimizer."""

    def __init__(
        self,
        folder: Path,
        batches: Sequence[Pairs],
        precision: Precision,
        device: str,
        image_size: int | None = None,
        learning_rate: float = LEARNING_RATE,
    ):
        from open_clip.loss import ClipLoss

        model, _ = clip_models.open_clip_model(folder, image_size, device=device, output_dict=True)
        self.model = self.wrapped = model.train()
        self.precision, self.device = DTYPES[precision], device
        self.loss = ClipLoss()
        self.optimizer = open_clip_optimizer(self.model, learning_rate)
        self.batches = [(normalized(pairs.pixels), pairs.ids) for pairs in batches]
        self.place = 0

    def distribute(self, rank: int, number: int) -> None:
        """Share the step with the other processes, with the flags that its guide recommends."""
        from open_clip.loss import ClipLoss

        self.loss = ClipLoss(local_loss=True, gather_with_grad=True, rank=rank, world_size=number)
        self.wrapped = torch.nn.parallel.DistributedDataParallel(self.model)

    def step(self) -> float:
        """One step; gives the loss before it."""
        images, texts = self.batches[self.place % len(self.batches)]
        self.place += 1
        images = images.to(self.device, non_blocking=True)
        texts = texts.to(self.device, non_blocking=True)
        self.optimizer.zero_grad()
        with autocast(self.device, self.precision):
            losses = self.loss(**self.wrapped(images, texts), output_dict=True)
            total = sum(losses.values())
        total.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
        return float(total.detach())

    @property
    def grad_norm(self) -> float:
        """Of the last step; its gradients stay until the next."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Of the first batch, by the present weights: pictures and texts."""
        images, texts = self.batches[0]
        with torch.no_grad(), autocast(self.device, self.precision):
            found = self.model(images.to(self.device), texts.to(self.device))
        return found["image_features"], found["text_features"]


def open_clip_optimizer(model: Any, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW with the groups that open_clip's ``main`` makes."""

    def exclude(name: str, parameter: Tensor) -> bool:
        words = ("bn", "ln", "bias", "logit_scale")
        return parameter.ndim < 2 or any(word in name for word in words)

    named = list(model.named_parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for n, p in named if exclude(n, p)], "weight_decay": 0.0},
            {"params": [p for n, p in named if not exclude(n, p)], "weight_decay": WEIGHT_DECAY},
        ],
        lr=learning_rate,
        betas=BETAS,
        eps=EPSILON,
    )


def autocast(device: str, precision: torch.dtype) -> contextlib.AbstractContextManager[Any]:
    """To bf16, or nothing at all for fp32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, dtype=precision)


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What is compared: before any update, and after one."""

    image: Tensor
    text: Tensor
    loss: float
    grad_norm: float
    next_loss: float


def prepared(make: Callable[[], OurTraining | OpenClipTraining]) -> Prepared:
    """A side that trains."""
    training = make()

    def check() -> FirstSteps:
        image, text = training.vectors()
        loss = training.step()
        return FirstSteps(image, text, loss, training.grad_norm, training.step())

    return Prepared(lambda _: training.step(), check)


def compare(ours: FirstSteps, peer: FirstSteps) -> list[Check]:
    """In bf16: vectors, loss, gradient, and the loss after one update."""
    return [
        *cosines(ours.image, peer.image, "picture vectors", 0.999)[:1],
        *cosines(ours.text, peer.text, "text vectors", 0.999)[:1],
        apart(ours.loss, peer.loss, "loss of the first step", 0.02),
        relatively_apart(ours.grad_norm, peer.grad_norm, "gradient norm", 0.05),
        apart(ours.next_loss, peer.next_loss, "loss after one update", 0.1),
    ]


def exactly_equal(
    folder: Path, pairs: Pairs, device: str, image_size: int | None = None
) -> list[Check]:
    """Both in fp32 on a small batch: the same model, loss, gradient and update, or not."""
    few = [Pairs(pairs.pixels[:8], pairs.ids[:8])]
    ours, theirs = (
        prepared(lambda kind=kind: kind(folder, few, "fp32", device, image_size)).outputs()
        for kind in (OurTraining, OpenClipTraining)
    )
    return [
        apart(ours.loss, theirs.loss, "fp32, loss of the first step", 1e-4),
        relatively_apart(ours.grad_norm, theirs.grad_norm, "fp32, gradient norm", 1e-3),
        apart(ours.next_loss, theirs.next_loss, "fp32, loss after one update", 1e-2),
    ]
