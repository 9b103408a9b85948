"""A search of an index of 10,000 items, beside the exact answer by one NumPy matrix product.

Vectors and words are random: an exact search takes the same time for any values. A round asks all
queries one after another; the ten best keys of each are compared with the product's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Case, Check, Prepared, Side
from interlingua.index import Index, Record

KINDS = ("image", "text", "text", "sound")
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "pictures only": {"kinds": ["image"]},
    "kinds and a group": {"kinds": ["image", "text"], "groups": ["group 3"]},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=50)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One case for each filter."""
    size = 200 if options.quick else options.records
    queries_wanted = 5 if options.quick else options.queries
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(size, options.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = generator.normal(size=(queries_wanted, options.dimension)).astype(np.float32)
    records = [
        Record(f"thing {n}", KINDS[n % 4], vector, f"name {n}", group=f"group {n % 7}/part {n % 3}")
        for n, vector in enumerate(vectors)
    ]
    for name, only in FILTERS.items():
        yield Case(
            f"{size:,} x {options.dimension}, {name}",
            [
                Side("interlingua", lambda only=only: searched(records, queries, only)),
                Side("NumPy, vectors only",
                     lambda only=only: multiplied(records, vectors, queries, only)),
            ],
            amount=len(queries),
            unit="queries",
            compare=compare,
            note="NumPy holds no words, files or locks: a floor, not a rival",
        )  # fmt: skip


def searched(records: list[Record], queries: Any, only: dict[str, Any]) -> Prepared:
    """``Index.search``."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    index = Index.create(Path(folder.name) / "index", "benchmark", queries.shape[1])
    index.add(records)

    def run(_: int) -> list[list[str]]:
        assert folder.name  # keeps the folder for as long as the side lives
        return [[hit.key for hit in index.search(query, 10, **only)] for query in queries]

    return Prepared(run)


def multiplied(records: list[Record], vectors: Any, queries: Any, only: dict[str, Any]) -> Prepared:
    """The definition of the answer."""
    keep = np.array([accepted(record, only) for record in records])

    def run(_: int) -> list[list[str]]:
        found = []
        for query in queries:
            scores = np.where(keep, vectors @ query, -np.inf)
            found.append([records[place].key for place in np.argsort(-scores)[:10]])
        return found

    return Prepared(run)


def compare(ours: list[list[str]], exact: list[list[str]]) -> list[Check]:
    """Recall of the ten best."""
    right = sum(len(set(own) & set(true)) for own, true in zip(ours, exact, strict=True))
    return [Check("recall@10", right / (10 * len(exact)), 1.0, at_least=True)]


def accepted(record: Record, only: dict[str, Any]) -> bool:
    """The filter's definition."""
    inside = any(record.group.startswith(f"{group}/") for group in only.get("groups", [""]))
    return record.kind in only.get("kinds", KINDS) and (inside or "groups" not in only)
