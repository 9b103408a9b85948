"""Search of 10,000, 100,000 and 1,000,000 vectors of 384: exact, approximate and filtered.

Ours answers with whole records (key, words, path, fields), looked up in an index on the disk as
``Index.search`` gives them. The peers answer with row numbers and scores, from vectors in memory:
faiss-cpu flat and usearch exact; one product of matrices in NumPy where rows are filtered.

The vectors are made (``made_vectors.py``); questions are stored vectors with noise. Each exact
answer must be the peer's (recall 1.0; rows that are as near as each other count as equal).
Approximate search, of lists, is timed beside our exact one and must reach recall@10 of 0.95 on
these questions, not only on the sample that its own figure comes from.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Case, Check, Prepared, Side
from benchmarks.made_vectors import LISTS_FROM, group_of, kind_of, made, questions, stored
from interlingua.index import Filter, Index

SIZES = (10_000, 100_000, 1_000_000)
ALONE = {10_000: 200, 100_000: 60}  # questions of a round, one at a time
ALONE_LARGE = 25
K = 10
EQUAL = 2e-6  # cosines this close are as good as each other
PEERS = ("faiss", "usearch")
FILTERED_UP_TO = 100_000  # vectors
FILTERS = {
    "pictures only": Filter(kinds=["image"]),
    "kind and group": Filter(kinds=["image"], groups=["group 3"]),
}
Ask = Callable[[Any], Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--batch", type=int, default=100, help="questions asked at once")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """For each size: one question at a time and many at once; lists, and filters."""
    for size in [2_000] if options.quick else options.sizes:
        alone = 10 if options.quick else ALONE.get(size, ALONE_LARGE)
        batch = 20 if options.quick else options.batch
        for way, count, together in (
            ("one at a time", alone, False),
            (f"{batch} at once", batch, True),
        ):
            among = Among(size, options.dimension, count, together)
            yield exact(among, way)
            if size >= LISTS_FROM:
                yield approximate(among, way)
        if size <= FILTERED_UP_TO:
            for name, wanted in FILTERS.items():
                yield filtered(Among(size, options.dimension, alone, False), name, wanted)


class Among:
    """What is asked.

    Args:
        size, width: of the stored vectors.
        count: questions of a round.
        together: all at once, or one after another.
    """

    def __init__(self, size: int, width: int, count: int, together: bool):
        self.size, self.width, self.count, self.together = size, width, count, together

    def __str__(self) -> str:
        return f"{self.size:,} x {self.width}"

    @property
    def vectors(self) -> Any:
        """[size, width] in a file."""
        return made(self.size, self.width)

    @property
    def questions(self) -> Any:
        """[count, width]."""
        return questions(self.size, self.width, self.count)

    def prepared(self, one: Ask, many: Ask | None = None) -> Prepared:
        """A side that gives the rows [K] of one question, or of each of ``many``."""
        asked, spent = self.questions, list[list[float]]()

        def run(_: int) -> Any:
            if self.together and many is not None:
                return many(asked)
            found, seconds = [], []
            for question in asked:
                began = time.perf_counter()
                found.append(one(question))
                seconds.append(time.perf_counter() - began)
            spent.append(seconds)
            return found

        # the first round gave the answers that were compared
        return Prepared(
            run, figures=lambda: percentiles([each for seconds in spent[1:] for each in seconds])
        )


def exact(among: Among, way: str) -> Case:
    """Beside both peers."""
    return Case(
        f"{among}, {way}",
        [
            Side("interlingua", lambda: ours(among)),
            Side(f"faiss-cpu {_version('faiss-cpu')} flat", lambda: faiss_flat(among), goal=1),
            Side(f"usearch {_version('usearch')} exact", lambda: usearch_exact(among), goal=1),
        ],
        amount=among.count,
        unit="questions",
        compare=functools.partial(same_rows, among),
        needs=PEERS,
    )


def approximate(among: Among, way: str) -> Case:
    """Lists beside our exact search."""
    return Case(
        f"{among}, {way}, approximate",
        [
            Side("interlingua, lists", lambda: ours(among, exact=False)),
            Side("interlingua, exact", lambda: ours(among)),
        ],
        amount=among.count,
        unit="questions",
        compare=functools.partial(same_rows, among, least=0.95),
    )


def filtered(among: Among, name: str, wanted: Filter) -> Case:
    """Beside the definition of the answer."""
    return Case(
        f"{among}, one at a time, {name}",
        [
            Side("interlingua", lambda: ours(among, wanted=wanted)),
            Side("NumPy, vectors only", lambda: multiplied(among, wanted)),
        ],
        amount=among.count,
        unit="questions",
        compare=functools.partial(same_rows, among),
        note="NumPy holds no words, files or locks, and its filter is ready: a floor, not a rival",
    )


def ours(among: Among, *, exact: bool = True, wanted: Filter | None = None) -> Prepared:
    """``Index.search_many``; with one question it is ``Index.search``."""
    index = Index(stored(among.size, among.width))

    def many(asked: Any) -> list[list[int]]:
        found = index.search_many(asked, K, wanted, exact=exact)
        return [[int(hit.key) for hit in hits] for hits in found]

    prepared = among.prepared(lambda question: many([question])[0], many)
    lists = None if index.info.matrix is None else index.info.matrix.approximate
    if exact or lists is None:
        return prepared
    more = {
        "lists": lists.lists,
        "looked into": lists.looked_into,
        "recall@10 of stored vectors": lists.recall,
        "its lower end": lists.low,
    }
    timed = prepared.figures
    prepared.figures = lambda: more if timed is None else timed() | more
    return prepared


def faiss_flat(among: Among) -> Prepared:
    """``IndexFlatIP``."""
    import faiss
    import torch

    faiss.omp_set_num_threads(torch.get_num_threads())
    flat = faiss.IndexFlatIP(among.width)
    for start in range(0, among.size, 50_000):
        flat.add(np.ascontiguousarray(among.vectors[start : start + 50_000]))

    def many(asked: Any) -> list[list[int]]:
        found: list[list[int]] = flat.search(asked, K)[1].tolist()
        return found

    return among.prepared(lambda question: many(question[None])[0], many)


def usearch_exact(among: Among) -> Prepared:
    """``usearch.index.search`` with ``exact=True``."""
    import torch
    from usearch.index import MetricKind, search

    vectors = np.array(among.vectors)
    threads = torch.get_num_threads()

    def many(asked: Any) -> list[list[int]]:
        found = search(vectors, asked, K, MetricKind.IP, exact=True, threads=threads)
        rows: list[list[int]] = np.asarray(found.keys).reshape(-1, K).tolist()
        return rows

    return among.prepared(lambda question: many(question[None])[0], many)


def multiplied(among: Among, wanted: Filter) -> Prepared:
    """The definition of the answer."""
    vectors = np.array(among.vectors)
    keep = np.array([accepted(row, wanted) for row in range(among.size)])

    def one(question: Any) -> list[int]:
        scores = np.where(keep, vectors @ question, -np.inf)
        rows: list[int] = np.argsort(-scores)[:K].tolist()
        return rows

    return among.prepared(one)


def accepted(row: int, wanted: Filter) -> bool:
    """The filter's definition."""
    inside = any(group_of(row).startswith(f"{group}/") for group in wanted.groups or [""])
    kinds = wanted.kinds is None or kind_of(row) in wanted.kinds
    return kinds and (inside or wanted.groups is None)


def same_rows(among: Among, own: Any, peer: Any, least: float = 1.0) -> list[Check]:
    """Recall of our rows against the peer's."""
    right = []
    for question, mine, theirs in zip(among.questions, own, peer, strict=True):
        cosines = among.vectors[mine].astype(np.float64) @ question
        kth = (among.vectors[theirs].astype(np.float64) @ question).min()
        right.append(np.count_nonzero(cosines >= kth - EQUAL) / K)
    return [Check("recall@10", float(np.mean(right)), least, at_least=True)]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of single questions in milliseconds; nothing of none."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    at_95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    return {"p50 ms": statistics.median(ordered) * 1e3, "p95 ms": at_95 * 1e3}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"  # only listed: the case starts itself again where it is
