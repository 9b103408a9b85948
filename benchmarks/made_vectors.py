"""Made vectors, an index of them on the disk, and questions: what the search benchmark looks in.

Neighbourhoods and a falling spectrum, as embeddings of texts have them. Each is made once, into the
cache folder; a million of 384 numbers takes some minutes and 4 GB.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.catalogue import cache
from interlingua.index import Index, Record

FORMAT = 2  # of the made indexes; another one makes them anew
LISTS_FROM = 100_000  # vectors; these indexes are searched approximately too
KINDS = ("image", "text")
Vectors = Any


def kind_of(number: int) -> str:
    """Of a stored record."""
    return KINDS[number % 2]


def group_of(number: int) -> str:
    """Of a stored record."""
    return f"group {number % 7}/part {number % 3}"


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
    """The folder of an index of them; the key of a record is its row's number."""
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
                str(n), kind_of(n), vectors[n], f"the name of thing {n}",
                path=f"/media/{n // 1000}/{n}.jpg", group=group_of(n),
                source="benchmark", licence="CC0-1.0",
            )
            for n in range(size)
        )  # fmt: skip
    made_ready = Index(folder / "index").info.matrix
    if size >= LISTS_FROM and (made_ready is None or made_ready.approximate is None):
        Index(folder / "index").compact(lists=True)


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
