"""Sources: what gives samples. A source keeps names and words in memory, never media."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from interlingua.sample import Sample


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or a file that a source left out.

    Attributes:
        reason: a short fixed phrase, for counting.
        where: the file, or the manifest with its line number.
        count: how many are left out for it; more than one where they are too many to list.
    """

    reason: str
    where: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sample is, told without reading it.

    Attributes:
        key: of the sample.
        source: the name of the source.
        shard: that it is in; empty where it is in none.
    """

    key: str
    source: str
    shard: str = ""


class Problems:
    """Collects what is left out; of each reason the first are listed, the others only counted.

    Args:
        listed: how many of a reason are listed one by one.
    """

    def __init__(self, listed: int = 100):
        self._limit = listed
        self._listed: dict[str, list[Problem]] = {}
        self._more: dict[str, Problem] = {}

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Note what is left out."""
        listed = self._listed.setdefault(reason, [])
        if len(listed) < self._limit:
            listed.append(Problem(reason, where, count))
            return
        before = self._more.get(reason)
        self._more[reason] = Problem(reason, where, count + (before.count if before else 0))

    @property
    def listed(self) -> list[Problem]:
        """All of them; where a reason has more than are listed, its last line counts the rest."""
        return [one for listed in self._listed.values() for one in listed] + [*self._more.values()]


class Source(Protocol):
    """Samples in a fixed order, the same at every opening."""

    @property
    def name(self) -> str:
        """What the source is called in tables and in ``Meta.source``."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What was left out, and why. Never silently."""

    def __len__(self) -> int:
        """How many samples there are."""

    def __iter__(self) -> Iterator[Sample]:
        """All samples, in order."""

    def __getitem__(self, index: int) -> Sample:
        """One sample by its place."""


class ListSource:
    """A source whose samples are a list: what all sources here are.

    Args:
        name: what the source is called.
        samples: in the order they are given.
        problems: what was left out.
    """

    def __init__(self, name: str, samples: Sequence[Sample], problems: Sequence[Problem] = ()):
        self.name = name
        self.problems: Sequence[Problem] = tuple(problems)
        self._samples = tuple(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]

    def __repr__(self) -> str:
        left_out = f", {len(self.problems)} left out" if self.problems else ""
        return f"<{self.name}: {len(self)} samples{left_out}>"


def count_reasons(problems: Sequence[Problem]) -> dict[str, int]:
    """How many were left out for each reason, most first."""
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.reason] = counts.get(problem.reason, 0) + problem.count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
