"""docs/extending.md is followed to the letter, in a copy of the project.

The page shows each part as blocks after a line such as **File** `path`, **Line** in `TABLE` of
`path`, **Test** in a new file `path` or in `CASES` of `path`. They are written and added there, and
nothing else; then the project's own tests and tools are run on the copy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "extending.md"
PARTS = {
    "deep_sets": "towers",
    "product": "fusion",
    "hardest_negative": "objectives",
}
STEP = re.compile(
    r"^\*\*(?P<kind>File|Line|Test)\*\*(?: in (?:`(?P<table>TABLE|CASES)` of|a new file))?"
    r" `(?P<path>[\w./]+)`(?P<rest>.*?)^```python\n(?P<code>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One thing to do: a new file, or a line in a table of a file that stands."""

    kind: str
    table: str | None
    path: str
    code: str

    def do(self, root: Path) -> None:
        path = root / self.path
        if self.table is None:
            assert not path.exists(), f"{self.path} is no new file"
            path.write_text(self.code, "utf-8")
            return
        lines = path.read_text("utf-8").splitlines(keepends=True)
        start = next(n for n, line in enumerate(lines) if line.startswith(self.table))
        later = (n for n in range(start + 1, len(lines)) if lines[n] > self.code)
        lines.insert(next(later), self.code)  # tables are sorted, and "}" is after any letter
        path.write_text("".join(lines), "utf-8")


def steps() -> list[Step]:
    text = PAGE.read_text("utf-8")
    found = [Step(m["kind"], m["table"], m["path"], m["code"]) for m in STEP.finditer(text)]
    assert all("**File**" not in step.code for step in found), "a step lacks its block"
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with all parts of the page added."""
    root = tmp_path_factory.mktemp("extended") / "project"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", "tests"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, root / name)
    for step in steps():
        step.do(root)
    return root


def run(root: Path, *command: str) -> str:
    """What a tool says in the copy; a failure shows all of it."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "100"}
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    return result.stdout


def test_each_part_is_one_file_one_line_and_one_test() -> None:
    done = steps()
    assert len(done) == 3 * len(PARTS)
    for number, (name, folder) in enumerate(PARTS.items()):
        file, line, test = done[3 * number : 3 * number + 3]
        assert (file.kind, file.path) == ("File", f"src/interlingua/{folder}/{name}.py")
        assert (line.kind, line.table) == ("Line", "TABLE")
        assert line.path == f"src/interlingua/{folder}/__init__.py"
        assert line.code.count("\n") == 1 and line.code.strip().startswith(f'"{name}": ')
        assert test.kind == "Test" and test.path.startswith(f"tests/{folder}/")
        assert test.code.count("\n") == 1 if test.table else "def test_" in test.code


def test_the_parts_are_not_in_the_project_already() -> None:
    for name, folder in PARTS.items():
        assert not (REPOSITORY / "src" / "interlingua" / folder / f"{name}.py").exists()


@pytest.mark.slow
def test_the_new_parts_pass_what_all_parts_pass(copy: Path) -> None:
    contracts = ("tests/towers/test_contract.py", "tests/fusion/test_contract.py")
    chosen = " or ".join(PARTS)
    said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *contracts, "-k", chosen)
    assert int(re.search(r"(\d+) passed", said)[1]) > 30, said
    own = [step.path for step in steps() if step.kind == "Test" and not step.table]
    tables = [f"tests/test_tables.py::test_table_equals_the_folder[{f}]" for f in PARTS.values()]
    is_the_copy = "tests/test_tables.py::test_the_package_is_the_checkout"
    said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *own, *tables, is_the_copy)
    assert "failed" not in said and "skipped" not in said


@pytest.mark.slow
def test_the_new_parts_keep_the_style(copy: Path) -> None:
    paths = sorted({step.path for step in steps()})
    run(copy, "ruff", "check", "--no-cache", *paths)
    run(copy, "ruff", "format", "--check", "--no-cache", *paths)
    measures = [
        f"tests/{test}[{folder}/{name}.py]"
        for name, folder in PARTS.items()
        for test in (
            "test_style.py::test_file_keeps_the_measures",
            "test_direction.py::test_nothing_on_the_left_knows_its_right",
        )
    ]
    said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *measures)
    assert f"{len(measures)} passed" in said


@pytest.mark.slow
def test_the_new_parts_are_typed_strictly(copy: Path) -> None:
    new = [step.path for step in steps() if step.kind == "File"]
    run(copy, "mypy", "--cache-dir", str(copy / ".mypy_cache"), *new)


@pytest.mark.slow
def test_recipes_take_the_new_parts_as_the_page_says(copy: Path) -> None:
    commands = re.findall(r"`interlingua train (\w+) '(.*?)'`", PAGE.read_text("utf-8"))
    assert len(commands) == 2
    for recipe, change in commands:
        name = re.search(r"name: (\w+)", change)[1]
        assert f"name: {name}\n" in run(copy, "interlingua", "recipes", "show", recipe, change)
