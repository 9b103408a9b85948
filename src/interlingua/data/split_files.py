"""A source cut in two or three by component, written as manifests that ``open_source`` reads.

Whole components go to one side, so nothing is left out and no thing is on two. The media stay
where they are; what is no file of its own (a member of an archive, bytes of a table) is written
beside the manifests.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlingua import durable
from interlingua.content import FileContent
from interlingua.data.component import assign_components, split_by_component
from interlingua.data.gate import MediaLimits
from interlingua.data.recordings import same_recordings
from interlingua.data.shards import sample_json
from interlingua.data.shards.members import media_bytes
from interlingua.data.shards.sample_choice import USED_BEFORE
from interlingua.data.source import Problem, Problems, Source, count_reasons
from interlingua.errors import ConfigError, DataError, MediaError
from interlingua.sample import Audio, Image, Part, Sample

FORMAT_VERSION = 1
FACTS_FILE = "split.json"
MEDIA_FOLDER = "media"
TRAIN, REMOVED = "train", "removed"


@dataclass(frozen=True, slots=True)
class Side:
    """One side as it was written.

    Attributes:
        path: of its manifest.
        samples, components: how many it has.
    """

    path: Path
    samples: int
    components: int


@dataclass(frozen=True, slots=True)
class WrittenSplit:
    """What became of a source.

    Attributes:
        folder: of the manifests.
        sides: by name, training's first.
        copied: media that were written into the folder.
        left_out: samples that are on no side, and why: bytes that can't be had, a key twice.
    """

    folder: Path
    sides: dict[str, Side]
    copied: int
    left_out: tuple[Problem, ...]


def read_amount(text: str, total: int) -> int:
    """How many samples ``200`` or ``10%`` of ``total`` are.

    Raises:
        ConfigError: neither, or not between 0 and the total.
    """
    try:
        share = text.strip().endswith("%")
        value = float(text.strip().removesuffix("%"))
        number = round(total * value / 100) if share else int(text)
    except (ValueError, OverflowError):
        number = -1
    if not 0 <= number < total:
        raise ConfigError(
            f"{text!r} is no amount of {total:,} samples.",
            next_step="Write a number such as 200, or a share such as 10%.",
        )
    return number


def cut(
    samples: Sequence[Sample],
    sizes: Mapping[str, int],
    *,
    views: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, list[Sample]]:
    """Sides by name, ``train`` first; ``removed`` where ``views`` leave parts of components over.

    Components are drawn at random, each whole, as long as they fit; so a side may have a few
    samples fewer than asked for, and a component that is larger than a side goes to training. The
    order of the samples doesn't matter to the choice.

    Args:
        samples: with components.
        sizes: by side, how many samples.
        views: samples of the sides have all of these; others of their components are removed.
        seed: of the choice.

    Raises:
        DataError: no component fits a side, or nothing is left for training.
    """
    rest, removed = list(samples), []
    sides: dict[str, list[Sample]] = {}
    for name, size in sizes.items():
        chosen = _draw(rest, size, views, seed)
        if not chosen:
            raise DataError(
                f"No component is small enough for {size:,} {name} samples.",
                next_step="Ask for more, or give `component` yourself: interlingua data check "
                "shows the largest.",
            )
        parted = split_by_component(rest, held_out=_is_one_of(chosen), views=views)
        sides[name], rest = parted.held_out, parted.train
        removed += parted.removed
    if not rest:
        raise DataError("Nothing is left to train on.", next_step="Hold out fewer.")
    return {TRAIN: rest, **sides, **({REMOVED: removed} if removed else {})}


def split_source(
    source: Source,
    folder: Path,
    sizes: Mapping[str, str],
    *,
    views: Sequence[str] = (),
    seed: int = 0,
    limits: MediaLimits | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> WrittenSplit:
    """Give components, cut, write; the folder appears whole or not at all.

    Joined are things of one name, pictures that are the same drawing, sounds that are the same
    recording, and what the source itself gave one component.

    Args:
        source: what is cut.
        folder: new or empty.
        sizes: by side, ``200`` or ``10%``.
        views: see ``cut``.
        seed: of the choice.
        limits: of sounds that are compared, and of media that are written.
        on_progress: told how many samples are written.

    Raises:
        DataError: the folder isn't empty, the source has no sample, or see ``cut``.
        ConfigError: an amount is wrong.
        TrainingError: the disk is full.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            "The folder for the split isn't empty.", where=str(folder), next_step="Give a new one."
        )
    samples = list(source)
    if not samples:
        raise DataError(f"The source {source.name} has no sample.", where=source.name)
    numbers = {name: read_amount(text, len(samples)) for name, text in sizes.items()}
    numbers = {name: number for name, number in numbers.items() if number}
    gate = limits or MediaLimits()
    with_components = assign_components(samples, same_sounds=same_recordings(samples, gate.audio))
    sides = cut(with_components, numbers, views=views, seed=seed)
    writer = _Writer(folder.resolve(), gate, len(samples), on_progress)
    with durable.room_explained(folder):
        if folder.exists():
            folder.rmdir()
        with durable.new_folder(folder) as temporary:
            written = {name: writer.write(temporary, name, side) for name, side in sides.items()}
            facts = _facts(source, written, writer, views, seed)
            durable.write_file(temporary / FACTS_FILE, durable.to_json(facts))
    return WrittenSplit(folder, written, writer.copied, tuple(writer.problems.listed))


