"""A text query, from words to the ten nearest of 10,000 items, with the model warm.

Words go through the run's text tower and head, the vector through an exact search. The
stored vectors are random: an exact search takes the same time for any values.
Command: ``python benchmarks/text_query.py --run runs/demo``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from interlingua import data
from interlingua.index import Index, Record
from interlingua.space import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    space = load(options.run)
    texts = [part.text for sample in data.open_source("clipart")
             for part in sample.alternatives("text")][: options.queries + 20]  # fmt: skip
    vectors = np.random.default_rng(0).normal(size=(options.records, space.dimension))
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder) / "index", space.id, space.dimension)
        index.add(
            Record(f"item {n}", ("image", "text")[n % 2], vector.astype(np.float32), f"item {n}")
            for n, vector in enumerate(vectors)
        )
        only: dict[str, Any]
        for only in ({}, {"kinds": ["image"]}):
            took = []
            for text in texts:
                began = time.perf_counter()
                index.search(space.query(text=text), 10, **only)
                took.append(1000 * (time.perf_counter() - began))
            p50, p95 = np.percentile(took[20:], [50, 95])  # the first ones warm it up
            print(f"{only or 'no filter'}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, "
                  f"{options.records:,} x {space.dimension}")  # fmt: skip


if __name__ == "__main__":
    main()
