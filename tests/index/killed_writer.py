"""A writer that tests kill: a fixed list of batches, each acknowledged to the test.

Run as a program it is a server of ``disk_switch``. ``states()`` says what must be stored after each
batch.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.index import writing
from interlingua.index.record import Record
from interlingua.index.table import Index
from tests.faults import disk_switch

SPACE, DIMENSION = "a" * 64, 8
State = dict[str, tuple[str, float]]  # record id -> its text and the first number of its vector

writing.ADD_AT_A_TIME = 16  # several batches in one add
writing.MATRIX_FROM = 40  # a matrix in files
writing.LISTS_FROM = 1 << 40  # and no torch


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
            for start in range(0, len(what), 16):
                kept |= {one.id: one for one in what[start : start + 16]}
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


def write(folder: Path, acknowledge: Any) -> None:
    """Do all batches."""
    for verb, what in BATCHES:
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


if __name__ == "__main__":
    import lancedb  # noqa: F401  what every child needs is loaded once, before the forks
    import pyarrow.compute
    import pyarrow.ipc  # noqa: F401

    warnings.simplefilter("ignore")  # LanceDB's, of forks
    disk_switch.serve(lambda request, acknowledge: write(Path(request["folder"]), acknowledge))