def _is_one_of(components: Collection[int | None]) -> Callable[[Sample], bool]:
    return lambda sample: sample.meta.component in components


def _draw(samples: Sequence[Sample], size: int, views: Sequence[str], seed: int) -> set[int | None]:
    """Components at random that have ``size`` samples with the views in all, or a few fewer."""
    members: dict[int | None, int] = {}
    first: dict[int | None, tuple[str, str]] = {}
    for sample in samples:
        component, name = sample.meta.component, (sample.meta.source, sample.key)
        first[component] = min(first.get(component, name), name)
        has_all = all(sample.alternatives(view) for view in views)
        members[component] = members.get(component, 0) + has_all
    order = sorted(first, key=lambda component: first[component])
    random.Random(seed).shuffle(order)
    chosen: set[int | None] = set()
    for component in order:
        if 0 < members[component] <= size:
            chosen.add(component)
            size -= members[component]
    return chosen


@dataclass(slots=True)
class _Writer:
    """Writes the manifests of one split."""

    folder: Path  # where they will be
    limits: MediaLimits
    total: int
    on_progress: Callable[[int, int], None]
    done: int = 0
    copied: int = 0
    problems: Problems = field(default_factory=Problems)
    _keys: set[str] = field(default_factory=set)

    def write(self, temporary: Path, name: str, samples: Sequence[Sample]) -> Side:
        """One side's manifest; it is in ``temporary`` until all are written."""
        lines, components = [], set()
        for sample in samples:
            self.done += 1
            self.on_progress(self.done, self.total)
            if sample.key in self._keys:  # a manifest reads each key once
                self.problems.add(USED_BEFORE, sample.key)
                continue
            self._keys.add(sample.key)
            try:
                row = sample_json.describe(sample, lambda part: self._place(part, temporary))
            except MediaError as error:
                self.problems.add(error.reason, f"{sample.key} ({error.what.rstrip('.')})")
                continue
            lines.append(json.dumps(row))  # ASCII: any name and any text comes back as it was
            components.add(sample.meta.component)
        data = "".join(f"{line}\n" for line in lines).encode()
        durable.write_file(temporary / f"{name}.jsonl", data)
        return Side(self.folder / f"{name}.jsonl", len(lines), len(components))

    def _place(self, part: Part, temporary: Path) -> str:
        """What the manifest calls the file of a part."""
        assert isinstance(part, Image | Audio)  # only media have bytes
        content = part.content
        if isinstance(content, FileContent):
            # the folder of a link, not what the link leads to: names in a store mean nothing
            path = content.path.parent.resolve() / content.path.name
            try:
                return Path(os.path.relpath(path, self.folder)).as_posix()
            except ValueError:  # another drive of Windows
                return path.as_posix()
        ending, data = media_bytes(part, self.limits)
        name = f"{MEDIA_FOLDER}/{hashlib.sha256(data).hexdigest()[:32]}.{ending}"
        if not (temporary / name).exists():
            (temporary / MEDIA_FOLDER).mkdir(exist_ok=True)
            durable.write_file(temporary / name, data)
            self.copied += 1
        return name


def _facts(
    source: Source,
    sides: Mapping[str, Side],
    writer: _Writer,
    views: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "source": source.name,
        "seed": seed,
        "views": list(views),
        "sides": {
            name: {"file": side.path.name, "samples": side.samples, "components": side.components}
            for name, side in sides.items()
        },
        "left_out": {
            **count_reasons(source.problems),
            **count_reasons(writer.problems.listed),
        },
    }
