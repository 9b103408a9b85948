"""The data side: what can be fetched, what can be opened, how it becomes samples.

``open_source("stamps")``, ``open_source("my/pictures")``, ``open_source("captions.csv")`` and
``open_source("shards/train-{000000..000099}.tar")`` all give a ``Source``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlingua.catalogue import entry as _entry
from interlingua.catalogue.cache import Progress
from interlingua.catalogue.entry import Entry, Report
from interlingua.config import nearest, resolve, validate
from interlingua.errors import DataError, FetchError

if TYPE_CHECKING:
    from interlingua.data.source import Source

__all__ = ["TABLE", "Entry", "catalogue", "find", "get", "get_all", "open_source", "verify"]

TABLE = {
    "cifar": "interlingua.data.sources.cifar:Cifar",
    "clipart": "interlingua.data.sources.clipart:Clipart",
    "folder": "interlingua.data.sources.folder:Folder",
    "image_folder": "interlingua.data.sources.image_folder:ImageFolder",
    "imagenet": "interlingua.data.sources.imagenet:ImageNet",
    "karpathy": "interlingua.data.sources.karpathy:Karpathy",
    "manifest": "interlingua.data.sources.manifest:Manifest",
    "openmoji": "interlingua.data.sources.openmoji:OpenMoji",
    "parquet": "interlingua.data.sources.parquet:Parquet",
    "prompts": "interlingua.data.sources.prompts:Prompts",
    "shards": "interlingua.data.sources.shards:Shards",
    "stamps": "interlingua.data.sources.stamps:Stamps",
}

MANIFEST_ENDINGS = (".csv", ".tsv", ".jsonl")
PARQUET_ENDING = ".parquet"
NEED_A_PATH = ("parquet", "shards")  # the name alone opens nothing, so a folder of that name wins


def catalogue() -> list[Entry]:
    """All data sets that can be fetched, in the order of the list."""
    from interlingua.data.entries import ENTRIES

    return list(ENTRIES)


def find(name: str) -> Entry:
    """The catalogue's entry of that name.

    Raises:
        FetchError: there is none; the message names the nearest.
    """
    known = {entry.name: entry for entry in catalogue()}
    if name not in known:
        raise FetchError(
            f"There is no data called {name!r}{nearest(name, list(known))}.",
            next_step=f"Known: {', '.join(known)}.",
        )
    return known[name]


def get(
    name: str,
    *,
    from_files: Sequence[Path] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder with an entry's files; fetched if it is neither cached nor installed.

    Args:
        name: one of the catalogue's.
        from_files: the package files, brought by hand.
        force: fetch again.
        progress: told what is going on.

    Returns:
        The folder in the cache; ``/`` where the system's own installation is read in place.

    Raises:
        FetchError: no such entry, or it can't be fetched.
    """
    return _entry.obtain(find(name), from_files=from_files, force=force, progress=progress)


def get_all(names: Iterable[str], *, progress: Progress | None = None) -> dict[str, Path]:
    """Fetch several entries at once; returns their folders by name."""
    return _entry.obtain_all([find(name) for name in names], progress=progress)


def verify(name: str) -> Report:
    """Compare every cached file of an entry with the hash it had when it was fetched.

    Raises:
        FetchError: no such entry, or it has not been fetched.
    """
    return _entry.verify(find(name))


def open_source(name_or_path: str | Path, **options: Any) -> Source:
    """Open a source by its name, a folder, a manifest, or shards.

    A manifest is a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``; shards are a folder of ``.tar``
    files, one of them, a pattern, or addresses. A known name wins over a folder of the same name;
    write ``./stamps`` for the folder.

    Args:
        name_or_path: what to open.
        options: the source's own settings, see its ``Config``.

    Raises:
        DataError: no such name, folder or file, or nothing usable in it.
        ConfigError: an option that the source doesn't know.
        FetchError: it isn't cached and can't be fetched.
    """
    text = str(name_or_path)
    given = {**settings_of(text), **options}
    source_class = resolve("data", given["name"])
    source: Source = source_class(validate(source_class.Config, given, where=f"data {text}"))
    return source


def settings_of(text: str) -> dict[str, Any]:
    """What ``open_source`` opens, as the settings of a source: for a recipe.

    Raises:
        DataError: no such name, folder or file.
    """
    from interlingua.data.shards.places import is_address, is_shards

    if text in TABLE and not (text in NEED_A_PATH and Path(text).exists()):
        return {"name": text}
    if is_shards(text):
        return {"name": "shards", "paths": [text]}
    if is_address(text) or (":" in text and not Path(text).exists()):
        return {"name": text}
    path = Path(text).expanduser()
    if path.suffix.lower() == PARQUET_ENDING or (path.is_dir() and _has_parquet(path)):
        return {"name": "parquet", "paths": [text]}
    if path.is_dir():
        return {"name": "folder", "path": path}
    if path.is_file() and path.suffix.lower() in MANIFEST_ENDINGS:
        return {"name": "manifest", "path": path}
    if path.is_file():
        raise DataError(
            f"A source is a folder, a manifest or shards; {path.suffix or 'this'} is neither.",
            where=str(path),
            next_step=f"Manifests end in {', '.join(MANIFEST_ENDINGS)} or {PARQUET_ENDING}; shards "
            "in .tar.",
        )
    raise DataError(
        f"There is no source, folder or manifest {text!r}{nearest(text, TABLE)}.",
        next_step=f"Known names: {', '.join(sorted(TABLE))}; or give a path.",
    )


def _has_parquet(folder: Path) -> bool:
    return next(folder.glob(f"*{PARQUET_ENDING}"), None) is not None
