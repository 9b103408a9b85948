"""Data goes one way: a folder imports nothing that is on its right (docs/design.md §1)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "interlingua"

# folder -> what its files must not import
FORBIDDEN = {
    "nn": {"towers", "models", "objectives", "data", "train", "evaluate", "index", "space"},
    "towers": {"models", "objectives", "data", "train", "evaluate", "index", "space"},
    "layouts": {"towers", "models", "objectives", "data", "train", "evaluate", "index", "space"},
    "catalogue": {"data", "weights", "towers", "models", "train"},
    "data": {"models", "objectives", "train", "evaluate", "index", "space"},
    "objectives": {"towers", "models", "data", "train", "evaluate", "index", "space"},
    "models": {"objectives", "train", "evaluate", "index", "space"},
    "evaluate": {"towers", "models", "objectives", "train", "index", "space"},
    "report": {"towers", "models", "objectives", "train", "index", "space"},
}
# where a trained session meets a folder that otherwise takes plain values
SEAMS = {"evaluate/run.py", "report/run.py", "report/run_card.py", "report/run_record.py"}
FOR_ALL = {"cli", "recipes"}  # only the command line and the tests import these
RECIPE_READERS = {"cli", "recipes"}


def imports_of(path: Path) -> set[str]:
    """The folders and files of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "interlingua":
                names = [f"interlingua.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "interlingua" and len(parts) > 1:
                found.add(parts[1])
    return found


FILES = sorted(PACKAGE.glob("**/*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_on_the_left_knows_its_right(path: Path) -> None:
    folder = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    imported = imports_of(path)
    if str(path.relative_to(PACKAGE)) in SEAMS:
        imported -= {"train"}
    assert imported & FORBIDDEN.get(folder, set()) == set()
    if folder not in RECIPE_READERS and folder != "__main__":
        assert imported & FOR_ALL == set()


def test_the_folders_are_there() -> None:
    assert {folder for folder in FORBIDDEN if not (PACKAGE / folder).is_dir()} == set()
