from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from interlingua.catalogue import apt
from interlingua.catalogue.package import DebianPackage, PypiWheel
from interlingua.errors import FetchError

needs_debian = pytest.mark.skipif(
    apt.is_derived_distribution() or not shutil.which("dpkg-query"),
    reason="the pinned hashes are Debian's",
)


class Told:
    """A ``Progress`` that remembers."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        self.messages.append(message)

    def has(self, words: str) -> bool:
        return any(words in message for message in self.messages)


def offer(packages: ModuleType, folder: Path, *, name: str, version: str) -> Path:
    """Put a package in the folder that apt sees, with its line in the list of packages."""
    path: Path = packages.deb(
        folder / f"{name}_{version}_all.deb", [("./thing.txt", b"x")], name=name, version=version
    )
    with (folder / "Packages").open("a") as file:
        file.write(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\n"
            f"Filename: ./{path.name}\nSize: {path.stat().st_size}\n"
            f"SHA256: {packages.sha256(path)}\nDescription: x\n\n"
        )
    return path


def test_a_wheel_is_downloaded_with_pip(tmp_path: Path, shelf: Path, packages: ModuleType) -> None:
    made = packages.wheel(shelf, "tiny-thing", "1.2", {"tiny/a": b"a"})
    got = PypiWheel("tiny-thing", "1.2", packages.sha256(made), 100).fetch(tmp_path)
    assert got.parent == tmp_path
    assert got.read_bytes() == made.read_bytes()


def test_a_wheel_with_a_wrong_hash_is_refused(
    tmp_path: Path, shelf: Path, packages: ModuleType
) -> None:
    packages.wheel(shelf, "tiny-thing", "1.2", {"tiny/a": b"a"})
    with pytest.raises(FetchError, match="wrong hash") as caught:
        PypiWheel("tiny-thing", "1.2", "0" * 64, 100).fetch(tmp_path)
    assert caught.value.next_step


def test_a_source_archive_is_never_built(tmp_path: Path, shelf: Path) -> None:
    """An sdist runs its own code when it is built; pip is told to look at wheels only."""
    import tarfile

    source = tmp_path / "tiny-thing-1.2"
    source.mkdir()
    mark = tmp_path / "was-run"
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.2\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
    )
    (source / "evil.py").write_text(f"open({str(mark)!r}, 'w')")
    with tarfile.open(shelf / "tiny-thing-1.2.tar.gz", "w:gz") as archive:
        archive.add(source, "tiny-thing-1.2")
    (tmp_path / "out").mkdir()
    with pytest.raises(FetchError):
        PypiWheel("tiny-thing", "1.2", "0" * 64, 100).fetch(tmp_path / "out")
    assert not mark.exists()


def test_a_version_that_is_not_there_says_where_to_look(tmp_path: Path, shelf: Path) -> None:
    with pytest.raises(FetchError, match="No matching distribution") as caught:
        PypiWheel("tiny-thing", "9.9", "0" * 64, 100).fetch(tmp_path)
    assert caught.value.where == "PyPI, tiny-thing 9.9"
    assert "--from" in str(caught.value.next_step)


def test_no_network_is_said_in_these_words(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    with pytest.raises(FetchError, match="no network"):
        PypiWheel("tiny-thing", "1.2", "0" * 64, 100).fetch(tmp_path)


def test_a_python_without_pip_says_how_to_get_it(tmp_path: Path, repository: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(repository / "src")!r})
from pathlib import Path
from interlingua.catalogue.package import PypiWheel
from interlingua.errors import FetchError
try:
    PypiWheel("tiny-thing", "1.2", "0", 1).fetch(Path({str(tmp_path)!r}))
except FetchError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert "lacks" in done.stdout
    assert "ensurepip" in done.stdout


def test_without_apt_the_message_names_the_file_and_the_address(
    tmp_path: Path, no_tools: None
) -> None:
    package = DebianPackage("tiny-data", 100, "nowhere", {"1.0-1": "0" * 64})
    with pytest.raises(FetchError, match="no apt") as caught:
        package.fetch(tmp_path)
    assert "tiny-data_1.0-1_all.deb" in str(caught.value)
    assert "Debian, tiny-data" in str(caught.value)
    assert "--from" in str(caught.value)
    assert package.installed_version() is None


@needs_debian
def test_apt_fetches_without_root_and_without_lists(
    tmp_path: Path, cache: Path, repository_of_debs: Path, packages: ModuleType
) -> None:
    made = offer(packages, repository_of_debs, name="tiny-data", version="1.0-1")
    told = Told()
    package = DebianPackage("tiny-data", 100, "nowhere", {"1.0-1": packages.sha256(made)})
    (tmp_path / "out").mkdir()
    got = package.fetch(tmp_path / "out", progress=told)
    assert got.read_bytes() == made.read_bytes()
    assert told.has("apt has no list"), "the lists were empty, as in a fresh container"
    assert not told.has("not pinned")
    assert (cache / "apt" / "lists").is_dir()


@needs_debian
def test_a_newer_version_is_taken_on_the_signature_with_a_notice(
    tmp_path: Path, cache: Path, repository_of_debs: Path, packages: ModuleType
) -> None:
    made = offer(packages, repository_of_debs, name="tiny-data", version="2.0-1")
    told = Told()
    (tmp_path / "out").mkdir()
    package = DebianPackage("tiny-data", 100, "nowhere", {"1.0-1": "0" * 64})
    assert package.fetch(tmp_path / "out", progress=told).read_bytes() == made.read_bytes()
    assert told.has("2.0-1 is not pinned here: taken on apt's signature")


@needs_debian
def test_a_known_version_with_another_hash_is_refused(
    tmp_path: Path, cache: Path, repository_of_debs: Path, packages: ModuleType
) -> None:
    offer(packages, repository_of_debs, name="tiny-data", version="1.0-1")
    (tmp_path / "out").mkdir()
    with pytest.raises(FetchError, match="wrong hash"):
        DebianPackage("tiny-data", 100, "nowhere", {"1.0-1": "0" * 64}).fetch(tmp_path / "out")


@needs_debian
def test_a_package_that_apt_does_not_know(
    tmp_path: Path, cache: Path, repository_of_debs: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FetchError, match="Unable to locate") as caught:
        DebianPackage("tiny-data", 100, "nowhere", {"1.0-1": "0"}).fetch(tmp_path / "out")
    assert "tiny-data_1.0-1_all.deb" in str(caught.value.next_step)


@needs_debian
def test_what_is_installed_is_seen_only_with_its_marker(tmp_path: Path) -> None:
    """dpkg itself is on every Debian; a container may have dropped a package's documentation."""
    assert DebianPackage("dpkg", 1, "var/lib/dpkg").installed_version() is not None
    assert DebianPackage("dpkg", 1, "usr/share/doc/dpkg/nothing").installed_version() is None
    assert DebianPackage("no-such-package", 1, "usr").installed_version() is None


def test_a_file_brought_by_hand_must_be_a_known_version(
    tmp_path: Path, packages: ModuleType
) -> None:
    path = packages.deb(tmp_path / "x.deb", [("./a", b"a")], version="1.0-1")
    known = {"1.0-1": packages.sha256(path)}
    assert DebianPackage("tiny-data", 1, "x", known).check(path) == "1.0-1"
    with pytest.raises(FetchError, match="no signature"):
        DebianPackage("tiny-data", 1, "x", {"0.9-1": "0"}).check(path)
    with pytest.raises(FetchError, match="wrong hash"):
        DebianPackage("tiny-data", 1, "x", {"1.0-1": "0"}).check(path)
    with pytest.raises(FetchError, match="other-data"):
        DebianPackage("other-data", 1, "x", known).check(path)
