"""What a model card says, as plain values: no tensor, no model, no session in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlingua.report.data import ReportData


@dataclass(frozen=True, slots=True)
class Part:
    """Data or weights that a run was made from, as the lists of what can be fetched know them."""

    about: str = ""
    licence: str = ""
    hub: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class CardData:
    """What the card says.

    Attributes:
        name: of the run.
        data: what the run's page shows.
        model: the kind of model, as recipes name it.
        views: that it takes.
        dimension: of its vectors.
        about: what the recipe says of itself, its first line.
        languages: BCP 47 codes of the words and speech it learned from.
        start_from: whose weights the run began with, an address or a folder's name.
        parts: by name of a source or of weights, what is known of them.
        losses: of a model of one view on held-out samples, ``figures["held_out_losses"]``.
        finetuned: what ``finetune`` found, plain data; empty for other runs.
    """

    name: str
    data: ReportData
    model: str
    views: Sequence[str]
    dimension: int
    about: str = ""
    languages: Sequence[str] = ()
    start_from: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    losses: Mapping[str, Any] = field(default_factory=dict)
    finetuned: Mapping[str, Any] = field(default_factory=dict)
