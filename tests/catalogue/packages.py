"""Builders of small packages, honest ones and malicious ones, without any tool of Debian's."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path


def tar(members: Sequence[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    """A tar of files given as (name, content), and of ready-made members (links, devices)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    data = b"!<arch>\n"
    for name, content in members:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        data += content + b"\n" * (len(content) % 2)
    return data


def deb(
    path: Path,
    members: Sequence[tarfile.TarInfo | tuple[str, bytes]],
    *,
    name: str = "tiny-data",
    version: str = "1.0-1",
    data_name: str = "data.tar.xz",
) -> Path:
    """Write a Debian package; returns its path."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\n"
    control += "Description: for a test\n"
    data = tar(members)
    path.write_bytes(
        ar(
            [
                ("debian-binary", b"2.0\n"),
                ("control.tar.xz", lzma.compress(tar([("./control", control.encode())]))),
                (data_name, lzma.compress(data) if data_name.endswith("xz") else data),
            ]
        )
    )
    return path


def wheel(folder: Path, project: str, version: str, members: dict[str, bytes]) -> Path:
    """Write a wheel that pip accepts; returns its path."""
    path = folder / f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    info = f"{project.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
