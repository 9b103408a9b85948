"""Things that are drawn, written and spoken, with the group that each is of: Tux Paint's stamps.

A group is the first folder of a stamp (``animals``, ``food``). Folders further down are too small:
of 99 only eight have twenty things with a spoken name, and they hold a third of the things.

A component is what has the same name, nearly the same picture, or is called the same in the
spoken language: a thing that is tested has no twin in training that it could be known by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interlingua import data
from interlingua.data.component import assign_components, normalised
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Part, Sample, Text

IntArray = npt.NDArray[np.int64]
WRITTEN = "en"  # the language of the stamps' written names


@dataclass(slots=True)
class SpokenThings:
    """N things that have all views.

    Attributes:
        keys: of the samples.
        groups: names of the classes, in alphabetical order.
        labels: [N] numbers of groups.
        components: [N].
        pictures, names, speech: of each thing.
        left_out: things in groups that were too small, by group.
    """

    keys: list[str]
    groups: tuple[str, ...]
    labels: IntArray
    components: IntArray
    pictures: list[Part]
    names: list[Part]
    speech: list[Part]
    left_out: Counter[str]

    def __len__(self) -> int:
        return len(self.keys)

    def notes(self) -> list[str]:
        """What was left out, in words."""
        few = ", ".join(f"{group} {count}" for group, count in sorted(self.left_out.items()))
        return [
            f"{len(self)} things of {len(self.groups)} groups; a group is the first folder of a "
            "stamp. Things of the same name, spoken or written, or nearly the same picture are "
            "in one fold.",
            *([f"Left out as too small: {few}."] if few else []),
        ]


def spoken_things(
    language: str, *, least: int = 20, depth: int = 1, root: Path | None = None
) -> SpokenThings:
    """The stamps whose name is spoken in a language.

    Args:
        language: BCP 47 code of the spoken names.
        least: groups with fewer things are left out.
        depth: folders of a stamp's path that make its group.
        root: of the stamps; fetched if not given.

    Raises:
        DataError: fewer than two groups are large enough.
        FetchError: the stamps can't be had.
    """
    source = data.open_source("stamps", root=root, languages=(language,))
    spoken = [sample for sample in source if sample.alternatives("speech")]
    samples = _with_components(spoken)
    groups = ["/".join(sample.meta.group.split("/")[:depth]) for sample in samples]
    counts = Counter(groups)
    names = tuple(sorted(group for group, count in counts.items() if count >= least))
    if len(names) < 2:
        raise DataError(
            f"{len(names)} groups have {least} things or more whose name is spoken in {language}.",
            where="the stamps",
            next_step="Choose another language (fr, ca, ro, ru, bg have the most), or least=...",
        )
    kept = [
        (sample, group) for sample, group in zip(samples, groups, strict=True) if group in names
    ]
    return SpokenThings(
        keys=[sample.key for sample, _ in kept],
        groups=names,
        labels=np.array([names.index(group) for _, group in kept], np.int64),
        components=np.array([sample.meta.component for sample, _ in kept], np.int64),
        pictures=[_first(sample, "image") for sample, _ in kept],
        names=[Text(sample.meta.name, WRITTEN) for sample, _ in kept],
        speech=[_first(sample, "speech") for sample, _ in kept],
        left_out=Counter({group: count for group, count in counts.items() if count < least}),
    )


def _with_components(samples: list[Sample]) -> list[Sample]:
    """Components of names and pictures, and of what is said."""
    said: dict[str, int] = {}
    marked = []
    for sample in samples:
        speech = sample.alternatives("speech")[0]
        assert isinstance(speech, Audio)
        words = normalised(speech.transcript or sample.key)
        number = said.setdefault(words, len(said))
        marked.append(replace(sample, meta=replace(sample.meta, component=number)))
    return assign_components(marked)


def _first(sample: Sample, view: str) -> Part:
    part = sample.alternatives(view)[0]
    assert isinstance(part, Image | Audio)
    return part
