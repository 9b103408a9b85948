"""Which samples of a set of shards are used, and where the n-th of them is.

Left out are samples with nothing usable, and those whose key an earlier sample has, be it in
another Unicode form: ``é`` in one code point or in two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from interlingua.data.shards import names
from interlingua.data.shards.mapping import role_of
from interlingua.data.shards.shard_index import ShardIndex
from interlingua.data.source import Problems
from interlingua.errors import DataError

USED_BEFORE = "a key that was used before"
TWIN = "a key that differs from another in its Unicode form only"
NOTHING = "a sample without picture, sound or text"
NOT_READ = "a member with an ending that is not read"


class Choice:
    """The used samples of all shards, numbered through.

    Args:
        sizes: how many samples of each shard are used.
        numbers: for each shard the numbers of those; None = all.
    """

    def __init__(self, sizes: Sequence[int], numbers: Sequence[NDArray[np.uint32] | None]):
        self.sizes = list(sizes)
        self._numbers = numbers
        self._ends = np.cumsum(sizes, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def place(self, sample: int) -> tuple[int, int]:
        """(shard, number in the shard) of a sample."""
        shard = int(np.searchsorted(self._ends, sample, side="right"))
        number = sample - (int(self._ends[shard - 1]) if shard else 0)
        chosen = self._numbers[shard]
        return shard, number if chosen is None else int(chosen[number])


def choose_samples(
    indexes: Sequence[ShardIndex],
    members: Mapping[str, str],
    keys: Literal["unique", "per_shard"],
    problems: Problems,
) -> Choice:
    """Choose among the samples of all shards.

    Args:
        indexes: of the shards.
        members: see ``mapping.role_of``.
        keys: whether a key names one sample of all shards, or one of its own shard.
        problems: told of what is left out.

    Raises:
        DataError: every key of a shard was used before.
    """
    usable = [_usable(index, members, problems) for index in indexes]
    first = _first_of_key(indexes, usable, keys, problems)
    sizes, numbers = [], list[NDArray[np.uint32] | None]()
    for index, has_parts, is_first in zip(indexes, usable, first, strict=True):
        if has_parts.any() and not (has_parts & is_first).any():
            raise DataError(
                "Every key of this shard was used before.",
                where=index.shard,
                next_step="Set keys=per_shard if each shard numbers its samples anew; leave the "
                "shard out if it is a copy.",
            )
        chosen = np.flatnonzero(has_parts & is_first).astype(np.uint32)
        sizes.append(len(chosen))
        numbers.append(None if len(chosen) == len(index) else chosen)
    return Choice(sizes, numbers)


def _usable(index: ShardIndex, members: Mapping[str, str], problems: Problems) -> NDArray[np.bool_]:
    """[S] whether a sample has a member that is read; counts endings that aren't."""
    roles = [role_of(ending, members) for ending in index.endings]
    counts = np.bincount(index.ending, minlength=len(roles))
    for ending, role, count in zip(index.endings, roles, counts.tolist(), strict=True):
        if not role:
            problems.add(NOT_READ, f"{index.shard}: .{names.shown(ending)}", int(count))
    is_read = np.array([role != "" for role in roles], dtype=bool)
    total = np.concatenate([[0], np.cumsum(is_read[index.ending])]).astype(np.int64)
    usable: NDArray[np.bool_] = np.diff(total[index.first.astype(np.int64)]) > 0
    without = np.flatnonzero(~usable)
    for number in without[:100].tolist():
        problems.add(NOTHING, f"{index.shard}::{index.key(number)}")
    if len(without) > 100:
        problems.add(NOTHING, index.shard, len(without) - 100)
    return usable


def _first_of_key(
    indexes: Sequence[ShardIndex],
    usable: Sequence[NDArray[np.bool_]],
    keys: Literal["unique", "per_shard"],
    problems: Problems,
) -> list[NDArray[np.bool_]]:
    """For each shard [S]: whether no used sample before it has its key."""
    if not indexes:
        return []
    marks = []  # a number for each key, equal for equal ones; 8 bytes instead of the letters
    for number, index in enumerate(indexes):
        salt = number if keys == "per_shard" else 0
        marks.append(
            np.fromiter(
                (hash((salt, names.one_form(key))) for key in index.all_keys()),
                np.int64,
                len(index),
            )
        )
    everything, used = np.concatenate(marks), np.concatenate(usable)
    order = np.argsort(everything, kind="stable")
    order = order[used[order]]
    same = everything[order[1:]] == everything[order[:-1]] if len(order) else order.astype(bool)
    first = np.ones(len(everything), dtype=bool)
    ends = np.cumsum([len(index) for index in indexes])

    def located(place: int) -> tuple[ShardIndex, str]:
        shard = int(np.searchsorted(ends, place, side="right"))
        index = indexes[shard]
        return index, index.key(place - int(ends[shard]) + len(index))

    kept = 0
    for at in np.flatnonzero(same).tolist():
        earlier, later = int(order[at]), int(order[at + 1])
        if at == 0 or not same[at - 1]:
            kept = earlier
        index, key = located(later)
        before = located(kept)[1]
        if names.one_form(before) != names.one_form(key):
            continue  # two keys of one hash
        first[later] = False
        problems.add(USED_BEFORE if before == key else TWIN, f"{index.shard}::{key}")
    cut = np.cumsum([len(index) for index in indexes])[:-1]
    return list(np.split(first, cut))
