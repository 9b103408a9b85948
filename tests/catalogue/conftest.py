"""An empty cache; pip and apt that see only what the test put there: the real tools, offline."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def packages() -> ModuleType:
    """The builders of ``packages.py``."""
    path = Path(__file__).with_name("packages.py")
    spec = importlib.util.spec_from_file_location("packages", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("INTERLINGUA_CACHE", str(folder))
    return folder


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, all that pip can see."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def repository_of_debs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Debian packages, all that apt can see once its lists are fetched.

    The system's lists are replaced by empty ones, as in a fresh container.
    """
    if not shutil.which("apt-get"):
        pytest.skip("no apt here")
    folder = tmp_path / "debs"
    folder.mkdir()
    (folder / "Packages").touch()
    apt = tmp_path / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    configuration = f"""
        Dir::Etc::sourcelist "{apt}/sources.list";
        Dir::Etc::sourceparts "-";
        Dir::State::lists "{apt}/lists";
        Dir::Cache "{apt}";
        Dir::Cache::pkgcache "";
        Dir::Cache::srcpkgcache "";
    """
    (apt / "apt.conf").write_text(configuration)
    monkeypatch.setenv("APT_CONFIG", str(apt / "apt.conf"))
    return folder


@pytest.fixture
def no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without apt and dpkg."""
    folder = tmp_path / "no-tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder) + os.pathsep)
