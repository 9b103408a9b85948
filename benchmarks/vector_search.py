"""Exact search of 10,000, 100,000 and 1,000,000 vectors of 384, beside faiss-cpu flat and usearch.

Ours answers with whole records (key, words, path, fields), looked up in an index on the disk as
``Index.search`` gives them; the peers answer with row numbers and scores, from vectors in memory.
Vectors are made: neighbourhoods and a falling spectrum, as embeddings of texts have them; questions
are stored vectors with noise. Each exact answer must be the peer's (recall 1.0; rows that are as
near as each other count as equal). Approximate search, of lists, is timed beside our exact one and
must reach recall@10 of 0.95 on these questions, not only on the sample that its own figure comes
from. The indexes are made once, into the cache folder (some minutes for the million).
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness, machine, memory, results
from benchmarks.harness import Case, Check, Findings, Prepared, Side
from interlingua.catalogue import cache
from interlingua.index import Index, Record

FORMAT = 2  # of the made indexes; another one makes them anew
SIZES = (10_000, 100_000, 1_000_000)
ALONE = {10_000: 200, 100_000: 60, 1_000_000: 25}  # questions of a round, one at a time
K = 10
EQUAL = 2e-6  # cosines this close are as good as each other
Vectors = Any

LATENCIES: dict[tuple[str, str], list[list[float]]] = {}  # by case and side, then by round


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--batch", type=int, default=100, help="questions asked at once")


def measure(options: argparse.Namespace) -> Findings:
    """All cases, with the median and the 95th percentile of single questions."""
    settings = harness.Settings(options.rounds)
    limits = None if options.no_limits else machine.measured_limits("cpu", quick=options.quick)
    lines = [] if limits is None else machine.limit_lines(limits)
    figures: dict[str, Any] = {"limits": limits, "cases": [], "indexes": {}}
    passed = True
    for case in harness.select(cases(options), options.case):
        result = harness.run_case(case, settings)
        if result.passed and not options.no_memory:
            for side in result.sides:
                side.memory = memory.peak_in_child(_arguments(options), case.name, side.name)
        print("\n".join(results.case_lines(result)), flush=True)
        latency: dict[str, dict[str, float]] = {}
        for side in result.sides:
            spent = LATENCIES.get((case.name, side.name))
            if spent and result.passed:
                rounds = [each for one in spent[-options.rounds :] for each in one]
                one = latency[side.name] = percentiles(rounds)
                print(f"  {side.name:24} {latency_line(one)}", flush=True)
        figures["cases"].append(result.plain() | {"latency": latency})
        passed = passed and result.passed
    for size in sizes(options):
        info = Index(stored(size, options.dimension)).info
        lists = None if info.matrix is None else info.matrix.approximate
        figures["indexes"][str(size)] = None if lists is None else lists.model_dump()
        if lists is not None:
            lines.append(
                f"{size:,}: {lists.looked_into} of {lists.lists} lists, "
                f"recall@10 {lists.recall:.3f} [{lists.low:.3f}, {lists.high:.3f}] "
                f"on {lists.sample} stored vectors"
            )
    return Findings(figures, lines, passed)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Two cases for each size, one at a time and many at once; approximate ones from 100,000 on."""
    width = options.dimension
    for size in sizes(options):
        alone = 10 if options.quick else ALONE.get(size, 25)
        batch = 20 if options.quick else options.batch
        for name, count, together in (
            ("one at a time", alone, False),
            (f"{batch} at once", batch, True),
        ):
            case = f"{size:,} x {width}, {name}"
            sides = [
                Side("interlingua", functools.partial(ours, case, size, width, count, together)),
                Side(f"faiss-cpu {version('faiss-cpu')} flat",
                     functools.partial(faiss_flat, case, size, width, count, together), goal=1),
                Side(f"usearch {version('usearch')} exact",
                     functools.partial(usearch_exact, case, size, width, count, together), goal=1),
            ]  # fmt: skip
            compare = functools.partial(same_rows, size, width, count)
            yield Case(case, sides, amount=count, unit="questions", compare=compare)
            if size >= 100_000:
                case = f"{size:,} x {width}, {name}, approximate"
                sides = [
                    Side("interlingua, lists",
                         functools.partial(ours, case, size, width, count, together, False)),
                    Side("interlingua, exact",
                         functools.partial(ours, case, size, width, count, together)),
                ]  # fmt: skip
                compare = functools.partial(same_rows, size, width, count, least=0.95)
                yield Case(case, sides, amount=count, unit="questions", compare=compare)


def sizes(options: argparse.Namespace) -> list[int]:
    """Of the indexes."""
    return [2_000] if options.quick else list(options.sizes)


def ours(
    case: str, size: int, width: int, count: int, together: bool, exact: bool = True
) -> Prepared:
    """``Index.search`` and ``Index.search_many``."""
    index = Index(stored(size, width))
    asked = questions(size, width, count)

    def search() -> Sequence[Any]:
        if together:
            return index.search_many(asked, K, exact=exact)
        return timed(case, side, asked, lambda one: index.search(one, K, exact=exact))

    side = "interlingua" if exact else "interlingua, lists"
    if "approximate" in case and exact:
        side = "interlingua, exact"
    return Prepared(lambda _: [[int(hit.key) for hit in hits] for hits in search()])


