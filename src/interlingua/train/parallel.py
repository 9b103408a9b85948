"""How a model is spread over the processes: not at all, copied (DDP), or cut in pieces (FSDP2).

All three are applied in place and change no parameter's name, so optimizers, patterns of stages and
checkpoints know nothing of it. The forward goes through ``__call__`` of what ``for_stage`` gives.
Gradients are the *mean* over the processes, as torch has it.

Sources: Li et al. 2020 (DDP, arXiv:2006.15704) section 3; Zhao et al. 2023 (FSDP, arXiv:2304.11277)
section 3, in its second form (``torch.distributed.fsdp.fully_shard``).
"""

from __future__ import annotations

import copy
import gc
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from interlingua import ranks
from interlingua.train import sharding
from interlingua.train.processes import Processes

Kind = Literal["ddp", "fsdp2"]


class Parallel(Protocol):
    """What the loop asks of a way to spread a model."""

    sharded: bool

    def place(self, model: nn.Module) -> None:
        """Once, on its device, before there is an optimizer."""

    def for_stage(self, model: nn.Module) -> nn.Module:
        """What is called in the forward of a stage; which parameters it trains is set."""

    def sharing(self, last: bool) -> AbstractContextManager[object]:
        """Around a forward and its backward; gradients are exchanged in the step's last one."""

    def finish_gradients(self, trained: Sequence[nn.Parameter]) -> None:
        """After the last backward: exchange the gradients that are not yet."""

    def clip(self, trained: Sequence[nn.Parameter], limit: float) -> Tensor:
        """Scale the gradients down to a total norm; gives the norm before, alike everywhere."""

    def whole(self, model: nn.Module) -> AbstractContextManager[nn.Module]:
        """An ordinary model with the same weights, to be measured by the main process."""


class Alone:
    """One process."""

    sharded = False

    def place(self, model: nn.Module) -> None:
        """See ``Parallel``."""

    def for_stage(self, model: nn.Module) -> nn.Module:
        """See ``Parallel``."""
        return model

    def sharing(self, last: bool) -> AbstractContextManager[object]:
        """See ``Parallel``."""
        return nullcontext()

    def finish_gradients(self, trained: Sequence[nn.Parameter]) -> None:
        """See ``Parallel``."""

    def clip(self, trained: Sequence[nn.Parameter], limit: float) -> Tensor:
        """See ``Parallel``."""
        gradients = [one.grad for one in trained if one.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        # torch multiplies by 1 where nothing is too long: a pass over all gradients for nothing;
        # off the CPU asking for the number would cost more than that
        if norm.device.type != "cpu" or not bool(norm <= limit):
            nn.utils.clip_grads_with_norm_(trained, limit, norm)
        return norm

    def whole(self, model: nn.Module) -> AbstractContextManager[nn.Module]:
        """See ``Parallel``."""
        return nullcontext(model)


class Copied(Alone):
    """A copy of the model in every process; gradients are averaged while backward runs."""

    def __init__(self) -> None:
        self._wrapped: nn.parallel.DistributedDataParallel | None = None

    def for_stage(self, model: nn.Module) -> nn.Module:
        """See ``Parallel``."""
        self._wrapped = None
        gc.collect()  # the hooks of the stage before go with its wrapper
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A tower may hold parameters that a stage's losses don't reach. Running statistics
            # are each process' own: the main one's are saved.
            self._wrapped = nn.parallel.DistributedDataParallel(
                model, find_unused_parameters=True, broadcast_buffers=False
            )
        return self._wrapped

    def sharing(self, last: bool) -> AbstractContextManager[object]:
        """See ``Parallel``."""
        assert self._wrapped is not None
        return nullcontext() if last else self._wrapped.no_sync()


class Cut(Alone):
    """Each process keeps a piece of every parameter, gradient and optimizer state.

    The blocks of the towers are cut one by one and gathered when their turn comes. Scalars are too
    small to be cut: they are copied, and their gradients averaged here.

    Args:
        precision: bf16 sends the weights as bf16; gradients are summed in fp32.
        device: where the pieces are.
    """

    sharded = True

    def __init__(self, precision: torch.dtype, device: torch.device):
        self.precision = precision
        self.device = device
        self._copied: list[nn.Parameter] = []
        self._frame: nn.Module | None = None

    def place(self, model: nn.Module) -> None:
        """See ``Parallel``."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        self._copied = [one for one in model.parameters() if one.ndim == 0]
        without_storage = {
            id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad)
            for one in model.parameters()
        }
        self._frame = copy.deepcopy(model, without_storage)
        policy = MixedPrecisionPolicy()
        if self.precision != torch.float32:
            policy = MixedPrecisionPolicy(self.precision, torch.float32, cast_forward_inputs=False)
        mesh = init_device_mesh(self.device.type, (ranks.world_size(),))
        for block in blocks_of(model):
            copied = {one for one in block.parameters() if one.ndim == 0}
            fully_shard(block, mesh=mesh, mp_policy=policy, ignored_params=copied)
        fully_shard(model, mesh=mesh, mp_policy=policy, ignored_params=set(self._copied))

    def finish_gradients(self, trained: Sequence[nn.Parameter]) -> None:
        """See ``Parallel``."""
        mine = {id(one) for one in trained}
        gradients = [one.grad for one in self._copied if id(one) in mine and one.grad is not None]
        if gradients:
            mean = ranks.sum_over_ranks(torch.stack(gradients)) / ranks.world_size()
            for gradient, value in zip(gradients, mean.unbind(), strict=True):
                gradient.copy_(value)

    def clip(self, trained: Sequence[nn.Parameter], limit: float) -> Tensor:
        """See ``Parallel``."""
        gradients = [one.grad for one in trained if one.grad is not None]
        pieces = [sharding.local(one) for one in gradients if sharding.is_sharded(one)]
        copies = [one for one in gradients if not sharding.is_sharded(one)]
        squares = ranks.sum_over_ranks(_norm(pieces, self.device).square())
        norm = (squares + _norm(copies, self.device).square()).sqrt()
        if math.isfinite(limit):
            scale = (limit / (norm + 1e-6)).clamp(max=1.0)
            for one in (*pieces, *copies):
                one.mul_(scale)
        return norm

    @contextmanager
    def whole(self, model: nn.Module) -> Iterator[nn.Module]:
        """See ``Parallel``."""
        assert self._frame is not None
        main = ranks.is_main()
        state = {name: tensor for name, tensor in sharding.whole_state(model) if main}
        if not main:
            yield self._frame
            return
        self._frame.load_state_dict(state, assign=True)
        try:
            yield self._frame
        finally:
            for name, parameter in list(self._frame.named_parameters()):
                owner, _, last = name.rpartition(".")
                empty = nn.Parameter(torch.empty_like(parameter, device="meta"))
                setattr(self._frame.get_submodule(owner), last, empty)


def parallel_for(
    kind: Kind, processes: Processes, precision: torch.dtype, device: torch.device
) -> Parallel:
    """The way that a recipe names; one process needs none."""
    if not processes.many:
        return Alone()
    return Copied() if kind == "ddp" else Cut(precision, device)


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of all towers in a model, in their order."""
    found: list[nn.Module] = []
    for module in model.modules():
        blocks = getattr(module, "blocks", None)
        if isinstance(blocks, nn.ModuleList):
            found += [block for block in blocks if next(block.parameters(), None) is not None]
    return list(dict.fromkeys(found))


def _norm(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    filled = [one for one in tensors if one.numel()]
    if not filled:
        return torch.zeros((), device=device)
    return torch.stack([one.float().norm() for one in filled]).norm()
