"""Demonstrations: many episodes of an expert, made in worker processes, kept on disk.

Shape legend: S steps of all episodes, E episodes, V cells along a side of what is seen.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.catalogue.cache import (
    Progress,
    cache_root,
    install_folder,
    locked,
    silent,
    write_whole,
)
from interlingua.errors import ConfigError, DataError
from interlingua.simulators.babyai import (
    VIEW,
    UInt8Array,
    expert_episode,
    make_level,
    simulator_version,
)

FORMAT_VERSION = 1
_CHUNK = 500  # episodes that a worker makes; starting it takes as long as two hundred
_WORKER = "interlingua.simulators.demonstration_worker"
_ARRAYS = ("seeds", "lengths", "views", "directions", "actions")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Demonstrations:
    """The episodes that the expert solved, one after another.

    Attributes:
        level: its name.
        seeds: [E].
        missions: [E] the instructions.
        lengths: [E] steps of each.
        views: [S, V, V, 3], directions: [S], actions: [S]; see ``Episode``.
        unsolved: episodes that are left out, as the expert didn't solve them.
    """

    level: str
    seeds: npt.NDArray[np.int64]
    missions: list[str]
    lengths: npt.NDArray[np.int64]
    views: UInt8Array
    directions: UInt8Array
    actions: UInt8Array
    unsolved: int = 0

    def __len__(self) -> int:
        return len(self.missions)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """[E] the first step of each."""
        starts: npt.NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        return starts

    @property
    def episode_of_step(self) -> npt.NDArray[np.int64]:
        """[S] the number of the episode, from 0."""
        return np.repeat(np.arange(len(self)), self.lengths)


def demonstrations(
    level: str,
    count: int,
    first_seed: int,
    *,
    processes: int = 0,
    progress: Progress = silent,
) -> Demonstrations:
    """The expert's episodes of the seeds ``first_seed`` to ``first_seed + count - 1``.

    Made once and kept in the cache by level, count, first seed and version of the simulator. The
    same numbers come out of any number of processes.

    Args:
        level: e.g. ``BabyAI-GoToLocal-v0``.
        count: of the episodes.
        first_seed: of the first.
        processes: workers; 0 = one for each core.
        progress: told how many episodes are done.

    Raises:
        MissingExtraError: minigrid is not installed.
        ConfigError: no such level, or not one episode is asked for.
        DataError: the expert solved none, or a worker died.
    """
    if count < 1 or first_seed < 0:
        raise ConfigError(
            f"{count} demonstrations from the seed {first_seed} can't be made.",
            where="demonstrations",
            next_step="Ask for one at least, with a seed of 0 or more.",
        )
    make_level(level)  # an unknown one is refused before anything is written
    name = f"{level}-{count}-from-{first_seed}-minigrid-{simulator_version()}-v{FORMAT_VERSION}"
    folder = cache_root() / "simulators" / "babyai" / name
    with locked(f"simulators/{name}", progress):
        try:
            return read_demonstrations(folder)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s is damaged (%s): its episodes are made again", folder, error)
        made = _make(level, count, first_seed, processes or os.cpu_count() or 1, progress)
        install_folder(folder, lambda work: write_demonstrations(made, work))
    return made


def shown_by_expert(level: str, seeds: Sequence[int]) -> Demonstrations:
    """The expert's episodes of these seeds, made here and now."""
    simulator = make_level(level)
    found = [expert_episode(simulator, seed) for seed in seeds]
    solved = [episode for episode in found if episode is not None]
    return Demonstrations(
        level=level,
        seeds=np.array([one.seed for one in solved], np.int64),
        missions=[one.mission for one in solved],
        lengths=np.array([len(one.actions) for one in solved], np.int64),
        views=np.concatenate([np.zeros((0, VIEW, VIEW, 3), np.uint8), *(x.views for x in solved)]),
        directions=np.concatenate([np.zeros(0, np.uint8), *(x.directions for x in solved)]),
        actions=np.concatenate([np.zeros(0, np.uint8), *(x.actions for x in solved)]),
        unsolved=len(found) - len(solved),
    )


