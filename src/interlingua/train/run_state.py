"""Where a run is: all that decides the next step, taken out of the run and put back into it.

A model may leave out of its checkpoints what it can rebuild bit for bit from named
pretrained weights: ``pretrained_names()`` gives the name patterns of those tensors.
They are left out only while no stage trains them, and their SHA-256 is kept and
checked, so that a run never goes on with other weights than it began with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from interlingua.config import to_plain, validate
from interlingua.errors import CheckpointError
from interlingua.train import optim, random_state, sharding
from interlingua.train.checkpoint import Checkpoint
from interlingua.train.ema import Average
from interlingua.train.processes import ALONE, Processes
from interlingua.train.stages import Stage, multipliers
from interlingua.train.stream import Stream


@dataclass(slots=True)
class Progress:
    """Where a run is.

    Attributes:
        step: optimizer steps done in all stages, skipped ones included.
        stage: the number of the stage.
        step_in_stage: steps done in it.
        skipped_steps: steps that non-finite numbers cost.
        skipped_in_a_row: of these, how many since the last good step.
        seconds: spent in steps, over all the processes of this run.
        figures: of the last evaluation.
    """

    step: int = 0
    stage: int = 0
    step_in_stage: int = 0
    skipped_steps: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class FitResult:
    """How a run ended.

    Attributes:
        step: optimizer steps done, skipped ones included.
        finished: False when a signal stopped it.
        stopped_by: ``SIGTERM``, ``SIGINT`` or None.
        skipped_steps: steps that non-finite numbers cost.
        figures: of the last evaluation.
        seconds: of training, over all the processes of this run.
    """

    step: int
    finished: bool
    stopped_by: str | None
    skipped_steps: int
    figures: dict[str, Any]
    seconds: float

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, else 0: a run that saved and stopped as asked did no wrong."""
        return 130 if self.stopped_by == "SIGINT" else 0


def capture(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    stream: Stream,
    progress: Progress,
    stages: Sequence[Stage],
    average: Average | None = None,
    processes: Processes = ALONE,
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The tensors and the plain data of a checkpoint; every process must call it."""
    state = model.state_dict()
    left_out = pretrained_tensors(model, stages)
    generators, generator_tensors = random_state.capture()
    tensors = {
        "model": unshared({name: state[name] for name in state if name not in left_out}),
        "optimizer": optim.state_tensors(optimizer, model),
        processes.file_of_rank("random"): generator_tensors,
    }
    plain = {
        "progress": asdict(progress),
        "stream": stream.state(),
        "random": generators,
        "stages": [to_plain(stage) for stage in stages],
        "pretrained": sorted(left_out),
        "pretrained_digest": _digest_of(model, left_out),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processes": processes.world,
    }
    if processes.many:
        plain["random_of_ranks"] = processes.gather(generators)
    if average is not None:
        tensors["ema"] = dict(average.tensors)
        plain["ema"] = {"updates": average.updates}
    return tensors, plain


def weights_for_use(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The model's tensors in a checkpoint, the averaged ones where the run kept an average."""
    return {**checkpoint.tensors["model"], **checkpoint.tensors.get("ema", {})}


def load_model(model: nn.Module, checkpoint: Checkpoint, *, averaged: bool = False) -> None:
    """Put a checkpoint's weights into a model that is built and has its pretrained weights.

    Args:
        model: perhaps cut over several processes.
        checkpoint: of a run of any number of processes.
        averaged: take the averaged weights, where the run kept an average.

    Raises:
        CheckpointError: names or shapes differ, or the pretrained weights are not those
            that the run began with.
    """
    state = model.state_dict()
    left_out = checkpoint.state.get("pretrained", [])
    tensors = weights_for_use(checkpoint) if averaged else checkpoint.tensors["model"]
    missing = sorted(set(state) - set(tensors) - set(left_out))
    unexpected = sorted((set(tensors) | set(left_out)) - set(state))
    misshapen = [
        name
        for name, tensor in tensors.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if missing or unexpected or misshapen:
        raise CheckpointError(
            "The checkpoint belongs to another model: "
            f"missing {_some(missing)}, unexpected {_some(unexpected)}, "
            f"of another shape {_some(misshapen)}.",
            next_step="Use the run's own recipe.yaml.",
        )
    if left_out:
        found = _digest_of(model, left_out)
        if found != checkpoint.state["pretrained_digest"]:
            raise CheckpointError(
                "The pretrained weights are not those that this run began with "
                f"({_some(left_out)}).",
                next_step="`interlingua weights verify NAME` checks what is cached.",
            )
    sharding.put_state(model, tensors)


def restore(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    stream: Stream,
    average: Average | None = None,
    processes: Processes = ALONE,
) -> None:
    """Put back what ``capture`` took; the random generators last."""
    load_model(model, checkpoint)
    optim.restore_state(optimizer, model, checkpoint.tensors["optimizer"])
    if average is not None and "ema" in checkpoint.tensors:
        average.restore(checkpoint.tensors["ema"], checkpoint.state["ema"]["updates"])
    stream.restore(checkpoint.state["stream"])
    _restore_generators(checkpoint, processes)


def _restore_generators(checkpoint: Checkpoint, processes: Processes) -> None:
    """Those of this rank; other numbers of processes begin with the main one's, each its own."""
    state, tensors = checkpoint.state, checkpoint.tensors
    world = state.get("processes", 1)
    own = Processes(processes.rank if world == processes.world else 0, world)
    plain = state["random_of_ranks"][own.rank] if world > 1 else state["random"]
    random_state.restore(plain, tensors[own.file_of_rank("random")])
    if world != processes.world and not processes.is_main:
        random_state.seed_all(checkpoint.step * processes.world + processes.rank)


def differences(
    checkpoint: Checkpoint, stages: Sequence[Stage], processes: Processes = ALONE
) -> list[str]:
    """What is not as it was when the checkpoint was written, in words."""
    found = []
    world = checkpoint.state.get("processes", 1)
    if world != processes.world:
        found.append(f"there were {world} processes and are {processes.world}")
    before = [to_plain(validate(Stage, one, "stages")) for one in checkpoint.state["stages"]]
    if before != [to_plain(stage) for stage in stages]:
        found.append("the stages were changed")
    if checkpoint.state["torch"] != torch.__version__:
        found.append(f"torch was {checkpoint.state['torch']} and is {torch.__version__}")
    if checkpoint.state["threads"] != torch.get_num_threads():
        found.append(
            f"there were {checkpoint.state['threads']} threads and are {torch.get_num_threads()}"
        )
    return found


def pretrained_tensors(model: nn.Module, stages: Sequence[Stage]) -> list[str]:
    """Names in the state dict that are rebuilt from pretrained weights and never trained."""
    patterns: Sequence[str] = getattr(model, "pretrained_names", tuple)()
    if not patterns:
        return []
    names = [name for name, _ in model.named_parameters()]
    trained = {name for stage in stages for name in multipliers(stage, names)}
    return sorted(
        name
        for name in model.state_dict()
        if name not in trained and any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in hex."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _digest_of(model: nn.Module, names: Collection[str]) -> str:
    """``tensors_digest`` of some of a model's tensors, whole."""
    if not names:
        return tensors_digest({})
    whole = sharding.whole_state(model)
    return tensors_digest({name: tensor for name, tensor in whole if name in names})


def unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, tied ones copied: safetensors keeps no two names for one memory."""
    seen: set[int] = set()
    copies = {}
    for name, tensor in tensors.items():
        memory = sharding.local(tensor).untyped_storage().data_ptr()
        copies[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return copies


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} … ({len(names)})" if len(names) > 5 else shown or "nothing"
