"""Evaluation: metrics with their N, interval, chance and control; numpy only."""

from interlingua.evaluate.directions import (
    Direction,
    DirectionTable,
    all_directions,
    base_view,
    by_language,
)
from interlingua.evaluate.intervals import (
    Estimate,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_rates,
    paired_difference,
    wilson,
)
from interlingua.evaluate.length_baseline import LengthBaseline
from interlingua.evaluate.ranking import chance_at, cosine
from interlingua.evaluate.retrieval import (
    RetrievalResult,
    compare,
    retrieval,
    retrieval_from_scores,
    wrong_pairing,
)

__all__ = [
    "Direction",
    "DirectionTable",
    "Estimate",
    "LengthBaseline",
    "RetrievalResult",
    "all_directions",
    "base_view",
    "bootstrap_mean",
    "bootstrap_means",
    "bootstrap_rates",
    "by_language",
    "chance_at",
    "compare",
    "cosine",
    "paired_difference",
    "retrieval",
    "retrieval_from_scores",
    "wilson",
    "wrong_pairing",
]
