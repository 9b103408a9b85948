"""What a report shows: plain values, with no tensor and no model in them.

Whoever trains or evaluates fills a ``ReportData``; the page only draws it. Every
field has a default, and a part of the page whose field is empty says so or is left
out, so a report can be written after one step as well as after a full run.

Shapes: D width of the space, H and W picture height and width, T audio samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlingua.evaluate.intervals import Estimate

if TYPE_CHECKING:
    from interlingua.evaluate.directions import Direction

FloatArray = NDArray[np.floating[Any]]
ByteArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One view of a thing: its picture, its words, its sound or its spoken name.

    Attributes:
        vector: ``[D]``, its place in the space; None where it was not embedded.
        text: the words of a text view, the transcript of a speech view.
        pixels: ``[H, W, 3]`` uint8; about 320 pixels a side are plenty.
        samples: ``[T]`` mono in -1..1.
        sample_rate: samples a second.
        language: BCP 47 code of text or speech.
    """

    vector: FloatArray | None = None
    text: str = ""
    pixels: ByteArray | None = None
    samples: FloatArray | None = None
    sample_rate: int = 0
    language: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One thing; its views are ``image``, ``text``, ``sound``, ``speech`` or ``speech[fr]``.

    Attributes:
        key: unique within the report.
        held_out: False where training saw it.
        component: things of the same component count as the same; None stands for itself alone.
    """

    key: str
    name: str
    views: Mapping[str, View]
    group: str = ""
    held_out: bool = True
    component: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search: a thing's view, its cosine with the query, is it right."""

    thing: str
    view: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A query and its best answers.

    Attributes:
        query: one view, or several where the query is mixed (a picture plus words).
        target: the view that was searched.
        name: what the query shows, for its label; empty for a free text.
        held_out: whether the queried thing was kept from training; None for a free query.
        rank: place of the first right answer, 1 is best; None where nothing is known to be right.
        gallery: how many items were searched.
    """

    query: Mapping[str, View]
    target: str
    hits: Sequence[Hit]
    name: str = ""
    held_out: bool | None = None
    rank: int | None = None
    gallery: int = 0


@dataclass(frozen=True, slots=True)
class DirectionRow:
    """Retrieval from one view to another, as one row of the table.

    Attributes:
        recall: R@k for each k, as fractions with 95 % intervals.
        chance: R@k of a random ranking.
        control: R@k with the pairs broken on purpose (another thing's query).
        baseline: R@k of a rule that understands nothing, such as clip length alone.
        baseline_name: what that rule is.
        median_rank: place of the right answer, 1 is best.
        number: how many queries.
        gallery: how many items were searched.
        held_out: False for the figure on things that training saw.
    """

    query: str
    target: str
    recall: Mapping[int, Estimate]
    chance: Mapping[int, float] = field(default_factory=dict)
    control: Mapping[int, float] = field(default_factory=dict)
    baseline: Mapping[int, float] = field(default_factory=dict)
    baseline_name: str = ""
    median_rank: float | None = None
    number: int = 0
    gallery: int = 0
    held_out: bool = True

    @classmethod
    def of(
        cls,
        measured: Direction,
        *,
        held_out: bool = True,
        baseline: Mapping[int, float] | None = None,
        baseline_name: str = "",
    ) -> DirectionRow:
        """A direction that ``evaluate.all_directions`` measured, as a row."""
        result = measured.result
        return cls(
            query=measured.query,
            target=measured.gallery,
            recall=result.r_at,
            chance=result.chance,
            control={k: estimate.value for k, estimate in measured.control.items()},
            baseline=baseline or {},
            baseline_name=baseline_name,
            median_rank=result.median_rank,
            number=result.n,
            gallery=result.gallery,
            held_out=held_out,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve: ``values[i]`` at ``steps[i]``; values that aren't finite are left out."""

    name: str
    steps: FloatArray | Sequence[float]
    values: FloatArray | Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Curves that share axes.

    Attributes:
        marks: steps at which something begins (a stage), with its name.
        percent: values are fractions, to be shown in per cent.
    """

    title: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    percent: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class DataUse:
    """How much of one source was used: samples on each side of the split, items in each view."""

    source: str
    training: int
    held_out: int = 0
    views: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TowerUse:
    """One tower or head: how many parameters it has, and how many of them were trained."""

    name: str
    view: str
    parameters: int
    trained: int = 0
    weights: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageUse:
    """One stage of training: ``detail`` says in a few words what was trained and how."""

    name: str
    steps: int
    seconds: float
    batch_size: int = 0
    learning_rate: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Samples left out for one reason, with one example of where it happened."""

    reason: str
    count: int
    example: str = ""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Where, when and how long; ``command`` runs it again."""

    command: str = ""
    recipe: str = ""
    created: str = ""
    seed: int | None = None
    seconds: float = 0.0
    device: str = ""
    peak_memory_bytes: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """Everything on the page.

    Attributes:
        title: the run's name.
        things: every thing that a strip, the hero or the map shows.
        heroes: keys of the things shown "four ways"; empty picks those with the most views.
        strips_note: how the queries were chosen.
        limitations: what the reader must know; directions near chance are added by themselves.

    Raises:
        ValueError: two things with one key, or a hit or hero that names no thing.
    """

    title: str
    facts: RunFacts = field(default_factory=RunFacts)
    sources: Sequence[DataUse] = ()
    towers: Sequence[TowerUse] = ()
    stages: Sequence[StageUse] = ()
    panels: Sequence[Panel] = ()
    directions: Sequence[DirectionRow] = ()
    things: Sequence[Thing] = ()
    heroes: Sequence[str] = ()
    strips: Sequence[Strip] = ()
    strips_note: str = ""
    skipped: Sequence[Skipped] = ()
    limitations: Sequence[str] = ()

    def __post_init__(self) -> None:
        keys = {thing.key for thing in self.things}
        if len(keys) != len(self.things):
            raise ValueError("two things of the report share a key")
        named = [hit.thing for strip in self.strips for hit in strip.hits] + list(self.heroes)
        unknown = sorted(set(named) - keys)
        if unknown:
            raise ValueError(f"the report shows things it was not given: {unknown[:5]}")

    def direction(self, query: str, target: str) -> DirectionRow | None:
        """The held-out direction between two views, or None where it was not measured."""
        for direction in self.directions:
            if direction.held_out and (direction.query, direction.target) == (query, target):
                return direction
        return None
