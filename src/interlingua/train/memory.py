"""How much memory this process has held, and a clear message when there is no more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from interlingua.errors import TrainingError
from interlingua.train.stages import Stage


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


@contextmanager
def memory_explained(stage: Stage, device: torch.device) -> Iterator[None]:
    """Turn "out of memory" into a message with the sizes and what to lower.

    Raises:
        TrainingError: there is no more memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        raise TrainingError(
            f"There is not enough memory on {device} for batches of {stage.batch_size} "
            f"({peak_memory(device) / 1e9:.1f} GB were in use).",
            where=f"stage {stage.name!r}",
            next_step=f"Lower stages.{stage.name}.batch_size, or halve it and double "
            f"stages.{stage.name}.accumulate. The last checkpoint is untouched: --resume.",
        ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    # On the CPU torch raises a plain RuntimeError that names its allocator.
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "DefaultCPUAllocator: can't allocate" in str(error)
        or "DefaultCPUAllocator: not enough memory" in str(error)
    )
