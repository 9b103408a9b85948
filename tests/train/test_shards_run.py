"""A run from shards is the run from the files that they were written of, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from interlingua.data.shards.write import write_shards
from interlingua.train.session import train_recipe


def test_a_run_from_shards_learns_the_same(world: Any, tmp_path: Path) -> None:
    recipe = world.recipe()
    source = recipe.data.sources[0].source.build()
    written = write_shards(source, tmp_path / "shards", samples_per_shard=5)
    assert (written.samples, written.left_out) == (len(source), ())
    shards = {"name": "shards", "paths": [str(tmp_path / "shards")]}
    split = recipe.data.split.model_dump()
    other = world.recipe(data={"sources": [{"source": shards}], "split": split})
    from_files = train_recipe(recipe, tmp_path / "files")
    from_shards = train_recipe(other, tmp_path / "run")
    assert from_shards.corpus.identity == from_files.corpus.identity
    assert len(from_shards.corpus.held_out) == 6
    expected = from_files.model.state_dict()
    for name, tensor in from_shards.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