def faiss_flat(case: str, size: int, width: int, count: int, together: bool) -> Prepared:
    """``IndexFlatIP``."""
    import faiss
    import torch

    faiss.omp_set_num_threads(torch.get_num_threads())
    flat = faiss.IndexFlatIP(width)
    vectors = made(size, width)
    for start in range(0, size, 50_000):
        flat.add(np.ascontiguousarray(vectors[start : start + 50_000]))
    del vectors
    asked = questions(size, width, count)
    side = f"faiss-cpu {version('faiss-cpu')} flat"

    def run(_: int) -> Any:
        if together:
            return flat.search(asked, K)[1].tolist()
        found = timed(case, side, asked, lambda one: flat.search(one[None], K)[1][0])
        return [rows.tolist() for rows in found]

    return Prepared(run)


def usearch_exact(case: str, size: int, width: int, count: int, together: bool) -> Prepared:
    """``usearch.index.search`` with ``exact=True``."""
    import torch
    from usearch.index import MetricKind, search

    vectors = np.array(made(size, width))
    asked = questions(size, width, count)
    threads = torch.get_num_threads()
    side = f"usearch {version('usearch')} exact"

    def find(some: Any) -> Any:
        return search(vectors, some, K, MetricKind.IP, exact=True, threads=threads).keys

    def run(_: int) -> Any:
        if together:
            return np.asarray(find(asked)).reshape(-1, K).tolist()
        found = timed(case, side, asked, lambda one: find(one[None]))
        return [np.asarray(rows).reshape(-1).tolist() for rows in found]

    return Prepared(run)


def timed(case: str, side: str, asked: Vectors, ask: Callable[[Any], Any]) -> list[Any]:
    """Each question's answer; the seconds of each are kept."""
    spent, found = [], []
    for one in asked:
        began = time.perf_counter()
        found.append(ask(one))
        spent.append(time.perf_counter() - began)
    LATENCIES.setdefault((case, side), []).append(spent)
    return found


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile, how many."""
    ordered = sorted(seconds)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)],
        "questions": len(ordered),
    }


def latency_line(one: dict[str, float]) -> str:
    """For the terminal."""
    return f"p50 {one['p50'] * 1e3:.3f} ms, p95 {one['p95'] * 1e3:.3f} ms"


def same_rows(
    size: int, width: int, count: int, own: Any, peer: Any, least: float = 1.0
) -> list[Check]:
    """Recall of our rows against the peer's, and the peer's against ours."""
    vectors, asked = made(size, width), questions(size, width, count)
    right = []
    for query, mine, theirs in zip(asked, own, peer, strict=True):
        cosines = vectors[mine].astype(np.float64) @ query
        kth = (vectors[theirs].astype(np.float64) @ query).min()
        right.append(np.count_nonzero(cosines >= kth - EQUAL) / K)
    return [Check("recall@10", float(np.mean(right)), least, at_least=True)]


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


@functools.lru_cache(maxsize=2)
def questions(size: int, width: int, count: int) -> Vectors:
    """[count, width] stored vectors with noise, none of length above 1."""
    generator = np.random.default_rng(1)
    rows = np.sort(generator.choice(size, count, replace=False))
    noise = generator.standard_normal((count, width), dtype=np.float32) / np.float32(width**0.5)
    return _unit(np.array(made(size, width)[rows]) + 0.3 * noise)


def made(size: int, width: int) -> Vectors:
    """[size, width] float32 in a file."""
    return np.load(_folder(size, width) / "vectors.npy", mmap_mode="r")


def stored(size: int, width: int) -> Path:
    """The folder of an index of them."""
    return _folder(size, width) / "index"


def _folder(size: int, width: int) -> Path:
    final = cache.cache_root() / "benchmarks" / f"vectors-{FORMAT}-{size}x{width}"
    with cache.locked(f"benchmarks-vectors-{FORMAT}-{size}x{width}", cache.to_stderr):
        if not final.exists():
            cache.to_stderr(f"making an index of {size:,} vectors for the benchmarks in {final}")
            cache.install_folder(final, lambda folder: _make(folder, size, width))
    return final


def _make(folder: Path, size: int, width: int) -> None:
    generator = np.random.default_rng(0)
    falling = (1 / np.sqrt(4 + np.arange(width))).astype(np.float32)
    centres = generator.standard_normal((max(size // 500, 10), width), dtype=np.float32)
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(size, width)
    )
    for start in range(0, size, 20_000):
        rows = min(20_000, size - start)
        own = generator.standard_normal((rows, width), dtype=np.float32)
        near = centres[generator.integers(len(centres), size=rows)]
        vectors[start : start + rows] = _unit((0.8 * near + own) * falling)
    vectors.flush()
    with Index.rebuild(folder / "index", "benchmark", width) as index:
        index.add(
            Record(
                str(n), ("image", "text")[n % 2], vectors[n], f"the name of thing {n}",
                path=f"/media/{n // 1000}/{n}.jpg", group=f"group {n % 7}/part {n % 3}",
                source="benchmark", licence="CC0-1.0",
            )
            for n in range(size)
        )  # fmt: skip
    made_ready = Index(folder / "index").info.matrix
    if size >= 100_000 and (made_ready is None or made_ready.approximate is None):
        Index(folder / "index").compact(lists=True)


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _arguments(options: argparse.Namespace) -> list[str]:
    """This run's options, for the processes that memory is measured in."""
    told = ["vector_search", "--dimension", str(options.dimension), "--batch", str(options.batch)]
    told += ["--sizes", *map(str, options.sizes), "--threads", str(options.threads or 0)]
    return [*told, *(["--quick"] if options.quick else [])]
