"""Several processes on one machine for one command, and how each of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from interlingua.errors import ConfigError


def start(count: int, arguments: Sequence[str]) -> NoReturn:
    """Become ``torchrun`` with so many processes of ``interlingua ARGUMENTS``.

    Nothing stays between the terminal and torchrun, so Ctrl-C reaches it alone.

    Raises:
        ConfigError: this is one of several processes already.
    """
    if many():
        raise ConfigError(
            "--processes starts torchrun, and torchrun started this.",
            next_step="Leave out --processes; torchrun --nproc-per-node says how many.",
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    environment = {
        "OMP_NUM_THREADS": str(max(1, (cores or 1) // count)),
        "TORCH_CPP_LOG_LEVEL": "ERROR",  # DDP warns that all parameters are used
        **os.environ,
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(count), "-m", "interlingua", *arguments]
    os.execve(sys.executable, command, environment)


def many() -> bool:
    """True where the environment says that this is one of several processes."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def was_restarted() -> bool:
    """True where torchrun has started all processes again after one of them failed."""
    return many() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def leave(code: int) -> None:
    """End one of several processes at once.

    gloo's threads end the interpreter badly now and then, and torchrun would take that for a
    failure of a training that has ended well.
    """
    if many():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