def joined(parts: Sequence[Demonstrations]) -> Demonstrations:
    """The episodes of one level, those of one part after another."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS
    }
    return Demonstrations(
        level=parts[0].level,
        missions=[mission for part in parts for mission in part.missions],
        unsolved=sum(part.unsolved for part in parts),
        **arrays,
    )


def _make(
    level: str, count: int, first_seed: int, processes: int, progress: Progress
) -> Demonstrations:
    """All episodes, in the order of their seeds."""
    seeds = range(first_seed, first_seed + count)
    chunks = [seeds[start : start + _CHUNK] for start in range(0, count, _CHUNK)]
    told = f"{level}: episodes of the expert"
    progress(told, 0, count)
    parts = []
    for chunk, part in zip(chunks, _parts(level, chunks, processes), strict=True):
        parts.append(part)
        progress(told, chunk[-1] + 1 - first_seed, count)
    made = joined(parts)
    if not len(made):
        raise DataError(
            f"The expert solved none of {count} episodes.",
            where=level,
            next_step="Take another level; it can't solve BabyAI-KeyInBox and PutNext…Carrying.",
        )
    return made


def _parts(level: str, chunks: Sequence[range], processes: int) -> Iterator[Demonstrations]:
    """The episodes of each chunk, in order."""
    if min(processes, len(chunks)) < 2:
        yield from (shown_by_expert(level, chunk) for chunk in chunks)
        return
    with (
        tempfile.TemporaryDirectory(prefix="interlingua-demonstrations-") as folder,
        ThreadPoolExecutor(min(processes, len(chunks))) as threads,
    ):
        places = [Path(folder) / str(number) for number in range(len(chunks))]
        yield from threads.map(_in_worker, [level] * len(chunks), chunks, places)


def _in_worker(level: str, chunk: range, folder: Path) -> Demonstrations:
    """A process of its own, not one of ``multiprocessing``: that would run the user's script again.

    Raises:
        DataError: it died.
    """
    numbers = (str(chunk.start), str(chunk.stop))
    done = subprocess.run(
        [sys.executable, "-m", _WORKER, level, *numbers, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise DataError(
            f"A process that made demonstrations ended with {done.returncode}: {''.join(said)}",
            where=level,
            next_step="Ask again; nothing was kept. With little memory take fewer processes.",
        )
    return read_demonstrations(folder)


def write_demonstrations(made: Demonstrations, folder: Path) -> None:
    """Put them into a folder."""
    import safetensors.numpy

    tensors = {name: np.ascontiguousarray(getattr(made, name)) for name in _ARRAYS}
    write_whole(folder / "steps.safetensors", safetensors.numpy.save(tensors))
    about = {
        "format_version": FORMAT_VERSION,
        "level": made.level,
        "unsolved": made.unsolved,
        "missions": made.missions,
    }
    write_whole(folder / "episodes.json", json.dumps(about, indent=1).encode())


def read_demonstrations(folder: Path) -> Demonstrations:
    """What was written.

    Raises:
        FileNotFoundError: nothing.
        ValueError, KeyError: it is damaged.
    """
    import safetensors.numpy
    from safetensors import SafetensorError

    about = json.loads((folder / "episodes.json").read_bytes())
    try:
        tensors = safetensors.numpy.load((folder / "steps.safetensors").read_bytes())
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    read = Demonstrations(
        level=about["level"],
        seeds=tensors["seeds"],
        missions=about["missions"],
        lengths=tensors["lengths"],
        views=tensors["views"],
        directions=tensors["directions"],
        actions=tensors["actions"],
        unsolved=about["unsolved"],
    )
    steps = int(read.lengths.sum())
    fits = read.views.shape == (steps, VIEW, VIEW, 3) and len(read.actions) == steps
    if not (fits and len(read) == len(read.lengths) == len(read.seeds)):
        raise ValueError("its parts don't fit together")
    return read
