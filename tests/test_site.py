"""The guide's site: its pages, its reference, and that it builds without a dead link."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PACKAGE = REPOSITORY / "src" / "interlingua"
LINK = re.compile(r"\]\((?!https?://|#)(?P<path>[^)#\s]+)")
BUILDERS = {
    "zensical": ["zensical", "build", "--strict"],
    "mkdocs": ["mkdocs", "build", "--strict"],
}
# `cli` has a page of its own, made by its help; `__main__` only calls it
NOT_IN_REFERENCE = {"cli", "__main__", "__init__"}


def pages_of(nav: Any) -> Iterator[str]:
    """The files that a navigation names, in order."""
    if isinstance(nav, str):
        yield nav
    for one in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from pages_of(one)


def test_the_navigation_has_every_page_once() -> None:
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text("utf-8"))
    listed = list(pages_of(settings["nav"]))
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.glob("**/*.md"))


def test_the_reference_has_every_module_once() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    listed = re.findall(r"^::: interlingua\.(\w+)$", text, flags=re.MULTILINE)
    there = {path.stem for path in PACKAGE.glob("*.py")}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(listed) == sorted(there - NOT_IN_REFERENCE)


def test_the_short_names_are_those_of_the_package() -> None:
    import interlingua

    text = (DOCS / "reference" / "names.md").read_text("utf-8")
    rows = dict(re.findall(r"\[`il\.(\w+)`\]\[([\w.]+)\]", text))
    assert rows == {name: f"{home}.{name}" for name, home in interlingua._HOME.items()}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs"])
def test_links_between_files_lead_somewhere(name: str) -> None:
    """What a reader on a code host clicks; anchors are checked where the site is built."""
    root = REPOSITORY / name
    for page in [root] if root.is_file() else root.glob("**/*.md"):
        for link in LINK.finditer(page.read_text("utf-8")):
            assert (page.parent / link["path"]).exists(), f"{page.name} links to {link['path']}"


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    """docs/reference/docstrings.py."""
    pytest.importorskip("griffe", reason='needs the extra: pip install "interlingua[docs]"')
    path = DOCS / "reference" / "docstrings.py"
    spec = importlib.util.spec_from_file_location("docstrings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lists_get_room_and_names_get_lines(docstrings: ModuleType) -> None:
    written = """A tower.

Notable features:
- one thing
  in two lines;
- another.

Attributes:
    width, num_layers: D and the number
        of blocks.
    name: as it is.
Returns:
    a, b: not names but what is given."""
    expected = """A tower.

Notable features:

- one thing
  in two lines;
- another.

Attributes:
    width: (`64`) D and the number
        of blocks.
    num_layers: D and the number
        of blocks.
    name: as it is.
Returns:
    a, b: not names but what is given."""
    assert docstrings.rewritten(written, {"width": "64"}) == expected
    assert docstrings.rewritten(expected, {}) == expected


@pytest.mark.parametrize(
    ("written", "default"),
    [
        ("Field(default=2, ge=0)", "2"),
        ("Field(default=1 / 0.07, gt=0)", "1 / 0.07"),
        ("Field(0.5)", "0.5"),
        ("Field(default=(1, 2), ge=0)", "(1, 2)"),
        ("Field(default_factory=dict)", None),
        ("(0.5, 0.5)", "(0.5, 0.5)"),
    ],
)
def test_defaults_are_read(docstrings: ModuleType, written: str, default: str | None) -> None:
    import griffe

    with griffe.temporary_visited_module(f"class Config:\n    size: int = {written}\n") as module:
        found = docstrings.defaults_of(module["Config"])
    assert found == ({} if default is None else {"size": default})


def build(root: Path, builder: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip(builder, reason='needs the extra: pip install "interlingua[docs]"')
    return subprocess.run(
        [sys.executable, "-m", *BUILDERS[builder]], cwd=root, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
def test_the_site_builds_without_a_warning(builder: str, tmp_path: Path) -> None:
    for name in ("docs", "src"):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignore)
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    result = build(tmp_path, builder)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    site = tmp_path / "site"
    for page in DOCS.glob("**/*.md"):
        built = site / page.relative_to(DOCS).with_suffix(".html")
        html = built.read_text("utf-8")
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', html), page
        assert ":::" not in html and "][interlingua." not in html, page
    towers = (site / "reference" / "towers.html").read_text("utf-8")
    assert 'id="interlingua.towers.vit.ViT.forward"' in towers


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nothing"])
def test_a_dead_link_ends_the_build(builder: str, link: str, tmp_path: Path) -> None:
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text("utf-8"))
    settings |= {"nav": ["index.md"], "plugins": ["search"]}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(settings), "utf-8")
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "index.md"
    page.write_text("# A page\n\n[itself](index.md#a-page)\n", "utf-8")
    assert build(tmp_path, builder).returncode == 0
    page.write_text(f"# A page\n\n[a dead end]({link})\n", "utf-8")
    assert build(tmp_path, builder).returncode != 0
