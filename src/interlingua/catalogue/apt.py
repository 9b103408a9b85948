"""The few calls to apt and dpkg: what is installed, how to download without being root."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from interlingua.catalogue.cache import cache_root


def installed_version(name: str) -> str | None:
    """The version of an installed package; None where it, or dpkg itself, is absent."""
    if not shutil.which("dpkg-query"):
        return None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Version}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, version = done.stdout.partition("\t")
    return version if done.returncode == 0 and status.startswith("ii") else None


def download_command(name: str, *, own_lists: bool = False) -> list[str]:
    """The command that downloads a package into the current folder; needs no root."""
    command = ["apt-get", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30"]
    # apt as root gives up its rights to a user who can't see the cache folder; say so at once.
    command += ["-o", "APT::Sandbox::User="]
    return [*command, *(_own_list_options() if own_lists else []), "download", name]


def update_command() -> list[str]:
    """The command that fetches package lists into the cache folder; needs no root."""
    command = ["apt-get", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30"]
    return [*command, "-o", "APT::Sandbox::User=", *_own_list_options(), "update"]


def is_unknown(output: str) -> bool:
    """Whether apt's output says that it knows no such package."""
    signs = ("Unable to locate package", "has no installation candidate", "Can't find a source")
    return any(sign in output for sign in signs)


@functools.cache
def is_derived_distribution() -> bool:
    """Whether this system builds Debian's packages anew (Ubuntu, Mint), with other hashes."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return not any(line.replace('"', "") == "ID=debian" for line in lines)


def _own_list_options() -> list[str]:
    folder = cache_root() / "apt"
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [
        "-o",
        f"Dir::State::lists={folder / 'lists'}",
        "-o",
        f"Dir::Cache={folder}",
    ]
