"""The small tasks, importable by name here and in worker processes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def small_tasks() -> ModuleType:
    """``small_tasks.py``; processes that are spawned inherit the path."""
    folder = str(Path(__file__).parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("small_tasks")
