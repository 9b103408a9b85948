"""The single queries of a run's held-out directions, kept so that runs are compared by query.

Two runs that were asked the same questions about the same things differ by much less doubt than
their two intervals say: what makes a question easy or hard is taken out by pairing. For
that each query's outcome is kept beside the figures, under a name that means the same in every run.

Shape legend: n queries of a direction, G gallery items.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlingua.errors import DataError
from interlingua.evaluate.directions import DirectionTable
from interlingua.evaluate.intervals import Estimate, FloatArray, Seed, paired_difference
from interlingua.sample import Sample

QUERIES_FILE = "held_out_queries.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One direction, query by query.

    Attributes:
        names: [n] what was asked with: source, key and, of several recordings, which.
        things: [n] what it shows or names; queries of one thing are resampled together.
        hits: [n] for each k, 0..1.
        gallery: a hash of what was searched; equal where it was the same in both runs.
    """

    names: Sequence[str]
    things: Sequence[str]
    hits: Mapping[int, FloatArray]
    gallery: str


@dataclass(frozen=True, slots=True)
class Paired:
    """A direction of two runs, on the queries that both were asked.

    Attributes:
        k: the difference is of R@k.
        n: how many queries.
        things: how many independent ones they are about.
        first, second: R@k of both runs on these.
        difference: second minus first, with its interval.
        changed: how many queries one of the two answers better.
    """

    k: int
    n: int
    things: int
    first: float
    second: float
    difference: Estimate
    changed: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "difference": self.difference.to_json()}


def item_names(samples: Sequence[Sample], sample: Iterable[int], place: Iterable[int]) -> list[str]:
    """Names of items: ``stamps/animals/birds/owl``, ``...#2`` for the third of a sample's items.

    Args:
        samples: that the items belong to.
        sample: [M] which of them.
        place: [M] the item's place among the sample's items of its view.
    """
    return [
        f"{_name(samples[int(number)])}{f'#{int(at)}' if at else ''}"
        for number, at in zip(sample, place, strict=True)
    ]


def thing_names(samples: Sequence[Sample]) -> dict[int, str]:
    """For each component the name of its first sample by the alphabet: the same in every run."""
    found: dict[int, str] = {}
    for sample in samples:
        number, name = sample.meta.component, _name(sample)
        if number is not None:
            found[number] = min(name, found.get(number, name))
    return found


def to_json(
    table: DirectionTable,
    names: Mapping[str, Sequence[str]],
    component: Mapping[str, Sequence[int]],
    things: Mapping[int, str],
) -> dict[str, Any]:
    """What is kept.

    Args:
        table: what was measured.
        names: by view, of all its items.
        component: by view, of all its items.
        things: see ``thing_names``.
    """
    listed = ["", *sorted(set(things.values()))]  # the first: items without a component
    number = {name: place for place, name in enumerate(listed)}
    items: dict[str, dict[str, list[Any]]] = {
        view: {
            "names": list(names[view]),
            "things": [number[things.get(int(one), "")] for one in component[view]],
        }
        for view in names
    }
    directions = [
        {
            "query": one.query,
            "gallery": one.gallery,
            "searched": _digest(items[one.gallery], listed),
            "rows": one.result.query.tolist(),
            "hits": {str(k): _short(values) for k, values in one.result.hits.items()},
        }
        for one in table
    ]
    return {
        "format_version": FORMAT_VERSION,
        "things": listed,
        "items": items,
        "directions": directions,
    }


def from_json(plain: Mapping[str, Any], where: str = "") -> dict[tuple[str, str], Asked]:
    """What ``to_json`` kept, by (query, gallery).

    Raises:
        DataError: a later format version, or not what ``to_json`` writes.
    """
    next_step = "interlingua eval RUN writes it again."
    if plain.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"The single queries have format version {plain.get('format_version')}, this library "
            f"reads {FORMAT_VERSION}.",
            where=where,
            next_step=next_step,
        )
    found: dict[tuple[str, str], Asked] = {}
    try:
        things = plain["things"]
        for row in plain["directions"]:
            items, rows = plain["items"][row["query"]], row["rows"]
            hits = {int(k): np.asarray(values, np.float64) for k, values in row["hits"].items()}
            if any(values.shape != (len(rows),) for values in hits.values()):
                raise ValueError("not one hit for each query")
            found[row["query"], row["gallery"]] = Asked(
                [items["names"][at] for at in rows],
                [things[items["things"][at]] for at in rows],
                hits,
                row["searched"],
            )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "The single queries are damaged.", where=where, next_step=next_step
        ) from error
    return found


def paired(
    first: Asked, second: Asked, k: int, *, bootstrap: int = 1000, seed: Seed = 0
) -> Paired | str:
    """R@k of the second run minus that of the first, by the queries that both were asked.

    Returns:
        The difference, or in a few words why the two can't be paired.
    """
    if k not in first.hits or k not in second.hits:
        return f"R@{k} was not measured in both"
    if first.gallery != second.gallery:
        return "other things were searched"
    rows = {pair: at for at, pair in enumerate(zip(first.names, first.things, strict=True))}
    common = [
        (rows[pair], at)
        for at, pair in enumerate(zip(second.names, second.things, strict=True))
        if pair in rows
    ]
    if not common:
        return "no query is in both"
    chosen, others = (np.array(side) for side in zip(*common, strict=True))
    a, b = first.hits[k][chosen], second.hits[k][others]
    clusters = np.unique([first.things[at] for at in chosen], return_inverse=True)[1]
    return Paired(
        k=k,
        n=len(common),
        things=int(clusters.max()) + 1,
        first=float(a.mean()),
        second=float(b.mean()),
        difference=paired_difference(b, a, clusters, resamples=bootstrap, seed=seed),
        changed=int((a != b).sum()),
    )


def _name(sample: Sample) -> str:
    return f"{sample.meta.source}/{sample.key}"


def _digest(items: Mapping[str, Sequence[Any]], things: Sequence[str]) -> str:
    """Of the gallery's names and of what counts as the same thing, in no particular order."""
    pairs = zip(items["names"], items["things"], strict=True)
    lines = sorted(f"{name}\t{things[thing]}" for name, thing in pairs)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


def _short(values: FloatArray) -> list[float]:
    """Plain numbers; 0 and 1 without a point, since nearly all are."""
    return [int(value) if value in (0.0, 1.0) else float(value) for value in values]
