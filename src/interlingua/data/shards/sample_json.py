"""A sample's description: the ``.json`` member that the writer puts beside the media.

It names parts by the endings of their members, so nothing is stored twice, and holds what files
alone don't say: roles, languages, alternatives and their weights, the component. JSON that others
wrote is read by ``mapping.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interlingua.content import Content
from interlingua.errors import MediaError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Part, Sample, Text

FORMAT = "interlingua"  # the field that tells our descriptions from those of others
VERSION = 1


class WrongDescriptionError(ValueError):
    """The description doesn't fit its sample."""


def describe(sample: Sample, ending_of: Callable[[Part], str]) -> dict[str, Any]:
    """The description of a sample.

    Args:
        sample: to be written.
        ending_of: the ending of the member that holds the part's bytes.
    """
    meta = {
        name: value
        for name in ("group", "licence", "component", "name")
        if (value := getattr(sample.meta, name)) not in ("", None)
    }
    described: dict[str, Any] = {
        FORMAT: VERSION,
        "key": sample.key,
        "parts": [_part(one, ending_of) for one in sample.parts],
    }
    if sample.kind != "views":
        described["kind"] = sample.kind
    if meta:
        described["meta"] = meta
    return described


def to_bytes(described: Mapping[str, Any]) -> bytes:
    """As it is written: the same bytes for the same sample."""
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode()


def rebuild(described: Mapping[str, Any], contents: Mapping[str, Content], source: str) -> Sample:
    """The sample that a description is of.

    Args:
        described: parsed JSON that has the field ``interlingua``.
        contents: the members by ending.
        source: the name for ``Meta.source``.

    Raises:
        WrongDescriptionError: of a newer version, or it doesn't fit the members.
    """
    version = described.get(FORMAT)
    if not isinstance(version, int) or isinstance(version, bool) or version > VERSION:
        raise WrongDescriptionError(f"description of version {str(version)[:20]}")
    try:
        parts = tuple(_parts(described["parts"], contents))
        meta = described.get("meta", {})
        component = meta.get("component")
        return Sample(
            _text(described["key"]),
            parts,
            kind="sequence" if described.get("kind") == "sequence" else "views",
            meta=Meta(
                source=source,
                group=_text(meta.get("group", "")),
                licence=_text(meta.get("licence", "")),
                component=component if isinstance(component, int) else None,
                name=_text(meta.get("name", "")),
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WrongDescriptionError("description that doesn't fit its sample") from error


def parse(data: bytes, where: str) -> dict[str, Any]:
    """The object that a ``.json`` member holds.

    Raises:
        MediaError: ``not_json``.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise MediaError(
        "The .json member is no JSON object.",
        reason="not_json",
        where=where,
        next_step="Write it again, or leave it out.",
    )


def _part(part: Part | OneOf, ending_of: Callable[[Part], str]) -> dict[str, Any]:
    if isinstance(part, OneOf):
        row: dict[str, Any] = {"one_of": [_part(one, ending_of) for one in part.parts]}
        if part.weights is not None:
            row["weights"] = list(part.weights)
        return row
    if isinstance(part, Label):
        row = {"label": part.name}
        usual = "target"
    elif isinstance(part, Text):
        row = {"text": part.text, "language": part.language}
        usual = "given"
    elif isinstance(part, Image):
        row = {"image": ending_of(part)}
        usual = "given"
    else:
        row = {
            part.use: ending_of(part), "language": part.language, "transcript": part.transcript
        }  # fmt: skip
        usual = "given"
    if part.role != usual:
        row["role"] = part.role
    return {name: value for name, value in row.items() if value is not None}


def _parts(rows: Any, contents: Mapping[str, Content]) -> Iterator[Part | OneOf]:
    for row in rows:
        if "one_of" in row:
            weights = row.get("weights")
            numbers = None if weights is None else tuple(float(weight) for weight in weights)
            yield OneOf(tuple(_plain(one, contents) for one in row["one_of"]), numbers)
        else:
            yield _plain(row, contents)


def _plain(row: Any, contents: Mapping[str, Content]) -> Part:
    role: Any = row.get("role", "target" if "label" in row else "given")
    if role not in ("given", "target"):
        raise ValueError("no role")
    language = None if row.get("language") is None else _text(row["language"])
    if "label" in row:
        return Label(_text(row["label"]), role)
    if "text" in row:
        return Text(_text(row["text"]), language, role)
    if "image" in row:
        return Image(contents[row["image"]], role)
    use: Any = "speech" if "speech" in row else "sound"
    transcript = None if row.get("transcript") is None else _text(row["transcript"])
    return Audio(contents[row[use]], use, language, transcript, role)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
