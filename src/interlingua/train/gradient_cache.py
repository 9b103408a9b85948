"""Gradient caching: the loss of a large batch in the memory of a small one.

Notable features:
- the towers see the batch in micro-batches, twice: first without a graph, only the vectors are
  kept; then the loss of *all* vectors gives the gradient of each vector; then every micro-batch
  runs again and its vectors hand that gradient on;
- the second pass draws the same random numbers (dropout, patches), so the gradients are those
  of one large step. It costs one more forward, about a third of a step;
- what a vector depends on must be its own micro-batch alone, so BatchNorm in training mode is
  refused;
- in many processes the gradients meet once, in the last micro-batch.

Source: Gao et al. 2021, arXiv:2101.06983, section 3.2 (GradCache).

Shape legend: M media of one view, D width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from interlingua import ranks
from interlingua.batch import Batch
from interlingua.device import autocast
from interlingua.errors import ConfigError
from interlingua.train.touch import touched

LossOf = Callable[[Any, Batch], Tensor]


def cached_step(
    model: nn.Module,
    batch: Batch,
    loss_of: LossOf,
    needs: Collection[str],
    micro_batch: int,
    precision: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Forward and backward of one batch; the gradients are added to the parameters.

    Args:
        model: called as ``model(batch, needs=...)``; plain, under DDP or under FSDP2.
        batch: on ``device``.
        loss_of: ``loss_of(outputs, batch)``, the scalar whose gradient is wanted, with all
            its weights and factors; called once, with the outputs of the whole batch.
        needs: of the objectives; only ``vectors`` can be cached.
        micro_batch: samples that the towers see at a time.
        precision: of the forward.
        device: whose random state is replayed, beside the processor's.

    Returns:
        The loss, detached.

    Raises:
        ConfigError: BatchNorm in training mode, or outputs that can't be cached.
    """
    check(model, needs)
    parts = list(_micro_batches(batch, micro_batch))
    if len(parts) == 1:  # nothing to cache
        with autocast(device, precision):
            outputs = model(batch, needs=needs)
        loss = loss_of(outputs, batch)
        if loss.requires_grad:
            loss.backward()
        return loss.detach()
    # DDP's own forward talks to the other ranks: not in the pass that needs no gradients.
    plain = model.module if isinstance(model, DistributedDataParallel) else model
    states, found = [], []
    for _, part in parts:
        states.append(_random_state(device))
        with torch.no_grad(), autocast(device, precision):
            found.append(plain(part, needs=needs))
    whole = _joined(found, [start for start, _ in parts])
    loss = loss_of(whole, batch)
    if loss.requires_grad:
        loss.backward()
        taken = dict.fromkeys(whole.vectors, 0)
        for number, (_, part) in enumerate(parts):
            last = number == len(parts) - 1
            _set_random_state(states[number], device)
            with nullcontext() if last else _unsynchronised(model):
                with autocast(device, precision):
                    outputs = model(part, needs=needs)
                surrogate = _surrogate(outputs, whole, taken, last)
                if surrogate is not None and surrogate.requires_grad:
                    surrogate.backward()
    return loss.detach()


def check(model: nn.Module, needs: Collection[str]) -> None:
    """Refuse what caching would change.

    Raises:
        ConfigError: BatchNorm in training mode, or outputs that can't be cached.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            raise ConfigError(
                "Gradient caching changes what BatchNorm computes: it would see micro-batches.",
                where=f"stages.micro_batch, and the model's {name.removeprefix('module.')}",
                next_step="Freeze that tower (stages.trainable), take one without BatchNorm, "
                "or set micro_batch=0.",
            )
    if extra := sorted(set(needs) - {"vectors"}):
        raise ConfigError(
            f"Gradient caching keeps vectors only; an objective reads {', '.join(extra)}.",
            where="stages.micro_batch",
            next_step="Set micro_batch=0, or use contrastive objectives alone.",
        )


def _micro_batches(batch: Batch, micro_batch: int) -> Iterator[tuple[int, Batch]]:
    """(first sample, micro-batch): equally many on all ranks, of nearly equal sizes."""
    count = math.ceil(len(batch) / max(1, micro_batch))
    count = max(1, *ranks.sizes_of_ranks(count))
    for number in range(count):
        start, stop = (len(batch) * place // count for place in (number, number + 1))
        yield start, batch.select(slice(start, stop))


def _joined(found: list[Any], starts: list[int]) -> Any:
    """The outputs of the whole batch: vectors and scalars as leaves that collect gradients."""
    vectors: dict[str, Tensor] = {}
    owner: dict[str, Tensor] = {}
    for view in dict.fromkeys(view for outputs in found for view in outputs.vectors):
        having = [(outputs, s) for outputs, s in zip(found, starts, strict=True)
                  if view in outputs.vectors]  # fmt: skip
        vectors[view] = torch.cat([outputs.vectors[view] for outputs, _ in having])  # [M, D]
        vectors[view].requires_grad_()
        owner[view] = torch.cat([outputs.owner[view] + start for outputs, start in having])
    scalars = {
        name: value.detach().clone().requires_grad_() for name, value in _scalars(found[0]).items()
    }
    return dataclasses.replace(found[0], vectors=vectors, owner=owner, **scalars)


def _surrogate(outputs: Any, whole: Any, taken: dict[str, int], last: bool) -> Tensor | None:
    """A scalar with the gradient that the loss has through this micro-batch.

    Args:
        outputs: of the micro-batch, with a graph.
        whole: the outputs that have collected their gradients.
        taken: by view, the rows of ``whole`` that went before; moved on.
        last: the scalars (scale, bias) belong to no micro-batch: they go with the last.
    """
    terms = []
    for view, vectors in outputs.vectors.items():
        rows = slice(taken[view], taken[view] + len(vectors))
        taken[view] = rows.stop
        gradient = whole.vectors[view].grad
        if vectors.requires_grad and gradient is not None:
            terms.append((vectors * gradient[rows]).sum())
    for name, value in _scalars(outputs).items() if last else ():
        gradient = getattr(whole, name).grad
        if value.requires_grad and gradient is not None:
            terms.append(value * gradient)
    if last and ranks.world_size() > 1:  # DDP waits for all that this forward has made
        terms += [one for one in [touched(outputs)] if isinstance(one, Tensor)]
    return torch.stack(terms).sum() if terms else None


def _scalars(outputs: Any) -> dict[str, Tensor]:
    """The outputs that are one number for the whole batch: scale and bias."""
    values = {field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point()
    }


@contextmanager
def _unsynchronised(model: nn.Module) -> Iterator[None]:
    """Gradients stay on this rank: DDP's ``no_sync``, and FSDP2's switch for the same."""
    switch = getattr(model, "set_requires_gradient_sync", None)
    if isinstance(model, DistributedDataParallel):
        with model.no_sync():
            yield
    elif switch is not None:
        switch(False)
        try:
            yield
        finally:
            switch(True)
    else:
        yield


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Of the processor's generator and of the device's."""
    own = None
    if device.type == "cuda":
        own = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        own = torch.mps.get_rng_state()
    return torch.get_rng_state(), own


def _set_random_state(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
    elif state[1] is not None:
        torch.mps.set_rng_state(state[1])
