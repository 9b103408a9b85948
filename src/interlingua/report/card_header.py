"""The YAML header of a model card, as a hub of models reads it.

Only what is certain stands in it. A licence is nobody's to choose but the maker's, so it is
``other``; figures go into ``model-index`` with their N, interval and chance.

Source: the hub's model card specification (modelcard.md of huggingface/hub-docs).
"""

from __future__ import annotations

from typing import Any

import yaml

from interlingua.report.card_data import CardData
from interlingua.report.card_figures import shown_k
from interlingua.report.data import DirectionRow
from interlingua.report.views import language

LIBRARY = "interlingua"
OPEN_LICENCE = "of-its-data-and-first-weights"
# the hub's tasks; a space of several kinds of media has none of its own
_TASK_OF_ONE_VIEW = {"image": "image-feature-extraction"}
_TASK = "feature-extraction"


def card_header(card: CardData) -> str:
    """The header between its two lines of hyphens."""
    text = yaml.safe_dump(
        header_values(card),
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )
    return f"---\n{text}---\n"


def header_values(card: CardData) -> dict[str, Any]:
    """What the header holds, as plain values."""
    only = card.views[0] if len(card.views) == 1 else ""
    values: dict[str, Any] = {
        "license": "other",
        "license_name": OPEN_LICENCE,
        "library_name": LIBRARY,
        "pipeline_tag": _TASK_OF_ONE_VIEW.get(only, _TASK),
        "tags": [LIBRARY, card.model.rpartition(":")[2].replace("_", "-"), *card.views],
    }
    if card.languages:
        values["language"] = list(card.languages)
    bases = [card.start_from.removeprefix("hf:")] if card.start_from.startswith("hf:") else []
    bases += [
        card.parts[tower.weights].hub
        for tower in card.data.towers
        if tower.weights in card.parts and card.parts[tower.weights].hub
    ]
    if bases:
        values["base_model"] = list(dict.fromkeys(bases))
    if results := _results(card):
        values["model-index"] = [{"name": card.name, "results": results}]
    return values


def _results(card: CardData) -> list[dict[str, Any]]:
    """A result for each held-out direction; speech language by language is on the card only."""
    rows = [row for row in card.data.directions if row.held_out and row.recall]
    if not rows:
        return []
    k = shown_k(rows)
    sources = "+".join(use.source for use in card.data.sources if use.held_out) or "held-out"
    return [
        {
            "task": {"type": "information-retrieval", "name": f"{row.query} to {row.target}"},
            "dataset": {
                "type": sources,
                "name": f"{sources}, held-out things",
                "split": "held-out",
            },
            "metrics": [_metric(row, k)],
        }
        for row in rows
        if not language(row.query)
    ]


def _metric(row: DirectionRow, k: int) -> dict[str, Any]:
    found = row.recall[k]
    known: dict[str, Any] = {"n": row.number, "gallery": row.gallery}
    if found.low == found.low:  # nan where there is no interval
        known["interval_95"] = [round(found.low, 4), round(found.high, 4)]
    for name, values in (("chance", row.chance), ("broken_pairs", row.control)):
        if k in values:
            known[name] = round(float(values[k]), 4)
    return {
        "type": f"recall_at_{k}",
        "value": round(float(found.value), 4),
        "name": f"R@{k}",
        "args": known,
    }
