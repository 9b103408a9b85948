"""Retrieval in every direction between views: the table that a run is judged by.

Shape legend: M vectors of one view, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import Estimate, Seed
from interlingua.evaluate.retrieval import RetrievalResult, retrieval, wrong_pairing

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Direction:
    """One ordered pair of views: what was asked with, what was ranked, how well.

    Attributes:
        query, gallery: view names, ``text`` or ``speech[fr]``.
        result: the figures.
        control: the wrong-pairing control at each k.
    """

    query: str
    gallery: str
    result: RetrievalResult
    control: dict[int, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "query": self.query,
            "gallery": self.gallery,
            **self.result.to_json(),
            "control": {str(k): estimate.to_json() for k, estimate in self.control.items()},
        }


@dataclass(frozen=True, slots=True)
class DirectionTable:
    """All directions that could be measured, and those that couldn't with the reason."""

    directions: tuple[Direction, ...]
    skipped: tuple[tuple[str, str, str], ...] = ()

    def __iter__(self) -> Iterator[Direction]:
        return iter(self.directions)

    def __len__(self) -> int:
        return len(self.directions)

    def get(self, query: str, gallery: str) -> Direction:
        """One direction.

        Raises:
            KeyError: it wasn't measured.
        """
        for direction in self.directions:
            if (direction.query, direction.gallery) == (query, gallery):
                return direction
        raise KeyError(f"{query} -> {gallery}")

    def to_json(self) -> list[dict[str, Any]]:
        """One object per direction, plain numbers."""
        return [direction.to_json() for direction in self.directions]

    def to_rich(self, title: str = "Retrieval") -> Table:
        """A table for the terminal."""
        from rich.table import Table  # the terminal needs it, arithmetic doesn't
        from rich.text import Text

        table = Table(title=title)
        ks = list(self.directions[0].result.r_at) if self.directions else []
        table.add_column("query → gallery", no_wrap=True)
        for k in ks:
            table.add_column(f"R@{k} [95 %]", justify="right", no_wrap=True)
        last = ks[-1] if ks else 0
        for name in (f"chance@{last}", f"wrong@{last}", "median rank", "N", "things", "of"):
            table.add_column(name, justify="right")
        for direction in self.directions:
            result = direction.result
            table.add_row(
                Text(f"{direction.query} → {direction.gallery}"),  # [fr] is no markup
                *(format(result.r_at[k], ".2f") for k in ks),
                f"{result.chance[last]:.2f}",
                f"{direction.control[last].value:.2f}",
                f"{result.median_rank:.1f}",
                str(result.n),
                str(result.clusters),
                str(result.gallery),
            )
        return table


def all_directions(
    vectors: Mapping[str, npt.ArrayLike],
    component: Mapping[str, npt.ArrayLike],
    *,
    ks: Sequence[int] = (1, 5, 10),
    bootstrap: int = 1000,
    permutations: int = 20,
    seed: Seed = 0,
    only: Iterable[tuple[str, str]] | None = None,
) -> DirectionTable:
    """Retrieval for every ordered pair of different views.

    ``speech[fr]`` is a part of ``speech``: a view isn't ranked against itself or its parts.

    Args:
        vectors: view -> [M, D].
        component: view -> [M] integers, the same numbering in all views.
        ks: how many first items count.
        bootstrap: resamples of the components.
        permutations: of the wrong-pairing control.
        seed: of both.
        only: the (query, gallery) pairs wanted; all by default.

    Raises:
        ValueError: a view has vectors but no components, or shapes don't agree.
    """
    if missing := set(vectors) - set(component):
        raise ValueError(f"no components for {sorted(missing)}")
    pairs = only if only is not None else _ordered_pairs(vectors)
    measured: list[Direction] = []
    skipped: list[tuple[str, str, str]] = []
    for query, gallery in pairs:
        shared = np.intersect1d(np.asarray(component[query]), np.asarray(component[gallery]))
        if len(shared) == 0:
            skipped.append((query, gallery, "no thing has both views"))
            continue
        sides = (vectors[query], vectors[gallery], component[query], component[gallery], ks)
        result = retrieval(*sides, bootstrap=bootstrap, seed=seed)
        control = wrong_pairing(*sides, permutations=permutations, bootstrap=bootstrap, seed=seed)
        measured.append(Direction(query, gallery, result, control))
    return DirectionTable(tuple(measured), tuple(skipped))


def by_language(
    view: str, languages: Sequence[str | None], *columns: npt.ArrayLike, at_least: int = 1
) -> dict[str, tuple[npt.NDArray[Any], ...]]:
    """Rows of one view grouped by language, as ``view[language]``; None is left out.

    Args:
        view: ``speech``.
        languages: [M] BCP 47 codes.
        columns: arrays [M, ...] to be cut the same way (vectors, components, seconds).
        at_least: languages with fewer rows are left out.
    """
    codes = np.array(["" if code is None else code for code in languages])
    return {
        f"{view}[{code}]": tuple(np.asarray(column)[codes == code] for column in columns)
        for code in np.unique(codes)
        if code and (codes == code).sum() >= at_least
    }


def base_view(view: str) -> str:
    """``speech`` for ``speech[fr]``."""
    return view.partition("[")[0]


def _ordered_pairs(views: Iterable[str]) -> list[tuple[str, str]]:
    names = list(views)
    return [(a, b) for a in names for b in names if base_view(a) != base_view(b)]
