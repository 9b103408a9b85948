"""A text query, from words to the ten nearest of 10,000 items, with a trained run's model warm.

Words go through the run's text tower and head, the vector through an exact search. The stored
vectors are random: an exact search takes the same time for any values. Needs a run (``make demo``).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Case, Prepared, Side
from interlingua import data
from interlingua.index import Index, Record
from interlingua.sample import Text
from interlingua.space import load

KINDS: dict[str, dict[str, Any]] = {"no filter": {}, "pictures only": {"kinds": ["image"]}}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=50)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One case for each filter; a round asks all queries one after another."""
    size = 200 if options.quick else options.records
    number = 5 if options.quick else options.queries
    samples = data.open_source("clipart")
    found = [
        part.text
        for sample in samples
        for part in sample.alternatives("text")
        if isinstance(part, Text)
    ]
    texts = list(dict.fromkeys(found))[:number]
    for name, only in KINDS.items():
        yield Case(
            f"{size:,} items, {name}",
            [Side("interlingua", lambda only=only: asked(options.run, size, texts, only))],
            amount=len(texts),
            unit="queries",
        )


def asked(run: Path, size: int, texts: list[str], only: dict[str, Any]) -> Prepared:
    """A query vector and its search."""
    space = load(run)
    vectors = np.random.default_rng(0).normal(size=(size, space.dimension)).astype(np.float32)
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    index = Index.create(Path(folder.name) / "index", space.id, space.dimension)
    index.add(
        Record(f"item {n}", ("image", "text")[n % 2], vector, f"item {n}")
        for n, vector in enumerate(vectors)
    )

    def ask(_: int) -> list[Any]:
        assert folder.name  # keeps the folder for as long as the side lives
        return [index.search(space.query(text=text), 10, **only) for text in texts]

    return Prepared(ask)
