"""Catalogue entries: what a name stands for, how it gets into the cache, whether it is whole."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from interlingua.catalogue import hub
from interlingua.catalogue.cache import (
    Progress,
    cache_root,
    install_folder,
    locked,
    to_stderr,
    write_whole,
)
from interlingua.catalogue.package import DebianPackage, Package, sha256_of
from interlingua.errors import FetchError

FORMAT_VERSION = 1
RECORD = "source.json"

Prepare = Callable[[Sequence[Path], Path], None]
Origin = Literal["package", "hub"]


@dataclass(frozen=True)
class Entry:
    """One thing that can be fetched.

    Attributes:
        name: what the user types.
        folder: ``data`` or ``weights``, its folder in the cache.
        summary: one line for the list.
        licence: SPDX name, or the package's own words.
        packages: what it is made from.
        prepare: ``prepare(package_files, target_folder)`` makes the entry's files.
        hub: the repository of a model hub that gives the same files, if there is one.
    """

    name: str
    folder: Literal["data", "weights"]
    summary: str
    licence: str
    packages: tuple[Package, ...]
    prepare: Prepare
    hub: str | None = None

    @property
    def num_bytes(self) -> int:
        """How much is downloaded."""
        return sum(package.num_bytes for package in self.packages)

    @property
    def sources(self) -> list[str]:
        """Where the packages are found."""
        return [package.address for package in self.packages]

    def location(self, origin: Origin = "package") -> Path:
        """Its folder in the cache, there or not."""
        return (
            cache_root() / self.folder / (self.name if origin == "package" else f"{self.name}@hub")
        )

    def installed(self) -> bool:
        """Whether the system has all its packages installed, to be read in place."""
        return all(
            isinstance(package, DebianPackage) and package.installed_version() is not None
            for package in self.packages
        )

    def state(self) -> Literal["cached", "installed", "absent"]:
        """Whether it can be used without fetching."""
        if _is_whole(self.location()) or _is_whole(self.location("hub")):
            return "cached"
        return "installed" if self.installed() else "absent"


@dataclass(frozen=True)
class Report:
    """The result of a verification.

    Attributes:
        problems: one line for each missing, changed or unexpected file.
    """

    name: str
    location: Path
    num_files: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every file is as it was fetched."""
        return not self.problems


def obtain(
    entry: Entry,
    *,
    origin: Origin = "package",
    from_files: Sequence[Path] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder with the entry's files, fetched if it isn't in the cache.

    Args:
        entry: what is wanted.
        origin: ``package`` (the default), or ``hub`` for the same files off a model hub.
        from_files: package files brought by hand, where there is no network or no apt.
        force: fetch again.
        progress: told what is going on; by default a line on stderr for each step of a fetch.

    Raises:
        FetchError: it can't be had; the message says what to bring.
    """
    progress = progress or to_stderr
    final = entry.location(origin)
    if not force and not from_files:
        if _is_whole(final):
            return final
        if origin == "package" and entry.installed():
            return Path("/")
    with locked(f"{entry.folder}.{final.name}", progress):
        if not force and not from_files and _is_whole(final):
            return final  # another process has fetched it meanwhile
        if final.exists() and not force and not from_files:
            progress(f"{entry.name}: the cached copy is not whole, fetching it again")
        install_folder(final, lambda work: _build(entry, work, origin, list(from_files), progress))
    progress(f"{entry.name}: ready")
    return final


def obtain_all(entries: Iterable[Entry], *, progress: Progress | None = None) -> dict[str, Path]:
    """Fetch several entries at once; returns their folders by name."""
    wanted = list(entries)
    with ThreadPoolExecutor(max_workers=max(len(wanted), 1)) as pool:
        paths = pool.map(lambda entry: obtain(entry, progress=progress), wanted)
        return {entry.name: path for entry, path in zip(wanted, paths, strict=True)}


def verify(entry: Entry) -> Report:
    """Read every file of a cached entry again and compare it with its record.

    Raises:
        FetchError: it has not been fetched.
    """
    places = (entry.location("package"), entry.location("hub"))
    final = next((place for place in places if (place / RECORD).exists()), None)
    if final is None:
        raise FetchError(
            f"{entry.name!r} has not been fetched.",
            where=str(entry.location()),
            next_step=f"interlingua {entry.folder} get {entry.name}",
        )
    record = _read_record(final)
    if record is None:
        return Report(entry.name, final, 0, (f"{RECORD}: damaged",))
    problems = []
    for name, known in sorted(record["files"].items()):
        path = final / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif path.stat().st_size != known["bytes"] or sha256_of(path) != known["sha256"]:
            problems.append(f"{name}: changed")
    present = {path.relative_to(final).as_posix() for path in final.rglob("*") if path.is_file()}
    problems += [
        f"{name}: unexpected" for name in sorted(present - set(record["files"]) - {RECORD})
    ]
    return Report(entry.name, final, len(record["files"]), tuple(problems))


def _build(
    entry: Entry, work: Path, origin: Origin, from_files: list[Path], progress: Progress
) -> None:
    if origin == "hub":
        origins = [hub.snapshot(entry.name, entry.hub, work, progress)]
    else:
        downloads = work / ".packages"
        paths = _package_files(entry, downloads, from_files, progress)
        origins = [
            {"package": path.name, "sha256": sha256_of(path), "address": package.address}
            for package, path in zip(entry.packages, paths, strict=True)
        ]
        progress(f"{entry.name}: preparing")
        entry.prepare(paths, work)
        shutil.rmtree(downloads, ignore_errors=True)
    files = {
        path.relative_to(work).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(work.rglob("*"))
        if path.is_file()
    }
    record = {
        "format_version": FORMAT_VERSION,
        "name": entry.name,
        "licence": entry.licence,
        "fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "origins": origins,
        "files": files,
    }
    write_whole(work / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())


def _package_files(
    entry: Entry, downloads: Path, from_files: list[Path], progress: Progress
) -> list[Path]:
    if from_files:
        return [_brought(entry, package, from_files) for package in entry.packages]

    def fetch(numbered: tuple[int, Package]) -> Path:
        number, package = numbered
        target = downloads / str(number)
        target.mkdir(parents=True)
        return package.fetch(target, progress=progress)

    with ThreadPoolExecutor(max_workers=len(entry.packages)) as pool:
        return list(pool.map(fetch, enumerate(entry.packages)))


def _brought(entry: Entry, package: Package, files: list[Path]) -> Path:
    """The file among ``files`` that is this package.

    Raises:
        FetchError: none is; where there is just one file, it says why that one isn't.
    """
    reason: FetchError | None = None
    for path in files:
        if not path.is_file():
            raise FetchError("There is no such file.", where=str(path), next_step="Check the path.")
        try:
            package.check(path)
        except FetchError as error:
            reason = error
            continue
        return path
    if reason is not None and len(files) == 1 == len(entry.packages):
        raise reason
    raise FetchError(
        f"{entry.name} is made from {len(entry.packages)} package(s); {package.file_hint} is "
        "not among the files given.",
        where=", ".join(map(str, files)),
        next_step=f"Bring {package.file_hint} from {package.address} too.",
    ) from reason


def _is_whole(folder: Path) -> bool:
    """Whether the record is there and every file has its size (not its hash: see ``verify``)."""
    record = _read_record(folder)
    if record is None:
        return False
    try:
        return all(
            (folder / name).stat().st_size == known["bytes"]
            for name, known in record["files"].items()
        )
    except OSError:
        return False


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(record, dict) and record.get("format_version") == FORMAT_VERSION
    return record if whole and isinstance(record.get("files"), dict) else None
