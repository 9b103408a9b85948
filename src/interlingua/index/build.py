"""Filling an index from a source: every part of every sample, embedded and stored with its words.

Shape legend: D width of the space.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interlingua.errors import DataError, MediaError
from interlingua.index.fields import Value
from interlingua.index.files import FileState, state_of
from interlingua.index.info import FILE_NAME
from interlingua.index.record import Record, Vector, expand_kinds
from interlingua.index.table import Index
from interlingua.index.vanished import Given, Vanished
from interlingua.index.writing import Writer
from interlingua.sample import Audio, Image, Label, Part, Sample, Text

if TYPE_CHECKING:
    from interlingua.data.source import Source
    from interlingua.embedding import Features
    from interlingua.index.field_table import FieldTable
    from interlingua.space import Space

PARTS_AT_A_TIME = 4096  # embedded together; the index grows by as many

OnProgress = Callable[[int, int], None]  # parts done, parts in all
OnError = Callable[[Part, MediaError], None]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What became of a source.

    Attributes:
        index: the finished index.
        added: records by kind.
        left_out: damaged or refused media by reason.
        not_known: parts by kinds that the model has no tower for.
        without_fields: samples that the table of fields says nothing of; 0 without one.
        vanished: records of files that are gone; None where nothing was appended to.
    """

    index: Index
    added: dict[str, int]
    left_out: dict[str, int]
    not_known: dict[str, int]
    without_fields: int = 0
    vanished: Vanished | None = None


def build_index(
    path: str | os.PathLike[str],
    space: Space,
    source: Source,
    *,
    kinds: Collection[str] | None = None,
    append: bool = False,
    on_progress: OnProgress | None = None,
    on_error: OnError | None = None,
    features: Features | None = None,
    isolate: bool = False,
    fields: FieldTable | None = None,
    digests: bool = False,
    folder: str | os.PathLike[str] | None = None,
) -> BuildReport:
    """Embed a source and make it searchable.

    Args:
        path: the folder of the index. One that is there is replaced once the new one is complete.
        space: the model.
        source: what is to be found.
        kinds: only these views (``image``, ``text``, ``sound``, ``speech``, ``audio`` for both).
        append: add to the index that is there instead; its records of the same parts are renewed,
            those of files that are gone from the source and from the disk removed (``vanished``).
        on_progress: called with the parts done and the parts in all.
        on_error: called with each part that is left out because its bytes are damaged or refused.
        features: see ``Space.embed_parts``.
        isolate: decode in processes that may die, for files of unknown origin.
        fields: more of what filters may ask for, by key.
        digests: keep the SHA-256 of each medium's bytes, which are read once more for it, so that
            ``Index.verify`` can tell a changed file from one that was only touched.
        folder: that the source was read from: what is gone from it may be removed; None = the
            innermost that has all of its files.

    Raises:
        DataError: nothing in the source can be embedded by this model.
        SearchIndexError: the folder can't be written, or ``append`` to another model's index.
    """
    wanted = set(space.kinds if kinds is None else expand_kinds(tuple(kinds)))
    pairs = [(sample, part) for sample in source for part in distinct_parts(sample)]
    usable = [pair for pair in pairs if pair[1].view in wanted & set(space.kinds)]
    usable.sort(key=_equal_texts_together)  # they are embedded once
    unknown = [part for _, part in pairs if part.view not in space.kinds]
    if not usable:
        raise DataError(
            f"{source.name} has nothing that this model takes: it has "
            f"{', '.join(sorted(_count(part.view for _, part in pairs))) or 'no parts'}.",
            next_step=f"The model takes {', '.join(space.kinds)}.",
        )
    added: dict[str, int] = {}
    left_out: dict[str, int] = {}

    def leave_out(_: int, part: Part, error: MediaError) -> None:
        left_out[error.reason] = left_out.get(error.reason, 0) + 1
        if on_error is not None:
            on_error(part, error)

    apart = space.isolated() if isolate else nullcontext()
    told = {} if fields is None else fields.values
    with apart, _target(path, space, append, fields) as index:
        for start in range(0, len(usable), PARTS_AT_A_TIME):
            block = usable[start : start + PARTS_AT_A_TIME]
            vectors = space.embed_parts([part for _, part in block], leave_out, features)
            records = [
                record_of(sample, part, vector, told.get(sample.key), digests=digests)
                for (sample, part), vector in zip(block, vectors, strict=True)
                if np.isfinite(vector).all()
            ]
            index.add(records)
            for kind, number in _count(record.kind for record in records).items():
                added[kind] = added.get(kind, 0) + number
            if on_progress is not None:
                on_progress(start + len(block), len(usable))
    gone = index.remove_vanished(Given.of(source, folder)) if isinstance(index, Index) else None
    without = len({sample.key for sample, _ in usable} - told.keys()) if fields else 0
    not_known = _count(part.view for part in unknown)
    return BuildReport(Index(path), added, left_out, not_known, without, gone)


def record_of(
    sample: Sample,
    part: Part,
    vector: Vector,
    fields: Mapping[str, Value] | None = None,
    *,
    digests: bool = False,
) -> Record:
    """The record of one part; media are shown with the thing's name or first text."""
    texts = [one.text for one in sample.alternatives("text") if isinstance(one, Text)]
    text, path, language = sample.meta.name or next(iter(texts), ""), "", ""
    state = FileState()
    if isinstance(part, Text):
        text, language = part.text, part.language or ""
    elif isinstance(part, Image):
        path = part.content.name
        state = state_of(part.content, with_digest=digests)
    elif isinstance(part, Audio):
        path, language = part.content.name, part.language or ""
        text = part.transcript or text
        state = state_of(part.content, with_digest=digests)
    return Record(
        key=sample.key,
        kind=part.view,
        vector=vector,
        text=text,
        path=path,
        group=sample.meta.group,
        source=sample.meta.source,
        language=language,
        licence=sample.meta.licence,
        component=sample.meta.component,
        size=state.size,
        modified=state.modified,
        digest=state.digest,
        fields=fields or {},
    )


def distinct_parts(sample: Sample) -> Iterator[Part]:
    """The parts to be embedded: a label counts as text where no text says the same."""
    texts = {part.text for part in sample.all_parts() if isinstance(part, Text)}
    for part in sample.all_parts():
        if not isinstance(part, Label):
            yield part
        elif part.name not in texts:
            yield Text(part.name)


def _equal_texts_together(pair: tuple[Sample, Part]) -> tuple[str, str]:
    part = pair[1]
    return part.view, part.text if isinstance(part, Text) else ""


def _target(
    path: str | os.PathLike[str], space: Space, append: bool, fields: FieldTable | None
) -> AbstractContextManager[Index | Writer]:
    if append and (Path(path) / FILE_NAME).exists():
        return nullcontext(Index(path, space.id))
    kinds = None if fields is None else fields.kinds
    return Index.rebuild(path, space.id, space.dimension, run=space.run, fields=kinds)


def _count(names: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
