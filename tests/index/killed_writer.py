"""A writer that tests kill, or leave without room: a fixed list of batches, each acknowledged.

Run as a program it is a server of ``disk_switch``. ``states()`` says what must be stored after each
batch, ``check`` looks at what a disturbed writer has left.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.errors import SearchIndexError
from interlingua.index import Index, writing
from interlingua.index.info import FILE_NAME
from interlingua.index.record import Record
from tests.faults import disk_switch

SPACE, DIMENSION = "a" * 64, 8
State = dict[str, tuple[str, float]]  # record id -> its text and the first number of its vector

BLOCK = 16  # records: several batches in one add
SIZES = {"ADD_AT_A_TIME": BLOCK, "MATRIX_FROM": 40, "LISTS_FROM": 1 << 40}  # and no torch


@contextmanager
def small_sizes() -> Iterator[None]:
    """A matrix in files, and several batches in one add, for a few dozens of records."""
    before = {name: getattr(writing, name) for name in SIZES}
    for name, size in SIZES.items():
        setattr(writing, name, size)
    try:
        yield
    finally:
        for name, size in before.items():
            setattr(writing, name, size)


def record(number: int, version: int = 0, part: int = 0) -> Record:
    vector = np.random.default_rng([number, version, part]).normal(size=DIMENSION)
    vector /= np.linalg.norm(vector)
    kind = ("image", "text")[part % 2]
    text = f"thing {number}, {part}, version {version}"
    return Record(
        f"k{number}", kind, vector, text=text if kind == "text" else f"v{version}",
        path="" if kind == "text" else f"/m/{number}.{part}", source="kill",
        group=f"g{number % 3}",
    )  # fmt: skip


def many(first: int, last: int, version: int = 0) -> list[Record]:
    return [record(n, version, part) for n in range(first, last) for part in (0, 1)]


BATCHES: tuple[tuple[str, Any], ...] = (
    ("rebuild", many(0, 10)),
    ("add", many(10, 20)),
    ("update", [*many(3, 5, version=1), record(5, 1, 1)]),
    ("remove", ["k1", "k11"]),
    ("where", "group == g2 and kind == text"),
    ("add", many(20, 32)),  # of several blocks; a matrix is written
    ("compact", None),
    ("add", many(0, 2, version=2)),
    ("update", many(20, 24, version=3)),
    ("compact", None),
    ("rebuild", many(40, 48)),
    ("add", [record(41, 0, 0)]),
    ("remove", ["k40"]),
)


def told(records: list[Record]) -> State:
    return {one.id: (one.text, round(float(np.asarray(one.vector)[0]), 5)) for one in records}


def states() -> list[list[State]]:
    """For each batch, what may be found once it has begun: before it, within it, after it."""
    found, kept = [], {}
    for verb, what in BATCHES:
        steps = [dict(kept)]
        if verb == "rebuild":
            kept = {one.id: one for one in what}
        elif verb == "add":
            for start in range(0, len(what), BLOCK):
                kept |= {one.id: one for one in what[start : start + BLOCK]}
                steps.append(dict(kept))
        elif verb == "update":
            keys = {one.key for one in what}
            kept = {name: one for name, one in kept.items() if one.key not in keys}
            kept |= {one.id: one for one in what}
        elif verb == "remove":
            kept = {name: one for name, one in kept.items() if one.key not in what}
        elif verb == "where":
            kept = {n: o for n, o in kept.items() if not (o.group == "g2" and o.kind == "text")}
        found.append([told(list(step.values())) for step in (*steps, dict(kept))])
    return found


def write(folder: Path, acknowledge: Any, batches: slice) -> None:
    """Do these batches of all."""
    for verb, what in BATCHES[batches]:
        if verb == "rebuild":
            with Index.rebuild(folder, SPACE, DIMENSION) as fresh:
                fresh.add(what)
        elif verb == "add":
            Index(folder, SPACE).add(what)
        elif verb == "update":
            Index(folder, SPACE).update(what)
        elif verb == "remove":
            Index(folder, SPACE).remove(what)
        elif verb == "where":
            Index(folder, SPACE).remove(where=what)
        else:
            Index(folder, SPACE).compact()
        acknowledge()


def check(folder: Path, acknowledged: int) -> None:
    """What a disturbed writer left is a prefix, can be searched, and can be written again.

    Args:
        folder: of the index.
        acknowledged: how many of all batches are.
    """
    steps = states()
    allowed = steps[acknowledged] if acknowledged < len(steps) else [steps[-1][-1]]
    if not (folder / FILE_NAME).exists():  # disturbed before the first batch
        assert acknowledged == 0
        try:
            Index(folder)
        except SearchIndexError:
            pass
        else:
            raise AssertionError("an index that isn't there was opened")
        Index.create(folder, SPACE, DIMENSION)
        allowed = [{}]
    index = Index(folder, SPACE)
    records = index.records()
    found = told(records)
    assert found in allowed
    assert len(index) == len(found) == len(records)
    if records:
        vectors = np.stack([one.vector for one in records])
        asked = vectors[0] + 0.1
        best = records[int((vectors @ asked).argmax())]
        assert index.search(asked, 1)[0].text == best.text
    report = index.verify()
    assert report.passed, report.problems
    added = record(99)
    with small_sizes():
        index.add([added])
        assert told(Index(folder).records()) == found | told([added])
        index.compact()
    leftovers = [path.name for path in folder.iterdir() if ".tmp-" in path.name]
    assert not leftovers
    assert len(list(folder.glob("records-*"))) == 1
    assert told(Index(folder).records()) == found | told([added])


def work(request: dict[str, Any], acknowledge: Any) -> None:
    """Do the batches that are asked for: ``[first, last + 1]``, all by default."""
    write(Path(request["folder"]), acknowledge, slice(*request.get("batches", (0, None))))


if __name__ == "__main__":
    import lancedb  # noqa: F401  what every child needs is loaded once, before the forks
    import pyarrow.compute
    import pyarrow.ipc  # noqa: F401

    warnings.simplefilter("ignore")  # LanceDB's, of forks
    with small_sizes():
        disk_switch.serve(work)
