"""Lists that people keep by hand equal what is really there.

Each folder's ``TABLE`` (name -> module:Class) equals the parts that are defined in the folder, and
the annotated tree in README.md equals the real tree.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import interlingua
from interlingua.config import NamedConfig

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "interlingua"


def folders_with_tables() -> list[str]:
    """The folders of the package whose ``__init__.py`` sets ``TABLE``; ``data.filters`` is one."""
    return sorted(
        ".".join(path.parent.relative_to(PACKAGE).parts)
        for path in PACKAGE.glob("*/**/__init__.py")
        if re.search(r"^TABLE\b", path.read_text("utf-8"), flags=re.MULTILINE)
    )


def modules_of(folder: str) -> Iterator[ModuleType]:
    package = importlib.import_module(f"interlingua.{folder}")
    for module_info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(module_info.name)


def classes_in(folder: str) -> dict[str, str]:
    """name -> module:Class of each class in the folder that can be chosen by its name.

    Such a class has a nested ``Config`` for this folder whose ``name`` has a value; the contract
    that it derives from (``Tower``) has none.
    """
    parts = {}
    for module in modules_of(folder):
        for name, value in inspect.getmembers(module, inspect.isclass):
            config = vars(value).get("Config")
            if (
                value.__module__ == module.__name__
                and inspect.isclass(config)
                and issubclass(config, NamedConfig)
                and getattr(config, "folder", None) == folder
                and not config.model_fields["name"].is_required()
            ):
                parts[config.model_fields["name"].default] = f"{module.__name__}:{name}"
    return parts


def layouts() -> dict[str, str]:
    """name -> module:LAYOUT of each file that declares a layout."""
    return {
        module.LAYOUT.name: f"{module.__name__}:LAYOUT"
        for module in modules_of("layouts")
        if "LAYOUT" in vars(module)
    }


def recipes() -> dict[str, str]:
    """name -> module:function of each public function that takes ``tiny`` and returns a recipe."""
    return {
        function(tiny=True).name: f"{module.__name__}:{name}"
        for module in modules_of("recipes")
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if function.__annotations__.get("return") == "Recipe"
    }


def test_there_are_tables() -> None:
    assert {"towers", "data", "objectives", "layouts", "recipes"} <= set(folders_with_tables())


@pytest.mark.parametrize("folder", folders_with_tables())
def test_table_equals_the_folder(folder: str) -> None:
    found = {"layouts": layouts, "recipes": recipes}.get(folder, lambda: classes_in(folder))()
    assert found == importlib.import_module(f"interlingua.{folder}").TABLE


def tree_in_readme() -> set[str]:
    """The paths that the annotated tree of README.md lists, folders with a slash at the end."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    match = re.search(r"^## The tree\n.*?^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert match, "README.md has no block ```text under the heading '## The tree'"
    paths: set[str] = set()
    parents: list[tuple[int, str]] = []
    for line in match[1].splitlines():
        names = line.partition("#")[0].split()
        if not names:
            continue
        indent = len(line) - len(line.lstrip())
        while parents and parents[-1][0] >= indent:
            parents.pop()
        prefix = parents[-1][1] if parents else ""
        paths.update(prefix + name for name in names)
        if names[-1].endswith("/"):
            parents.append((indent, prefix + names[-1]))
    return paths


def real_tree() -> set[str]:
    """What the README has to list: the package's folders and its own files."""
    return {
        f"src/interlingua/{path.name}" + ("/" if path.is_dir() else "")
        for path in PACKAGE.iterdir()
        if (path.is_dir() and any(path.glob("**/*.py"))) or path.suffix == ".py"
        if path.name not in ("__init__.py", "__pycache__")
    }


def test_readme_tree_equals_the_real_tree() -> None:
    listed = tree_in_readme()
    missing = {path for path in listed if not (REPOSITORY / path).exists()}
    assert missing == set(), "README.md lists what isn't there"
    assert real_tree() - listed == set(), "README.md doesn't list these"


def test_tests_mirror_the_package() -> None:
    ours = {path.parent.relative_to(PACKAGE) for path in PACKAGE.glob("**/*.py")}
    ours |= {Path("benchmarks")}  # beside the package
    ours |= {Path("bad_input"), Path("faults")}  # one subject through all of the package
    theirs = {
        path.parent.relative_to(REPOSITORY / "tests") for path in REPOSITORY.glob("tests/**/*.py")
    }
    assert theirs - ours == set(), "tests/ has folders that the package lacks"


def test_the_package_is_the_checkout() -> None:
    assert Path(inspect.getfile(interlingua)).parent == PACKAGE
