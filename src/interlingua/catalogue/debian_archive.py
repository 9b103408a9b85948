"""Debian packages (``.deb``) read in Python: an ``ar`` of two tar archives.

Nothing is run from the package. Member names, links and sizes are checked here, not
left to ``tarfile``, whose own filters had holes (CVE-2025-4517, CVE-2025-8194).
Format: deb(5).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from interlingua.errors import FetchError

MAX_UNPACKED_BYTES = 4 << 30  # ten times the largest package of the catalogue
MAX_MEMBERS = 200_000
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60


def control(package: Path) -> dict[str, str]:
    """The fields of the package's control file: ``Package``, ``Version`` and so on.

    Raises:
        FetchError: not a Debian package, or a damaged one.
    """
    with _guarded(package), _tar_stream(package, "control.tar") as tar:
        for member in tar:
            if PurePosixPath(member.name).name == "control" and member.isfile():
                if member.size > 1 << 20:
                    raise _damaged(package, "its control file is too large")
                stream = tar.extractfile(member)
                text = stream.read().decode("utf-8", "replace") if stream else ""
                pairs = (line.split(":", 1) for line in text.splitlines() if line[:1].isalpha())
                return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
    raise _damaged(package, "it has no control file")


def unpack(package: Path, folder: Path) -> int:
    """Unpack the package's files under ``folder``; returns how many there are.

    A link inside the package becomes a second name of the same file, so nothing under
    ``folder`` points anywhere. Device files are left out.

    Raises:
        FetchError: damaged; a name or a link that leaves the folder; too much data.
    """
    links: list[tuple[PurePosixPath, PurePosixPath]] = []
    count, total = 0, 0
    with _guarded(package), _tar_stream(package, "data.tar") as tar:
        for member in tar:
            name = _inside(PurePosixPath(member.name), package)
            count += 1
            total += max(member.size, 0)
            if member.size < 0 or total > MAX_UNPACKED_BYTES or count > MAX_MEMBERS:
                raise _damaged(package, "it holds more than a package of ours can")
            if member.isdir():
                (folder / name).mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                _write(tar, member, folder / name)
            elif member.issym():
                links.append((name, _inside(name.parent / member.linkname, package)))
            elif member.islnk():
                links.append((name, _inside(PurePosixPath(member.linkname), package)))
    return count - _link(links, folder)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = tar.extractfile(member)
    assert stream is not None, "a regular file always has a stream"
    with path.open("xb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


def _link(links: list[tuple[PurePosixPath, PurePosixPath]], folder: Path) -> int:
    """Give linked files their second name; returns how many links led nowhere."""
    targets = dict(links)
    left_out = 0
    for name, target in links:
        for _ in range(40):  # a link may lead to a link; a loop ends here
            target = targets.get(target, target)
        path, source = folder / name, folder / target
        if path.exists() or not source.is_file():
            left_out += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, path)
        except OSError:  # a file system without hard links
            shutil.copyfile(source, path)
    return left_out


def _inside(name: PurePosixPath, package: Path) -> PurePosixPath:
    """The name without ``.`` and ``..``, relative to the package's root.

    Raises:
        FetchError: it leaves the root or has a character that some systems read as a separator.
    """
    steps: list[str] = []
    text = str(name)
    if text.startswith("/") or "\\" in text or "\0" in text or ":" in text.split("/")[0]:
        raise _damaged(package, f"it has the unsafe member name {text!r}")
    for step in name.parts:
        if step == "..":
            if not steps:
                raise _damaged(package, f"its member {text!r} leads out of the package")
            steps.pop()
        elif step != ".":
            steps.append(step)
    return PurePosixPath(*steps)


@contextmanager
def _guarded(package: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, FileExistsError) as error:
        raise _damaged(package, "an archive in it can't be read") from error
    except OSError as error:
        if error.errno is None:  # the decompressors raise a bare OSError
            raise _damaged(package, "an archive in it can't be read") from error
        raise FetchError(
            f"The package can't be unpacked: {error.strerror}.",
            where=str(error.filename or package),
            next_step="Check the free space and the permissions.",
        ) from error
    except Exception as error:
        if type(error).__name__ in ("LZMAError", "error"):  # lzma.LZMAError, zlib.error
            raise _damaged(package, "an archive in it can't be decompressed") from error
        raise


@contextmanager
def _tar_stream(package: Path, stem: str) -> Iterator[tarfile.TarFile]:
    """A stream of the members of ``control.tar.*`` or ``data.tar.*``, read once, in order."""
    with package.open("rb") as file:
        ending, size = _seek_member(file, package, stem)
        if ending in ("", "xz", "gz", "bz2"):
            with _open_stream(_Slice(file, size), ending) as tar:
                yield tar
        elif shutil.which("dpkg-deb"):  # Ubuntu compresses with zst, which Python 3.11 can't read
            option = "--fsys-tarfile" if stem == "data.tar" else "--ctrl-tarfile"
            command = ["dpkg-deb", option, str(package.absolute())]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                assert process.stdout is not None, "a pipe was asked for"
                with _open_stream(process.stdout, "") as tar:
                    yield tar
        else:
            raise FetchError(
                f"The package is compressed with {ending}, which needs dpkg-deb here.",
                where=str(package),
                next_step="Install dpkg, or bring Debian's file of the package (xz).",
            )


def _open_stream(file: Any, ending: str) -> tarfile.TarFile:
    mode: Any = f"r|{ending}"
    return tarfile.open(fileobj=file, mode=mode)


class _Slice:
    """The next ``size`` bytes of a file, as a file that can only be read."""

    def __init__(self, file: IO[bytes], size: int):
        self._file = file
        self._left = size

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def _seek_member(file: IO[bytes], package: Path, stem: str) -> tuple[str, int]:
    """Put ``file`` at the start of the member ``stem.*``; returns its ending and size."""
    length = package.stat().st_size
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise _damaged(package, "it is not a Debian package")
    while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
        size = int(header[48:58])  # a ValueError counts as damage
        if size < 0 or header[58:60] != b"`\n" or file.tell() + size > length:
            break  # a cut file would else pass as a shorter archive
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        if name == stem or name.startswith(f"{stem}."):
            return name[len(stem) + 1 :], size
        file.seek(size + size % 2, 1)
    raise _damaged(package, f"it has no whole {stem}")


def _damaged(package: Path, why: str) -> FetchError:
    return FetchError(
        f"The package file is damaged: {why}.",
        where=str(package),
        next_step="Fetch it again.",
    )
