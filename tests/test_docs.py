"""The documentation runs: every ```python and ```bash block of README.md and docs/*.md, in order.

All blocks of one file share one working folder (fresh, temporary) and, for Python, one set of
variables, as a reader who types them one after the other has. Other fences (```text, ```yaml,
```console) are shown, not run. An HTML comment on the line before a block changes that:

    <!-- not run: REASON -->            never run here; the reason is for the reader of the source
    <!-- slow: REASON -->               runs in make test-all only
    <!-- needs: data stamps, weights minilm -->   fetched first; skipped where it can't be had
    <!-- fails: 2 -->                   a bash block that must exit with this code
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*) *$")
MARK = re.compile(r"^ *<!-- (?P<kind>not run|slow|needs|fails): *(?P<value>.+?) *-->$")


@dataclass(frozen=True)
class Block:
    """A fenced block that runs, and the marks before it."""

    page: Path
    line: int  # of its first line of code, counted from 1
    language: str
    code: str
    marks: dict[str, str]


def blocks(page: Path, text: str) -> list[Block]:
    """The blocks of a page in reading order.

    Raises:
        ValueError: an unclosed fence, a mark that is before no block, or a "not run"
            without a reason.
    """
    found: list[Block] = []
    marks: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if mark := MARK.match(line):
            marks[mark["kind"]] = mark["value"]
            continue
        fence = FENCE.match(line)
        if not fence:
            if marks and line.strip():
                raise ValueError(f"{page.name}:{number}: a mark stands before no block")
            continue
        body = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            body.append(inner.removeprefix(fence["indent"]))
        else:
            raise ValueError(f"{page.name}:{number}: this block is never closed")
        if len(marks.get("not run", "a reason is a sentence").split()) < 3:
            raise ValueError(f"{page.name}:{number}: say why it isn't run")
        if fence["language"] in ("python", "bash"):
            code = "\n".join(body) + "\n"
            found.append(Block(page, number + 1, fence["language"], code, marks))
        marks = {}
    return found


def run_python(block: Block, variables: dict[str, object]) -> None:
    # empty lines before the code make tracebacks show the page's own line numbers
    code = "\n" * (block.line - 1) + block.code
    exec(compile(code, str(block.page), "exec"), variables)


def run_bash(block: Block, folder: Path) -> None:
    environment = {**os.environ, "COLUMNS": "100"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    wanted = int(block.marks.get("fails", "0"))
    assert result.returncode == wanted, (
        f"{block.page.name}:{block.line} exits with {result.returncode}, not {wanted}\n"
        f"{block.code}\n{result.stdout}\n{result.stderr}"
    )


def has_slow_blocks(page: Path) -> bool:
    return any("slow" in block.marks for block in blocks(page, page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quick_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    run_page(page, tmp_path, monkeypatch, request, include_slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", list(filter(has_slow_blocks, PAGES)), ids=lambda page: page.name)
def test_all_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    run_page(page, tmp_path, monkeypatch, request, include_slow=True)


def run_page(
    page: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    *,
    include_slow: bool,
) -> None:
    monkeypatch.chdir(folder)
    variables: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, page.read_text("utf-8")):
        if "not run" in block.marks or ("slow" in block.marks and not include_slow):
            continue
        for need in filter(None, block.marks.get("needs", "").split(",")):
            kind, name = need.split()
            fetch: Callable[[str], object] = request.getfixturevalue(f"real_{kind}")
            fetch(name)
        if block.language == "python":
            run_python(block, variables)
        else:
            run_bash(block, folder)


def test_marks_are_read() -> None:
    text = (
        "<!-- slow: trains a while -->\n<!-- fails: 2 -->\n```bash\nfalse\n```\n\n```text\nx\n```\n"
    )
    (block,) = blocks(Path("page.md"), text)
    assert block.marks == {"slow": "trains a while", "fails": "2"}
    assert (block.line, block.language, block.code) == (4, "bash", "false\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\n1\n", "never closed"),
        ("<!-- not run: no -->\n```python\n1\n```\n", "say why"),
        ("<!-- slow: trains a while -->\nprose\n", "before no block"),
    ],
)
def test_bad_marks_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blocks(Path("page.md"), text)


def test_a_wrong_block_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:1 exits with 1"):
        run_bash(Block(Path("page.md"), 1, "bash", "false\n", {}), tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_python(Block(Path("page.md"), 1, "python", "1 / 0\n", {}), {})
