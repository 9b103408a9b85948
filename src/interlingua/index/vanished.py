"""Records of files that are gone: what a source once gave, and neither gives nor has any more.

A folder is indexed, pictures in it are deleted or renamed, and it is added again: the records of
what is gone would be found for ever. They go where three things hold: the source that is added is
the one they came from, it no longer names the file, and the file isn't there. A file that the
source still names may lie on a disk that is not mounted; its records stay, and the build tells
that it can't be read. What lies outside of the folder that is added is told, not removed: another
folder of the same name may be on such a disk too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlingua.content import Content
from interlingua.index.columns import storable
from interlingua.index.files import file_of, is_gone
from interlingua.sample import Audio, Image, Sample

_COLUMNS = ("id", "source", "key", "kind", "path", "modified")


@dataclass(frozen=True, slots=True)
class Given:
    """What a source gives now.

    Attributes:
        sources: the names that its samples say they come from.
        samples: source and key of each sample.
        paths: source and path of each medium.
        folder: all of it lies in here; None where it is no files.
    """

    sources: frozenset[str]
    samples: frozenset[tuple[str, str]]
    paths: frozenset[tuple[str, str]]
    folder: Path | None

    @classmethod
    def of(cls, samples: Iterable[Sample], folder: str | os.PathLike[str] | None = None) -> Given:
        """What these samples name.

        Args:
            samples: all of a source.
            folder: the one that was read; None = the innermost that has all of their files.
        """
        named: set[tuple[str, str]] = set()
        paths: set[tuple[str, str]] = set()
        parents: set[Path] = set()
        for sample in samples:
            source = storable(sample.meta.source)
            named.add((source, storable(sample.key)))
            for content in _media(sample):
                paths.add((source, storable(content.name)))
                file = file_of(content)
                if file is not None:
                    parents.add(file.parent)
        if folder is None:
            folder = _common(parents)
        return cls(
            frozenset(source for source, _ in named),
            frozenset(named),
            frozenset(paths),
            None if folder is None else Path(folder).resolve(),
        )


@dataclass(frozen=True, slots=True)
class Vanished:
    """Records of files that are gone.

    Attributes:
        ids: of those that go.
        kinds: how many of each kind those are.
        elsewhere: how many name files that are gone too, and stay: they lie outside of the folder
            that was read.
    """

    ids: tuple[str, ...] = ()
    kinds: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0


def find(table: Any, given: Given) -> Vanished:
    """The records of a table whose files are gone.

    The texts of a sample go with its last medium, where the source has no such sample any more.

    Args:
        table: LanceDB's.
        given: what the source has now.
    """
    rows = _rows_of(table, given.sources)
    gone: list[dict[str, Any]] = []
    kept: set[tuple[str, str]] = set(given.samples)  # samples that have something left
    elsewhere = 0
    for row in rows:
        if not row["path"]:
            continue  # a text
        sample = row["source"], row["key"]
        was_a_file = row["modified"] is not None  # and not a part of a shard or of a table
        named = (row["source"], row["path"]) in given.paths
        if named or not was_a_file or not is_gone(row["path"]):
            kept.add(sample)
        elif not _inside(row["path"], given.folder):
            kept.add(sample)
            elsewhere += 1
        else:
            gone.append(row)
    without = {(row["source"], row["key"]) for row in gone} - kept
    gone += [
        row for row in rows if row["kind"] == "text" and (row["source"], row["key"]) in without
    ]
    kinds = Counter(str(row["kind"]) for row in gone)
    return Vanished(tuple(row["id"] for row in gone), dict(sorted(kinds.items())), elsewhere)


def _rows_of(table: Any, sources: Iterable[str]) -> Sequence[dict[str, Any]]:
    """What names the records of some sources."""
    import pyarrow
    import pyarrow.compute as compute

    rows = table.search().select(list(_COLUMNS)).limit(None).to_arrow()
    wanted = pyarrow.array(sorted(sources), pyarrow.string())
    found: list[dict[str, Any]] = rows.filter(
        compute.is_in(rows.column("source"), value_set=wanted)
    ).to_pylist()
    return found


def _media(sample: Sample) -> Iterable[Content]:
    return (part.content for part in sample.all_parts() if isinstance(part, (Image, Audio)))


def _common(parents: Iterable[Path]) -> Path | None:
    """The innermost folder of some; None where they have none but the root, as on two disks."""
    try:
        common = Path(os.path.commonpath([parent.resolve() for parent in parents]))
    except ValueError:
        return None
    return None if common == Path(common.anchor) else common


def _inside(path: str, folder: Path | None) -> bool:
    """Whether a record's file lies in a folder, or its archive does."""
    if folder is None:
        return False
    return Path(path.partition("::")[0]).parent.resolve().is_relative_to(folder)
