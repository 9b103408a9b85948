"""Which faults are tried, and how many of them were survived; printed at the end of a session."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise


class Tally:
    """How many faults of each kind were tried in this session, and how many were survived."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    @contextmanager
    def trial(self, what: str, which: object) -> Iterator[None]:
        """One fault; a failure inside is told with ``which``."""
        count = self.counts.setdefault(what, [0, 0])
        count[0] += 1
        try:
            yield
        except BaseException as error:
            error.add_note(f"{what}: {which}")
            raise
        count[1] += 1


def spread(last: int, count: int, seed: int = 0) -> list[int]:
    """Numbers from 1 to ``last``: a random one from each of ``count`` equal pieces."""
    chance = random.Random(seed)
    edges = [1 + last * piece // count for piece in range(count + 1)]
    return [chance.randrange(low, max(low + 1, high)) for low, high in pairwise(edges)]
