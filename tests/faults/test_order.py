"""The order of a writer's changes survives a power cut (Pillai et al. 2014, OSDI, section 4).

Whatever gets its name by a rename was fsynced before it; the folder that lists the name is fsynced
after it, and before anything old is removed from that folder or the writer says that it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import disk_switch
from tests.faults.disk_switch import Change, Served
from tests.faults.killed_work import KEEP

TEMPORARY = ".tmp-"


def problems_of(changes: Sequence[Change]) -> list[str]:
    """What a power cut could lose, in words."""
    found: list[str] = []
    unsafe: set[Path] = set()  # files whose bytes no fsync has made safe
    top = min((one.path for one in changes), key=lambda path: len(path.parts)).parent
    unlisted: dict[Path, set[Path]] = {}  # by folder: what it doesn't safely list yet

    def is_temporary(path: Path) -> bool:
        return any(TEMPORARY in part for part in path.parts)

    for change in changes:
        kind, path, folder = change.kind, change.path, change.path.parent
        if kind == "write":
            unsafe.add(path)
        elif kind in ("fsync", "fdatasync"):
            unsafe.discard(path)
            unlisted.pop(path, None)
        elif kind in ("create", "mkdir"):
            if kind == "mkdir" or is_temporary(path):
                unlisted.setdefault(folder, set()).add(path)
        elif kind == "rename":
            moved = {one for one in unsafe if change.old in (one, *one.parents)}
            found += [f"{one} is renamed before its fsync" for one in sorted(moved)]
            unsafe -= moved
            for one in [one for one in unlisted if change.old in (one, *one.parents)]:
                found.append(f"{one} is renamed before it is safely listed what it holds")
                del unlisted[one]
            unlisted.get(folder, set()).discard(change.old)
            if is_temporary(path):  # on its way to removal
                waiting = [one for one in unlisted.get(folder, ()) if not is_temporary(one)]
                found += [f"{path} goes before {one} is safely listed" for one in waiting]
            else:
                unlisted.setdefault(folder, set()).add(path)
        elif kind in ("unlink", "rmdir"):
            unsafe.discard(path)
            unlisted.get(folder, set()).discard(path)
            unlisted.pop(path, None)
    for folder, names in unlisted.items():
        if not is_temporary(folder) and folder != top:  # which is beyond what is recorded
            found += [
                f"{name} isn't safely listed at the end"
                for name in sorted(names)
                if not is_temporary(name)
            ]
    return found


def good() -> list[Change]:
    a, temporary, new = Path("/r/a.tmp-1/f"), Path("/r/a.tmp-1"), Path("/r/a")
    none = Path()
    root = Path("/r")
    return [
        Change("mkdir", root, none),
        Change("mkdir", temporary, none),
        Change("create", a, none),
        Change("write", a, none),
        Change("fsync", a, none),
        Change("fsync", temporary, none),
        Change("rename", new, temporary),
        Change("fsync", root, none),
        Change("rename", Path("/r/old.tmp-2"), Path("/r/old")),
        Change("unlink", Path("/r/old.tmp-2/f"), none),
    ]


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (4, ["/r/a.tmp-1/f is renamed before its fsync"]),
        (5, ["/r/a.tmp-1 is renamed before it is safely listed what it holds"]),
        (7, ["/r/old.tmp-2 goes before /r/a is safely listed",
             "/r/a isn't safely listed at the end"]),
    ],
)  # fmt: skip
def test_an_fsync_that_is_left_out_is_seen(left_out: int, said: list[str]) -> None:
    assert problems_of(good()) == []
    assert problems_of([one for n, one in enumerate(good()) if n != left_out]) == said


def recorded(served: Served, tmp_path: Path, **request: object) -> list[Change]:
    record = tmp_path / "changes"
    answer = served(tmp_path / "made", record=record, **request)
    assert answer["status"] == 0, answer["message"]
    return disk_switch.changes(record)


def test_of_saves(served: Served, tmp_path: Path) -> None:
    changes = recorded(served, tmp_path, work="save", steps=[1, 2, 3])
    renamed = [one.path.name for one in changes if one.kind == "rename"]
    assert len(renamed) == 3 + (3 - KEEP)
    assert problems_of(changes) == []


def test_of_a_cache_fill(served: Served, tiny_media: Path, tmp_path: Path) -> None:
    changes = recorded(served, tmp_path, work="fill", media=tiny_media)
    assert sum(one.kind == "rename" for one in changes) > 8, "plans, chunks, and what they are"
    assert problems_of(changes) == []


def test_of_a_training(unbroken: dict) -> None:  # type: ignore[type-arg]
    assert {one.kind for one in unbroken["changes"]} >= {
        "create", "write", "fsync", "rename", "mkdir", "unlink", "rmdir",
    }  # fmt: skip
    assert problems_of(unbroken["changes"]) == []
