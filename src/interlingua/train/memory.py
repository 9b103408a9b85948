"""How much memory training holds, what it goes to, and a clear message when there is no more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from interlingua.batch import Batch
from interlingua.errors import TrainingError
from interlingua.train import sharding
from interlingua.train.stages import Stage


@dataclass(frozen=True, slots=True)
class Size:
    """What one view takes in a batch.

    Attributes:
        view: its name.
        shape: of the values, or of the cached vectors of a frozen tower.
        dtype: ``uint8``, ``float32`` …
        num_bytes: with the mask.
    """

    view: str
    shape: tuple[int, ...]
    dtype: str
    num_bytes: int

    def __str__(self) -> str:
        return f"{self.view} {' x '.join(map(str, self.shape))} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that a stage holds in each step; what the forward keeps for backward comes on top.

    Attributes:
        weights: parameters and buffers, frozen ones of the model's own included.
        gradients: of what is trained.
        optimizer: AdamW's two moments.
        average: the averaged copy, where the stage keeps one.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.average


def held_memory(model: nn.Module, stage: Stage) -> Held:
    """What a stage holds in this process; which parameters it trains must be set."""
    parameters = [(sharding.local(one).nbytes, one.requires_grad) for one in model.parameters()]
    buffers = sum(one.nbytes for one in model.buffers())
    trained = sum(size for size, is_trained in parameters if is_trained)
    return Held(
        weights=sum(size for size, _ in parameters) + buffers,
        gradients=trained,
        optimizer=2 * trained,
        average=trained if stage.ema else 0,
    )


def batch_sizes(batch: Batch) -> tuple[Size, ...]:
    """What each view takes in a batch; views without media are left out."""
    found = []
    for view, media in batch.media.items():
        values = media.values
        if values is None and media.tokens is not None:
            values = media.tokens.pooled
        if values is not None:
            mask = 0 if media.mask is None else media.mask.nbytes
            dtype = str(values.dtype).removeprefix("torch.")
            found.append(Size(view, tuple(values.shape), dtype, values.nbytes + mask))
    return tuple(found)


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device where it counts them, else of the process (0 where unknown)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class PeakMemory:
    """The most memory in use since it was made, and how much there was before.

    Args:
        device: whose; on a CPU it is this process' memory, from Linux' own count.

    Attributes:
        before: bytes in use when it began.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._resets = True
        if device.type == "cuda":
            self.before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            return
        self.before = _status("VmRSS") or peak_memory(device)
        try:  # 5 = the high water mark, proc(5)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            self._resets = False

    def peak(self) -> int:
        """Bytes; where the system can't count anew, the most since the process began."""
        if self.device.type == "cuda" or not self._resets:
            return peak_memory(self.device)
        # the kernel's two counters are some pages apart
        return max(self.before, _status("VmHWM") or peak_memory(self.device))


def memory_of(device: torch.device) -> tuple[int, int]:
    """(free, all there is) in bytes, of the device or of the machine; 0 where it isn't told."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(free), int(total)
    facts = machine_memory()
    return facts.get("available_bytes", 0), facts.get("total_bytes", 0)


def machine_memory() -> dict[str, int]:
    """``total_bytes`` and, where it is told, ``available_bytes``; a container's limit counts."""
    facts: dict[str, int] = {}
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        facts["total_bytes"] = int(rows["MemTotal"].split()[0]) * 1024
        facts["available_bytes"] = int(rows["MemAvailable"].split()[0]) * 1024
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        facts["total_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        facts = {key: min(value, int(text)) for key, value in facts.items()}
    return facts


@contextmanager
def memory_explained(
    stage: Stage,
    device: torch.device,
    model: nn.Module | None = None,
    sizes: Sequence[Size] = (),
) -> Iterator[None]:
    """Turn "out of memory" into a message with the sizes and what to lower.

    Args:
        stage: that is trained.
        device: where.
        model: whose weights, gradients and moments are told.
        sizes: of the newest batch; a list may fill while the block runs.

    Raises:
        TrainingError: there is no more memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        held = None if model is None else held_memory(model, stage)
        _, total = memory_of(device)
        raise TrainingError(
            f"There is not enough memory on {device} for batches of {stage.batch_size}: "
            + "; ".join(_what_it_goes_to(held, sizes, peak_memory(device), total))
            + ".",
            where=f"stage {stage.name!r}",
            next_step=_advice(stage, held, total),
        ) from error


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether this is what torch or Python raises when memory can't be had."""
    # On the CPU torch raises a plain RuntimeError that names its allocator.
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "DefaultCPUAllocator: can't allocate" in str(error)
        or "DefaultCPUAllocator: not enough memory" in str(error)
    )


def readable_bytes(count: float) -> str:
    """``1.5 GB``: powers of ten."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def _what_it_goes_to(
    held: Held | None, sizes: Sequence[Size], peak: int, total: int
) -> Iterator[str]:
    if held is not None:
        yield f"weights {readable_bytes(held.weights)}"
        yield f"gradients {readable_bytes(held.gradients)}"
        yield f"AdamW's moments {readable_bytes(held.optimizer)}"
        if held.average:
            yield f"averaged weights {readable_bytes(held.average)}"
    if sizes:
        shapes = ", ".join(map(str, sizes))
        yield f"a batch {readable_bytes(sum(one.num_bytes for one in sizes))} ({shapes})"
    if peak:
        yield f"{readable_bytes(peak)} were in use at most"
    if total:
        yield f"there are {readable_bytes(total)} in all"


def _advice(stage: Stage, held: Held | None, total: int) -> str:
    go_on = "A run's last checkpoint is untouched: --resume."
    if held is not None and total and held.total > 0.8 * total:
        return (
            f"The weights with their gradients and moments alone need "
            f"{readable_bytes(held.total)}: train fewer of them (stages.{stage.name}.trainable), "
            f"take a smaller tower, or cut them over several GPUs (distributed=fsdp2). {go_on}"
        )
    pieces = (stage.micro_batch or stage.batch_size) // 2
    smaller = (
        f"set stages.{stage.name}.micro_batch={pieces} (the same gradients, " if pieces else ""
    )
    return (
        f"Lower stages.{stage.name}.batch_size, or halve it and double "
        f"stages.{stage.name}.accumulate"
        + (f"; or {smaller}one more forward)" if smaller else "")
        + f"; smaller pictures and shorter texts help too. {go_on}"
    )


def _status(name: str) -> int:
    """Bytes of a line of Linux' /proc/self/status; 0 elsewhere."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(f"{name}:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0
