"""The corpus of a recipe that streams: nothing is kept but numbers, and what is held out.

A split needs to know which samples are the same thing. Of a stream the words are read once for
that, by number and not kept: samples are one thing where a name is equal or the source says so.
Pictures are not compared, which would decode all of them: ``interlingua data split`` does, and the
shards that are written of its manifests keep the components that it found.

What was chosen stands in the run's ``split.json``, so that a run that goes on reads no words again.

Shape legend: S samples of all sources, M marks of all samples (see ``marks_of``).
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua import durable
from interlingua.config import nearest, to_plain
from interlingua.data.component import assign_components
from interlingua.data.joined import Joined
from interlingua.data.source import Source
from interlingua.errors import ConfigError, DataError, MediaError
from interlingua.sample import Sample
from interlingua.train.corpus import Corpus
from interlingua.train.recipe import DataConfig, SplitConfig
from interlingua.train.streamed_samples import StreamedSamples, marks_of

SPLIT_FILE = "split.json"
FORMAT_VERSION = 1
FAR_READERS = 16  # threads that read words from far away
AT_A_TIME = 4096  # samples

Numbers = NDArray[np.int64]
Note = Callable[[str], None]


def open_streamed(config: DataConfig, note: Note, run: Path | None = None) -> Corpus:
    """Open the sources of a recipe that streams, and split them.

    Args:
        config: sources, weights and split.
        note: is told what takes its time.
        run: the folder that keeps the split; None = nowhere.

    Raises:
        ConfigError: filters or unseen languages, which need all samples at once.
        DataError: two sources with one name, nothing to train on, too few to hold out, or the data
            are not those that the run's split is of.
    """
    check_streamable(config)
    joined = _open_sources(config, note)
    identity = identity_of(joined)
    held_out, removed = np.empty(0, np.int64), np.empty(0, np.int64)
    used = np.repeat([use.weight > 0 for use in config.sources], list(map(len, joined.sources)))
    if config.split is not None and config.split.held_out:
        held_out, removed = _split(joined, config.split, used, identity, note, run)
    used[held_out] = used[removed] = False
    _check_left(used)
    return Corpus(
        StreamedSamples(joined, None if used.all() else np.flatnonzero(used), identity),
        assign_components(StreamedSamples(joined, held_out)[:]),
        StreamedSamples(joined, removed),
        problems={source.name: source.problems for source in joined.sources},
        identity=identity,
    )


def check_streamable(config: DataConfig) -> None:
    """Refuse what needs all samples at once.

    Raises:
        ConfigError: filters, or unseen languages.
    """
    if config.filters:
        raise ConfigError(
            "A stream can't be filtered: filters look at all samples together.",
            where="data.filters",
            next_step="Filter first (interlingua data filter), or leave out data.stream.",
        )
    if config.split is not None and config.split.unseen_languages:
        raise ConfigError(
            "A stream can't keep languages apart.",
            where="data.split.unseen_languages",
            next_step="Give speech in these languages as a source of its own, or leave out "
            "data.stream.",
        )


def identity_of(joined: Joined) -> str:
    """A hash of all keys, in order."""
    digest = hashlib.sha256()
    for number in range(len(joined)):
        origin = joined.origin(number)
        digest.update(f"{origin.source}/{origin.key}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _open_sources(config: DataConfig, note: Note) -> Joined:
    sources: list[Source] = []
    for use in config.sources:
        source: Source = use.source.build()
        if source.name in [one.name for one in sources]:
            raise DataError(f"The source {source.name!r} is used twice.", where="data.sources")
        sources.append(source)
        note(f"{source.name}: {len(source):,} samples, read when they are needed")
    return Joined(sources, [use.weight for use in config.sources])


def _split(
    joined: Joined,
    split: SplitConfig,
    used: NDArray[np.bool_],
    identity: str,
    note: Note,
    run: Path | None,
) -> tuple[Numbers, Numbers]:
    """The numbers that are held out, and those that are the same things; from the run if it can."""
    path = None if run is None else run / SPLIT_FILE
    asked = {
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "split": to_plain(split),
    }
    if path is not None and path.exists():
        return _read(path, asked)
    held_out = _choose(joined, split)
    note(f"Reading the words of {len(joined):,} samples, to find things that appear twice ...")
    same = same_things(joined, held_out)
    _check_left(used & ~same)
    same[held_out] = False
    removed = np.flatnonzero(same)
    if path is not None:
        numbers = {"held_out": held_out.tolist(), "removed": removed.tolist()}
        durable.make_folder(path.parent)
        durable.replace_file(path, durable.to_json({**asked, **numbers}))
    return held_out, removed


def _check_left(used: NDArray[np.bool_]) -> None:
    if not used.any():
        raise DataError(
            "Nothing is left to train on.",
            where="data",
            next_step="Hold out fewer, or add a source.",
        )


def _read(path: Path, asked: dict[str, Any]) -> tuple[Numbers, Numbers]:
    try:
        known = json.loads(path.read_bytes())
        found = tuple(np.asarray(known[side], np.int64) for side in ("held_out", "removed"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _changed("The run's split can't be read", path) from error
    if {name: known.get(name) for name in asked} != asked:
        raise _changed("The data or the split are not those that the run began with", path)
    return found[0], found[1]


def _changed(what: str, path: Path) -> DataError:
    return DataError(
        f"{what}.",
        where=str(path),
        next_step="Put back what was changed, or begin a new run with this recipe.",
    )


def _choose(joined: Joined, split: SplitConfig) -> Numbers:
    """Samples of the split's source that have its views, drawn at random."""
    names = [source.name for source in joined.sources]
    if split.source not in names:
        raise DataError(
            f"There is no source {split.source!r} to hold out from{nearest(split.source, names)}.",
            where="data.split.source",
            next_step=f"The sources are {', '.join(names)}.",
        )
    number = names.index(split.source)
    first = sum(len(source) for source in joined.sources[:number])
    source, found = joined.sources[number], list[int]()
    for place in np.random.default_rng(split.seed).permutation(len(source)).tolist():
        sample = _sample(source, place)
        if sample is not None and all(sample.alternatives(view) for view in split.views):
            found.append(first + place)
        if len(found) == split.held_out:
            return np.sort(np.asarray(found, np.int64))
    raise DataError(
        f"{split.held_out} samples are to be held out; {len(found)} have the wanted views.",
        where=f"source {split.source}",
        next_step="Hold out fewer, or check the source and the views.",
    )


