"""What every test shares: fixed seeds, few threads, and fetched data and weights on request.

A test that asks for ``real_data`` or ``real_weights`` is marked ``network``. The first call fetches
into the cache, later ones and later runs read it. Where a thing can't be had (no network, no apt)
the test is skipped with the reason, unless INTERLINGUA_REQUIRE_DATA=1 (make test-all), which fails.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy
import pytest
import torch

from interlingua.errors import FetchError

REPOSITORY = Path(__file__).resolve().parents[1]
FETCHING_FIXTURES = {"real_data", "real_weights"}

# two threads: enough to find races, few enough that test files can run beside each other
torch.set_num_threads(min(2, os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FETCHING_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.network)


@pytest.fixture(autouse=True)
def seeds() -> None:
    """The same random numbers in every test, whatever ran before it."""
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], object]:
    """``real_data("stamps")``: what ``interlingua.data.get`` gives."""

    @functools.cache
    def get(name: str) -> object:
        from interlingua import data

        return _fetch(data.get, name)

    return get


@pytest.fixture(scope="session")
def real_weights() -> Callable[[str], Path]:
    """``real_weights("minilm")``: the folder that ``interlingua.weights.get`` gives."""

    @functools.cache
    def get(name: str) -> Path:
        from interlingua import weights

        return _fetch(weights.get, name)

    return get


@pytest.fixture(scope="session")
def switch_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``tests/faults/disk_switch.py``, built."""
    from tests.faults import disk_switch

    library = disk_switch.build(tmp_path_factory.mktemp("switch"))
    if library is None:
        pytest.skip("there is no C compiler, or this is not Linux")
    return library


Fetched = TypeVar("Fetched")
_UNAVAILABLE: dict[str, str] = {}  # asked once: a dead network is slow to notice


def _fetch(get: Callable[[str], Fetched], name: str) -> Fetched:
    if name not in _UNAVAILABLE:
        try:
            return get(name)
        except FetchError as error:
            if os.environ.get("INTERLINGUA_REQUIRE_DATA") == "1":
                raise
            _UNAVAILABLE[name] = str(error)
    pytest.skip(f"{name} can't be had here: {_UNAVAILABLE[name]}")


@pytest.fixture(scope="session")
def tiny_recipe() -> ModuleType:
    """The module tests/tiny_recipe.py, under the name that its recipes find it by."""
    path = Path(__file__).with_name("tiny_recipe.py")
    spec = importlib.util.spec_from_file_location("tiny_recipe", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_recipe"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_world(tiny_recipe: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The files of ``tiny_recipe.World``; ``world`` is what tests ask for."""
    return tiny_recipe.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(shared_world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A ``tiny_recipe.World``, with a cache of its own in place of the user's, on one thread."""
    monkeypatch.setenv("INTERLINGUA_CACHE", str(shared_world.cache))
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors this small only wait for a second one
    yield shared_world
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished_run(shared_world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run: trained, measured, with its report and an index of all things.

    Tests only read it.
    """
    from interlingua.cli.demo import finish
    from interlingua.index.build import build_index
    from interlingua.space import load
    from interlingua.train.session import train_recipe

    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLINGUA_CACHE", str(shared_world.cache))
        recipe = shared_world.recipe()
        session = train_recipe(recipe, folder)
        finish(session)
        source = recipe.data.sources[0].source.build()
        build_index(folder / "index", load(folder, device="cpu", precision="fp32"), source)
    return folder
