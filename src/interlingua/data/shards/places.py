"""Which shards are meant: files, folders, globs, addresses, and numbers in braces.

``train-{000000..000099}.tar`` stands for a hundred shards, ``{train,val}.tar`` for two.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from interlingua.errors import DataError

MAX_SHARDS = 1_000_000
PROTOCOLS = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "hf", "memory")

_ADDRESS = re.compile(r"([a-z][a-z0-9+.:-]*)://")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACES = re.compile(r"\{([^{}]*)\}")


def is_address(text: str) -> bool:
    """Whether this is an address (``https://…``, ``s3://…``) and no path."""
    return _ADDRESS.match(text) is not None


def is_shards(text: str) -> bool:
    """Whether this names shards: it ends in ``.tar``, or is a folder with such files."""
    plain = text.partition("?")[0] if is_address(text) else text
    if plain.lower().endswith(".tar"):
        return True
    return not is_address(text) and next(Path(text).expanduser().glob("*.tar"), None) is not None


def find_shards(places: Iterable[str]) -> list[str]:
    """Every shard once, in the order given; a folder's and a glob's in the order of their names.

    Raises:
        DataError: nothing is there, too many, or an address of another kind.
    """
    found: dict[str, None] = {}
    for place in places:
        for name in expand_braces(place):
            found.update(dict.fromkeys(_shards_of(name)))
    if not found:
        raise DataError("No shard is named.", next_step="Give a folder, files or addresses.")
    return list(found)


def expand_braces(text: str) -> Iterator[str]:
    """All names that a pattern with braces stands for; the leftmost braces change slowest.

    Raises:
        DataError: it stands for too many.
    """
    count = 1
    for braces in _BRACES.finditer(text):
        count *= max(1, len(_choices(braces[1])))
        if count > MAX_SHARDS:
            raise DataError(f"The pattern stands for over {MAX_SHARDS:,} shards.", where=text)
    yield from _expanded(text)


def _expanded(text: str) -> Iterator[str]:
    braces = next((one for one in _BRACES.finditer(text) if _choices(one[1])), None)
    if braces is None:
        yield text
        return
    before, after = text[: braces.start()], text[braces.end() :]
    for choice in _choices(braces[1]):
        for rest in _expanded(after):
            yield f"{before}{choice}{rest}"


def _choices(inner: str) -> list[str] | _Numbers:
    if match := _RANGE.fullmatch(inner):
        return _Numbers(match[1], match[2])
    return inner.split(",") if "," in inner else []


class _Numbers:
    """``000..099``: numbers with as many digits as they are written with."""

    def __init__(self, first: str, last: str):
        if len(first) > 12 or len(last) > 12:
            raise DataError("The pattern stands for too many shards.", where=f"{first}..{last}")
        self._digits = len(first) if first[0] == "0" else 0
        self._range = range(int(first), int(last) + 1)

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[str]:
        return (str(number).zfill(self._digits) for number in self._range)


def _shards_of(name: str) -> list[str]:
    if is_address(name):
        protocol = name.partition("://")[0]
        if protocol not in PROTOCOLS or "::" in name:
            raise DataError(
                f"Shards are not read from {protocol}://.",
                where=shown_address(name),
                next_step=f"Addresses begin with {', '.join(PROTOCOLS[:3])}, gs, az or hf.",
            )
        return [name]
    path = Path(name).expanduser()
    if path.is_dir():
        inside = sorted(str(one) for one in path.glob("*.tar") if one.is_file())
        if not inside:
            raise DataError("The folder has no .tar file.", where=str(path))
        return inside
    if path.exists() or not glob.has_magic(name):
        return [str(path)]
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  # any path, any base
    if not matches:
        raise DataError("No file fits the pattern.", where=name, next_step="Check the path.")
    return matches


def index_place(shard: str, ending: str) -> str:
    """The path or address of a shard's index."""
    if not is_address(shard):
        return shard + ending
    address, mark, query = shard.partition("?")
    return f"{address}{ending}{mark}{query}"


def shown_address(address: str) -> str:
    """The address without what is secret in it: signatures in the query, a password."""
    plain = re.split(r"[?#]", address, maxsplit=1)[0]
    return re.sub(r"(?<=://)[^/@]*@", "", plain)


def common_name(shards: Iterable[str]) -> str:
    """What a set of shards is called: the name that they share without their numbers."""
    first = next(iter(shards))
    plain = shown_address(first) if is_address(first) else first.replace("\\", "/")
    folder, _, name = plain.rpartition("/")
    stem = re.sub(r"[-_.]*\d*$", "", name.removesuffix(".tar"))
    return stem or folder.rpartition("/")[2] or "shards"
