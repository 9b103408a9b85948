"""The peers' environment: what peers need beside us, in one interpreter with us.

Peers need packages that Interlingua doesn't (torchvision, open_clip), so they live in
``.venv-peers`` next to the checkout, with Interlingua installed into it: both sides run in one
process, on one torch. ``python -m benchmarks --setup`` makes it; a benchmark that needs a peer
which the present interpreter lacks starts itself again there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-peers"
PINS = Path(__file__).with_name("peers.txt")
_RESTARTED = "INTERLINGUA_BENCHMARK_RESTARTED"


def set_up() -> int:
    """Make or complete the environment.

    Returns:
        The exit code of pip.
    """
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print(f"Making {ENVIRONMENT} ...")
        venv.create(ENVIRONMENT, with_pip=True)
    print("Installing the peers and Interlingua (several GB with a CUDA build of torch) ...")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["-r", str(PINS), "-e", f"{ROOT}[audio,index]"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that this interpreter can't import."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def restart_with_peers(packages: Sequence[str], arguments: Sequence[str]) -> None:
    """Go on in the peers' environment if this one lacks a package; return if it has all.

    Raises:
        SystemExit: there is no such environment, or it lacks the package too.
    """
    absent = missing(packages)
    if not absent:
        return
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists() or os.environ.get(_RESTARTED):
        raise SystemExit(
            f"This benchmark compares with {', '.join(absent)}, which isn't installed.\n"
            "  next:  python -m benchmarks --setup"
        )
    os.environ[_RESTARTED] = "1"
    os.chdir(ROOT)
    os.execv(python, [str(python), "-m", "benchmarks", *arguments])
