"""``import interlingua`` is quick and drags nothing in."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "PIL", "transformers", "lancedb", "soundfile", "soxr", "resvg_py")


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("statement", ["import interlingua", "import interlingua.cli.main"])
def test_nothing_heavy_is_imported(statement: str) -> None:
    assert modules_after(statement) & set(HEAVY) == set()


def test_the_check_would_notice_torch() -> None:
    assert "torch" in modules_after("import interlingua.tokens")
