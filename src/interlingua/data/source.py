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
    """

    reason: str
    where: str


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
        counts[problem.reason] = counts.get(problem.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
