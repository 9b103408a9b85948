"""Records with random vectors, and their brute-force search."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from interlingua.index.record import Record

DIMENSION = 24
KINDS = ("image", "text", "sound", "speech")
GROUPS = ("animals/dogs", "animals/cats", "animalsX", "it's 100%_odd", "")


class Made:
    """A list of records and what an exact search over them must give."""

    def __init__(self, count: int, seed: int = 0):
        generator = np.random.default_rng(seed)
        self.vectors = generator.normal(size=(count, DIMENSION)).astype(np.float32)
        self.queries = generator.normal(size=(20, DIMENSION)).astype(np.float32)
        self.records = [
            Record(
                key=f"thing/{number // 4}",
                kind=KINDS[number % 4],
                vector=self.vectors[number],
                text=f"name {number}",
                path="" if number % 4 == 1 else f"/media/{number}.bin",
                group=GROUPS[number % 5],
                source=("stamps", "clipart")[number % 2],
                language=("", "fr", "es")[number % 3],
                licence="GPL-2.0",
                component=number // 4 if number % 7 else None,
            )
            for number in range(count)
        ]

    def nearest(self, query, k, keep=lambda record: True):
        """(text, score) of the k nearest records that ``keep`` accepts, by brute force."""
        unit = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        scores = unit.astype(np.float64) @ (query / np.linalg.norm(query))
        order = [i for i in np.argsort(-scores) if keep(self.records[i])][:k]
        return [(self.records[i].text, scores[i]) for i in order]


@pytest.fixture(scope="session")
def made():
    return Made(400)


@pytest.fixture(scope="session")
def tiny():
    """The module tiny_space."""
    path = Path(__file__).parents[1] / "tiny_space.py"
    spec = importlib.util.spec_from_file_location("tiny_space", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_space"] = module
    spec.loader.exec_module(module)
    return module
