"""What the tests of simulators share: a cache of their own, filled once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def simulator_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("simulators"))


@pytest.fixture(autouse=True)
def own_cache(simulator_cache: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INTERLINGUA_CACHE", simulator_cache)
    yield
