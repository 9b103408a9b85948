"""What every test shares: fixed seeds, few threads, and fetched data and weights on request.

A test that asks for ``real_data`` or ``real_weights`` is marked ``network``. The first call fetches
into the cache, later ones and later runs read it. Where a thing can't be had (no network, no apt)
the test is skipped with the reason, unless INTERLINGUA_REQUIRE_DATA=1 (make test-all), which fails.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

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
