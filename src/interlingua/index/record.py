"""What goes into an index and what comes out of a search.

Shape legend: D width of the space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.config import nearest
from interlingua.errors import SearchIndexError
from interlingua.index.fields import Value

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One part of one sample, with its vector.

    Attributes:
        key: of the sample; several records may share it (a picture and its captions).
        kind: the view: ``image``, ``text``, ``sound``, ``speech``.
        vector: [D], finite and not zero.
        text: the text itself, a transcript, or the thing's name.
        path: where the media is: a file, or ``archive::member``; empty for texts.
        group: a coarse kind of thing, ``animals/dogs``.
        source: the name of the source.
        language: of text or speech, BCP 47.
        licence: SPDX name where known.
        component: what the evaluation counts as the same thing.
        size: of the media, in bytes, where known.
        modified: when its file was last changed, where known.
        digest: SHA-256 of its bytes, where it was asked for.
        fields: values of the index's own fields; those not given have no value.
    """

    key: str
    kind: str
    vector: npt.ArrayLike
    text: str = ""
    path: str = ""
    group: str = ""
    source: str = ""
    language: str = ""
    licence: str = ""
    component: int | None = None
    size: int | None = None
    modified: datetime | None = None
    digest: str = ""
    fields: Mapping[str, Value | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Equal for the same part of the same sample: adding it again replaces it."""
        content = self.text if self.kind == "text" else self.path
        return record_id(self.source, self.key, self.kind, self.language, content)


def record_id(source: str, key: str, kind: str, language: str, content: str) -> str:
    """The name of a record; ``content`` is the text of a text, the path of other media."""
    named = "\x1f".join((source, key, kind, language, content))
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Hit:
    """One found record.

    Attributes:
        score: cosine similarity, -1..1, higher = nearer.
        key, kind, text, path, group, source, language, licence, component, fields: as in
            ``Record``.
    """

    key: str
    kind: str
    score: float
    text: str = ""
    path: str = ""
    group: str = ""
    source: str = ""
    language: str = ""
    licence: str = ""
    component: int | None = None
    fields: Mapping[str, Value | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; times in ISO 8601."""
        told = asdict(self)
        told["fields"] = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in self.fields.items()
        }
        return told


TEXT_COLUMNS = ("key", "kind", "text", "path", "group", "source", "language", "licence")
HIT_COLUMNS = (*TEXT_COLUMNS, "component")

KIND_GROUPS = {"audio": ("sound", "speech")}


def expand_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Kinds without doubles; ``audio`` stands for ``sound`` and ``speech``."""
    expanded = (one for kind in kinds for one in KIND_GROUPS.get(kind, (kind,)))
    return tuple(dict.fromkeys(expanded))


def present_kinds(kinds: Sequence[str], present: Mapping[str, int], index: Path) -> tuple[str, ...]:
    """``expand_kinds``, where an index has records of each.

    Raises:
        SearchIndexError: it has none of a kind; the message names the nearest that it has.
    """
    for kind in kinds:
        if present and not any(one in present for one in expand_kinds([kind])):
            raise SearchIndexError(
                f"This index has no {kind!r}{nearest(kind, [*present, *KIND_GROUPS])}.",
                where=str(index),
                next_step=f"It has: {', '.join(f'{n} {name}' for name, n in present.items())}.",
            )
    return expand_kinds(kinds)
