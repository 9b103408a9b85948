"""Every version of what is stored has a golden file: who raises a version adds one.

The tests that read them stand beside the code: tests/train/test_formats.py,
tests/comparison/test_formats.py, tests/index/test_changes.py, tests/data/shards/test_index_file.py.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from interlingua.comparison import result
from interlingua.comparison.runs import record
from interlingua.data.shards import index_file
from interlingua.index import info
from interlingua.train import checkpoint, feature_chunks, recipe

TESTS = Path(__file__).parents[1]
# what is stored: its newest version, the golden file or folder of a version
STORED = {
    "checkpoint": (checkpoint.FORMAT_VERSION, "train/golden/checkpoint-{}"),
    "feature cache": (feature_chunks.FORMAT_VERSION, "train/golden/features-{}"),
    "recipe": (recipe.FORMAT_VERSION, "train/golden/recipe-{}.yaml"),
    "index": (info.FORMAT_VERSION, "index/golden/index-v{}"),
    "shard index": (index_file.VERSION, "data/shards/golden/shards-{}"),
    "comparison": (result.FORMAT_VERSION, "comparison/golden/comparison-{}"),
    "run of a comparison": (record.FORMAT_VERSION, "comparison/golden/comparison-{}/runs"),
}
# SHA-256 over names and bytes: a golden file is never written anew
DIGESTS = {
    "train/golden/checkpoint-1": "9305e9db771c7baa",
    "train/golden/checkpoint-2": "81df0a887d7529cc",
    "train/golden/features-1": "cc939fb181621b85",
    "train/golden/recipe-1.yaml": "0ecd5f8b4f9eea20",
    "index/golden/index-v1": "4c4dfe67276baffe",
    "index/golden/index-v2": "fc883e27207cf52e",
    "data/shards/golden/shards-1": "1b8347f7fa43b2a6",
    "comparison/golden/comparison-1": "09cacdc94945d650",
    "comparison/golden/comparison-1/runs": "a502683debad776d",
}


def digest(path: Path) -> str:
    found = hashlib.sha256()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in (one for one in files if one.is_file()):
        found.update(f"{file.relative_to(path)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@pytest.mark.parametrize("what", STORED)
def test_there_is_a_golden_file_of_every_version(what: str) -> None:
    newest, name = STORED[what]
    for version in range(1, newest + 1):
        path = TESTS / name.format(version)
        assert path.exists(), f"format version {version} of the {what} has no golden file"
        assert digest(path) == DIGESTS.get(name.format(version)), "it was released as it was"
