"""The bulk job on a local Ray: the same vectors as without it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import interlingua as il
from interlingua import data
from interlingua.vectors.bulk import embed_source

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of tests/tiny_space.py."""
    path = Path(__file__).parents[1] / "tiny_space.py"
    spec = importlib.util.spec_from_file_location("tiny_space", path)
    tiny = importlib.util.module_from_spec(spec)
    sys.modules["tiny_space"] = tiny
    spec.loader.exec_module(tiny)
    from interlingua.train.recipe import Recipe, to_yaml
    from interlingua.train.run_folder import RunFolder

    config = tiny.TinySpace.Config(
        name="tiny_space:TinySpace", tokenizer=tiny.write_tokenizer(tmp_path)
    )
    recipe = Recipe(
        name="test",
        model=config,
        data={"sources": [{"source": {"name": "stamps"}}]},
        objectives={"match": {"objective": {"name": "pairwise_contrastive"}}},
        stages=[{"steps": 10}],
    )
    kept = RunFolder(tmp_path / "run")
    kept.write_text("recipe.yaml", to_yaml(recipe))
    kept.checkpoints.save(10, {"model": tiny.TinySpace(config).state_dict()}, {})
    return kept.path


def test_ray_writes_what_one_process_writes(run: Path, tmp_path: Path, monkeypatch) -> None:
    ray = pytest.importorskip("ray")
    from interlingua.vectors.ray_data import embed_source_with_ray

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(12):
        colour = (number * 20, 255 - number * 20, 90)
        Image.new("RGB", (24, 16), colour).save(pictures / f"{number:02}.png")
        (pictures / f"{number:02}.txt").write_text("a red dog\n")
    alone, shared = tmp_path / "alone", tmp_path / "ray"
    embed_source(il.load(run), data.open_source(str(pictures)), alone, block_size=5)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}},
    )
    try:
        report = embed_source_with_ray(str(run), str(pictures), shared, block_size=5, workers=2)
        again = embed_source_with_ray(str(run), str(pictures), shared, block_size=5)
    finally:
        ray.shutdown()
    assert report.written == 24
    assert (again.written, again.before) == (0, report.blocks)
    tables = [pyarrow.parquet.read_table(folder).to_pylist() for folder in (alone, shared)]
    keyed = [{(row["key"], row["kind"]): row["vector"] for row in table} for table in tables]
    assert keyed[0].keys() == keyed[1].keys()
    for key, vector in keyed[0].items():
        np.testing.assert_array_equal(vector, keyed[1][key])
