"""The measures of CONTRIBUTING.md that a linter doesn't take: sizes and names.

A ratchet: what was too large when its rule came stands below with its size, may shrink and may not
grow, and goes from the list once it fits.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "interlingua"
FILES = sorted(PACKAGE.glob("**/*.py"))

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}

LARGE_FILES: dict[str, int] = {}
LARGE_FUNCTIONS: dict[str, int] = {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_measures(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    text = path.read_text("utf-8")
    assert not BANNED_NAMES & set(Path(name).with_suffix("").parts), "name it after its concept"
    lines = len(text.splitlines())
    assert lines <= LARGE_FILES.get(name, MAX_FILE_LINES), f"{lines} lines: one concept per file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = body_lines(node)
            limit = LARGE_FUNCTIONS.get(f"{name}:{node.name}", MAX_FUNCTION_LINES)
            assert length <= limit, f"{node.name} has {length} lines"


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function from ``def`` to its end, its docstring not counted."""
    docstring = node.body[0]
    documented = ast.get_docstring(node) is not None
    return (
        (node.end_lineno or node.lineno)
        - node.lineno
        + 1
        - ((docstring.end_lineno or 0) - docstring.lineno + 1 if documented else 0)
    )


def test_the_lists_hold_only_what_is_too_large() -> None:
    for name, lines in LARGE_FILES.items():
        assert MAX_FILE_LINES < len((PACKAGE / name).read_text("utf-8").splitlines()) <= lines