def same_things(joined: Joined, chosen: Numbers) -> NDArray[np.bool_]:
    """[S] whether a sample is the same thing as one of the chosen, directly or through others.

    Args:
        joined: all samples; their words are read.
        chosen: numbers of some.
    """
    same = np.zeros(len(joined), bool)
    same[chosen] = True
    found, owners = array("q"), array("q")
    for number, marks in _all_marks(joined):
        found.extend(marks)
        owners.extend([number] * len(marks))
    if not found:
        return same
    mark = np.unique(np.frombuffer(found, np.int64), return_inverse=True)[1]  # [M]
    owner = np.frombuffer(owners, np.int64)  # [M]
    while True:
        shared = np.zeros(int(mark.max()) + 1, bool)
        shared[mark[same[owner]]] = True
        wider = same.copy()
        wider[owner[shared[mark]]] = True
        if wider.sum() == same.sum():
            return same
        same = wider


def _all_marks(joined: Joined) -> Iterator[tuple[int, list[int]]]:
    """The marks of every sample that can be read; from far away by several threads."""

    def read(number: int) -> list[int]:
        which, place = joined.place(number)
        source = joined.sources[which]
        sample = _sample(source, place)
        return [] if sample is None else marks_of(sample, source.name)

    with ThreadPoolExecutor(FAR_READERS, "read-words") as pool:
        for first in range(0, len(joined), AT_A_TIME):
            some = range(first, min(first + AT_A_TIME, len(joined)))
            yield from zip(
                some, map(read, some) if joined.reads_anywhere else pool.map(read, some),
                strict=True,
            )  # fmt: skip


def _sample(source: Source, place: int) -> Sample | None:
    try:
        return source[place]
    except MediaError:
        return None
