"""A run that streams shards from a server is the run from the same shards on this disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlingua.data.shards.write import write_shards
from interlingua.errors import Interrupted
from interlingua.train.recipe import Recipe
from interlingua.train.session import resume_run, train_recipe
from tests.data.shards.folder_server import Server, serving
from tests.train.streamed_runs import (
    STEPS,
    STOP,
    StopAt,
    assert_same,
    log_keys,
    streaming,
    weights,
)

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

FAULTS = [500, None, "cut", None, 503, None, "close", None, 429, None]  # all of these pass


@pytest.fixture
def server(world: Any, tmp_path: Path) -> Iterator[Server]:
    """The 24 things, five to a shard, with their indexes."""
    source = world.recipe().data.sources[0].source.build()
    write_shards(source, tmp_path / "things", samples_per_shard=5)
    with serving(tmp_path / "things") as state:
        yield state


def far(world: Any, server: Server, fetchers: int, workers: int) -> Recipe:
    """The recipe of the run from the server, in the order that the run from the disk has."""
    source = {
        "name": "shards",
        "paths": [f"{server.url}/things-{{000000..000004}}.tar"],
        "retry": {"attempts": 12, "pause": 0.001},
        "workers": fetchers,
    }
    return streaming(world, source, window=2, workers=workers)


@pytest.mark.parametrize("fetchers", [0, 2], ids=["ranges", "whole shards"])
def test_far_shards_give_the_same_run(
    world: Any, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetchers: int
) -> None:
    """Undisturbed; with an answer in two that fails; and stopped, then resumed with such ones."""
    keys = log_keys(monkeypatch)
    train_recipe(streaming(world, server.folder, window=2, workers=1), tmp_path / "near")
    expected, near = list(keys), weights(tmp_path / "near")
    assert len(expected) == STEPS and server.asked == []

    keys.clear()
    session = train_recipe(far(world, server, fetchers, workers=1), tmp_path / "far")
    assert keys == expected and server.failed == []
    assert session.corpus.train.reads_anywhere is False
    assert_same(weights(tmp_path / "far"), near)

    keys.clear()
    server.faults = FAULTS * 200
    session = train_recipe(far(world, server, fetchers, workers=2), tmp_path / "faults")
    assert keys == expected and session.run.left_out() == []
    assert_same(weights(tmp_path / "faults"), near)
    in_shards = [path for path in server.failed if path.endswith(".tar")]
    assert len(in_shards) >= 10, "or the retries were not tried"

    keys.clear()
    run = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        train_recipe(far(world, server, fetchers, workers=0), run, display=StopAt(STOP))
    assert keys == expected[:STOP]
    server.failed.clear()
    session = resume_run(run, workers=2)
    assert keys == expected and session.run.left_out() == []
    assert any(path.endswith(".tar") for path in server.failed)
    assert_same(weights(run), near)
