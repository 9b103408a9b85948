from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlingua.catalogue import debian_archive
from interlingua.errors import FetchError

HONEST = [("./usr/share/thing/a.txt", b"a" * 5000), ("./usr/share/thing/b.txt", b"b")]
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb here")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_control_file_is_read(tmp_path: Path, packages: ModuleType) -> None:
    package = packages.deb(tmp_path / "x.deb", HONEST, name="thing", version="1:2.0+dfsg-3")
    fields = debian_archive.control(package)
    assert (fields["Package"], fields["Version"]) == ("thing", "1:2.0+dfsg-3")


@pytest.mark.parametrize("data_name", ["data.tar.xz", "data.tar"])
def test_files_are_unpacked(tmp_path: Path, packages: ModuleType, data_name: str) -> None:
    package = packages.deb(tmp_path / "x.deb", HONEST, data_name=data_name)
    assert debian_archive.unpack(package, tmp_path / "out") == 2
    assert contents(tmp_path / "out") == {name[2:]: data for name, data in HONEST}


def test_links_inside_become_second_names(tmp_path: Path, packages: ModuleType) -> None:
    links = [
        packages.link("./usr/share/other/l1.txt", "../thing/a.txt"),
        packages.link("./usr/share/other/l2.txt", "l1.txt"),
        packages.link("./usr/share/other/hard.txt", "./usr/share/thing/b.txt", tarfile.LNKTYPE),
        packages.link("./usr/share/other/nowhere.txt", "../thing/none.txt"),
        packages.link("./usr/share/other/loop.txt", "loop.txt"),
    ]
    package = packages.deb(tmp_path / "x.deb", [*links, *HONEST])
    debian_archive.unpack(package, tmp_path / "out")
    found = contents(tmp_path / "out")
    assert found["usr/share/other/l1.txt"] == found["usr/share/other/l2.txt"] == b"a" * 5000
    assert found["usr/share/other/hard.txt"] == b"b"
    assert len(found) == 5
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@needs_dpkg
@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_what_dpkg_packs_is_unpacked_as_dpkg_does(tmp_path: Path, compression: str) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: x\n"
    )
    deep = tree / "usr" / "share" / ("long-" * 30)
    deep.mkdir(parents=True)
    (deep / "Ünïcode ☃.txt").write_bytes(os.urandom(100_000))
    (deep / "link.txt").symlink_to("Ünïcode ☃.txt")
    package = tmp_path / "x.deb"
    subprocess.run(
        ["dpkg-deb", f"-Z{compression}", "--root-owner-group", "-b", tree, package],
        check=True,
        capture_output=True,
    )
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "theirs"], check=True)
    debian_archive.unpack(package, tmp_path / "ours")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert len(contents(tmp_path / "ours")) == 2


@pytest.mark.parametrize(
    "name",
    ["../evil", "./usr/../../evil", "/evil", "a/../../../../../evil", "..\\evil", "C:/evil"],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, packages: ModuleType, name: str) -> None:
    package = packages.deb(tmp_path / "x.deb", [*HONEST, (name, b"evil")])
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises(FetchError, match="damaged"):
        debian_archive.unpack(package, out)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "../../../.."])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_that_lead_out_are_refused(
    tmp_path: Path, packages: ModuleType, target: str, kind: bytes
) -> None:
    package = packages.deb(tmp_path / "x.deb", [packages.link("./usr/l", target, kind)])
    with pytest.raises(FetchError, match="damaged"):
        debian_archive.unpack(package, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_a_file_below_a_link_does_not_follow_it(tmp_path: Path, packages: ModuleType) -> None:
    """The old trick: a link to a folder, then a file that is written through it."""
    members = [*HONEST, packages.link("./usr/trap", "share"), ("./usr/trap/a", b"x")]
    debian_archive.unpack(packages.deb(tmp_path / "x.deb", members), tmp_path / "out")
    assert (tmp_path / "out/usr/trap/a").read_bytes() == b"x"
    assert not (tmp_path / "out/usr/share/a").exists()


def test_devices_are_left_out(tmp_path: Path, packages: ModuleType) -> None:
    devices = [
        packages.link("./dev", "", tarfile.CHRTYPE),
        packages.link("./f", "", tarfile.FIFOTYPE),
    ]
    debian_archive.unpack(packages.deb(tmp_path / "x.deb", [*devices, *HONEST]), tmp_path / "out")
    assert not (tmp_path / "out/dev").exists()
    assert not (tmp_path / "out/f").exists()


def test_a_name_twice_is_refused(tmp_path: Path, packages: ModuleType) -> None:
    package = packages.deb(tmp_path / "x.deb", [*HONEST, HONEST[0]])
    with pytest.raises(FetchError, match="damaged"):
        debian_archive.unpack(package, tmp_path / "out")


def test_a_size_beyond_reason_is_refused_before_it_is_written(
    tmp_path: Path, packages: ModuleType
) -> None:
    lie = tarfile.TarInfo("./huge")
    lie.size = debian_archive.MAX_UNPACKED_BYTES + 1
    header = lie.tobuf()
    body = packages.lzma.compress(header + b"\0" * 4096)
    path = tmp_path / "x.deb"
    path.write_bytes(packages.ar([("debian-binary", b"2.0\n"), ("data.tar.xz", body)]))
    with pytest.raises(FetchError, match="more than"):
        debian_archive.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out/huge").exists()


def test_a_package_cut_anywhere_is_refused(tmp_path: Path, packages: ModuleType) -> None:
    whole = packages.deb(tmp_path / "x.deb", HONEST).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path = tmp_path / "cut.deb"
        path.write_bytes(whole[:length])
        with pytest.raises(FetchError):
            debian_archive.unpack(path, tmp_path / f"out{length}")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.integers(min_value=0), value=st.integers(1, 255))
def test_one_changed_byte_gives_the_same_files_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, packages: ModuleType, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    data = bytearray(packages.deb(folder / "x.deb", HONEST).read_bytes())
    data[place % len(data)] ^= value
    (folder / "x.deb").write_bytes(data)
    try:
        debian_archive.unpack(folder / "x.deb", folder / "out")
    except FetchError:
        return
    assert contents(folder / "out") == {name[2:]: content for name, content in HONEST}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=500), magic=st.booleans())
def test_any_bytes_give_an_error_and_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.deb"
    path.write_bytes((b"!<arch>\n" if magic else b"") + data)
    with pytest.raises(FetchError):
        debian_archive.unpack(path, path.parent / "out")
    with pytest.raises(FetchError):
        debian_archive.control(path)


def test_zst_without_dpkg_says_what_to_bring(
    tmp_path: Path, packages: ModuleType, no_tools: None
) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(
        packages.ar([("debian-binary", b"2.0\n"), ("data.tar.zst", b"\x28\xb5\x2f\xfd")])
    )
    with pytest.raises(FetchError, match="dpkg"):
        debian_archive.unpack(path, tmp_path / "out")
