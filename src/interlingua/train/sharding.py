"""Tensors of which each process holds some rows: what is here, and how the whole comes back.

FSDP2 keeps a parameter as a ``DTensor``, cut along its first dimension into one piece for each
process (the last ones may be shorter, or empty). Everything that needs to know this is here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """True where other processes hold other rows of it."""
    # Who has made one has loaded its module, which takes a second: others needn't.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, in the tensor's own memory, without gradient."""
    piece: Tensor = tensor.to_local() if is_sharded(tensor) else tensor
    return piece.detach()


def rows_of(size: int, rank: int, world: int) -> range:
    """Which of ``size`` rows a process holds: as torch cuts them."""
    each = -(-size // world)
    start = min(each * rank, size)
    return range(start, min(start + each, size))


def rows(tensor: DTensor) -> range:
    """Which rows of the whole ``local`` is."""
    mesh = tensor.device_mesh
    return rows_of(tensor.shape[0], mesh.get_local_rank(), mesh.size())


def put(target: Tensor, whole: Tensor) -> None:
    """Write a whole tensor into one of which perhaps only some rows are here."""
    place = local(target)
    if is_sharded(target):
        here = rows(target)
        whole = whole[here.start : here.stop]
    place.copy_(whole)


def like(whole: Tensor, parameter: Tensor) -> Tensor:
    """A new tensor with the values of ``whole``, on the device and in the pieces of another.

    Optimizer state must have the dtype it was saved in, so that is kept.
    """
    if not is_sharded(parameter):
        return whole.detach().clone().to(parameter.device)
    from torch.distributed.tensor import DTensor

    here = rows(parameter)
    piece = whole[here.start : here.stop].clone().to(local(parameter).device)
    return DTensor.from_local(
        piece,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )


def whole_state(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    """Names and whole tensors of a model's state; every process must run through all of it."""
    for name, tensor in model.state_dict().items():
        yield name, tensor.full_tensor() if is_sharded(tensor) else tensor


def put_state(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Write whole tensors, by name, into a model's state."""
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            put(state[name], tensor)
