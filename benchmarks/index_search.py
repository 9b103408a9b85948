"""How long a search of an index takes, beside the exact answer by one matrix product.

Vectors and words are random: an exact search takes the same time for any values. Run it with
``python benchmarks/index_search.py``; ``--records`` and ``--dimension`` change the size.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.index import Index, Record

KINDS = ("image", "text", "text", "sound")
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"kinds": ["image"]},
    {"kinds": ["image", "text"], "groups": ["group 3"]},
)


def main() -> None:
    """Print one line for each step and each filter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shape = (options.records, options.dimension)
    vectors = generator.normal(size=shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = generator.normal(size=(options.queries, options.dimension)).astype(np.float32)
    records = [
        Record(f"thing {n}", KINDS[n % 4], vector, f"name {n}", group=f"group {n % 7}/part {n % 3}")
        for n, vector in enumerate(vectors)
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        index = Index.create(Path(folder) / "index", "benchmark", options.dimension)
        index.add(records)
        print(f"{options.records:,} x {options.dimension} added: {seconds(start):.2f} s")
        start = time.perf_counter()
        Index.open(Path(folder) / "index", "benchmark").search(queries[0])
        print(f"opened, first search: {1000 * seconds(start):.1f} ms")
        for only in FILTERS:
            measure(index, vectors, records, queries, only)


def measure(
    index: Index, vectors: Any, records: list[Record], queries: Any, only: dict[str, Any]
) -> None:
    """Search every query once with a filter, and check the answers."""
    keep = np.array([accepted(record, only) for record in records])
    took, right = [], 0
    for query in queries:
        start = time.perf_counter()
        hits = index.search(query, 10, **only)
        took.append(1000 * seconds(start))
        scores = np.where(keep, vectors @ query, -np.inf)
        best = [records[place].key for place in np.argsort(-scores)[:10]]
        right += len(set(best) & {hit.key for hit in hits})
    p50, p95 = np.percentile(took, [50, 95])
    recall = right / (10 * len(queries))
    print(f"{only or 'no filter'}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, recall@10 {recall:.4f}")


def accepted(record: Record, only: dict[str, Any]) -> bool:
    """The filter's definition."""
    inside = any(record.group.startswith(f"{group}/") for group in only.get("groups", [""]))
    return record.kind in only.get("kinds", KINDS) and (inside or "groups" not in only)


def seconds(start: float) -> float:
    """Since ``start``."""
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
