"""Rows of a manifest that hold a sample whole: every alternative, weight, language and role.

``data split`` writes them; they are the descriptions that shards have (``shards/sample_json.py``),
with paths where those have members. A row that people write has columns instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.content import Content, FileContent
from interlingua.data.shards import sample_json
from interlingua.data.shards.sample_json import WrongDescriptionError
from interlingua.data.source import Problem
from interlingua.sample import Sample


class _UnusableError(Exception):
    """A file of the row can't be taken.

    Args:
        reason: a short fixed phrase.
        name: of the file.
    """

    def __init__(self, reason: str, name: str):
        super().__init__(reason)
        self.reason = reason
        self.name = name


class _Files(dict[str, Content]):
    """The files that a row names, by name, looked for when they are asked for."""

    def __init__(self, root: Path):
        self.root = root

    def __missing__(self, name: str) -> Content:
        path = self.root / name
        try:
            if "://" in name:
                raise _UnusableError("an address: only files are read", name)
            if not path.is_file():
                there = path.exists()
                raise _UnusableError("not a file" if there else "the file is missing", name)
        except (OSError, ValueError) as error:  # a name too long or with a null character
            raise _UnusableError("the file is missing", name) from error
        self[name] = FileContent(path)
        return self[name]


def is_described(row: Mapping[str, Any]) -> bool:
    """Whether a row is a whole sample's description."""
    return sample_json.FORMAT in row


def described_sample(
    row: Mapping[str, Any], root: Path, source: str, where: str, problems: list[Problem]
) -> Sample | None:
    """The sample, or None with the reason in ``problems``: a file is missing, or no description.

    Args:
        row: parsed JSON.
        root: what relative paths start from.
        source: the name for ``Meta.source``.
        where: the manifest and the line.
        problems: of the manifest.
    """
    try:
        return sample_json.rebuild(row, _Files(root), source)
    except _UnusableError as error:
        problems.append(Problem(error.reason, f"{where} ({error.name[:200]})"))
    except WrongDescriptionError as error:
        problems.append(Problem(f"a {error}", where))
    return None
