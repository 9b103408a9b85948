"""What a model card says of a model's worth: figures with N, interval, chance and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlingua.evaluate.intervals import Estimate, wilson
from interlingua.report import numbers, views
from interlingua.report.card_data import CardData
from interlingua.report.data import DirectionRow
from interlingua.report.markdown import estimate, plain, table


def figures_section(card: CardData) -> str:
    """The section, whatever was measured of the run."""
    rows = [row for row in card.data.directions if row.held_out and row.recall]
    parts = ["## What it is worth"]
    if card.finetuned:
        parts.append(_finetuned(card.finetuned))
    if rows:
        k = shown_k(rows)
        parts.append(
            "Held-out things: how often the right one is among the first, with 95 % intervals by "
            "bootstrap over things. Chance is a random order; broken pairs ask for another thing "
            "on purpose, and must fall to chance."
        )
        plain_rows = [row for row in rows if not views.language(row.query)]
        spoken = [row for row in rows if views.language(row.query)]
        parts.append(_direction_table(plain_rows, k))
        if spoken:
            parts.append(f"Spoken names by language:\n\n{_direction_table(spoken, k)}")
        if card.finetuned:
            parts.append(
                "Half of these things chose the checkpoint: for new things expect a little less."
            )
    if card.losses:
        parts.append(_losses(card.losses))
    if len(parts) == 1:
        parts.append("Nothing held out was measured.")
    return "\n\n".join(parts)


def shown_k(rows: Sequence[DirectionRow]) -> int:
    """10, or the largest k that all rows have."""
    shared = set.intersection(*(set(row.recall) for row in rows))
    return 10 if 10 in shared else max(shared)


def _direction_table(rows: Sequence[DirectionRow], k: int) -> str:
    baseline = any(k in row.baseline for row in rows)
    name = next((row.baseline_name for row in rows if row.baseline_name), "baseline")
    heads = ["asked with → searched", *(["R@1 [95 %]"] if k != 1 else []), f"R@{k} [95 %]"]
    heads += [f"chance@{k}", f"broken pairs@{k}", *([plain(f"{name}@{k}")] if baseline else [])]
    heads += ["median rank", "N", "of"]
    lines = []
    for row in rows:
        line = [plain(f"{views.name(row.query)} → {views.name(row.target)}")]
        line += [estimate(row.recall.get(1))] if k != 1 else []
        line += [estimate(row.recall.get(k)), _share(row.chance, k), _share(row.control, k)]
        line += [_share(row.baseline, k)] if baseline else []
        line += ["–" if row.median_rank is None else f"{row.median_rank:g}"]
        lines.append([*line, numbers.count(row.number), numbers.count(row.gallery)])
    return table(heads, lines)


def _finetuned(found: Mapping[str, Any]) -> str:
    n, chance = int(found["judge_by"]), found.get("chance")
    what = "the right class" if found.get("classes") else "the right caption or picture, R@1"
    rows = []
    for key, title in (("start", "as loaded"), ("tuned", "fine-tuned"), ("chosen", "this model")):
        score = found[key]
        interval = wilson(round(score["accuracy"] * score["n"]), score["n"])
        shown = Estimate(score["accuracy"], interval.low, interval.high)
        rows.append([title, estimate(shown), f"{score['nll']:.3f}"])
    guess = "" if chance is None else f" Guessing is right for {numbers.percent(chance)}."
    heads = ("", f"{what} [95 %]", "negative log-likelihood")
    return (
        f"Fine-tuned; judged by {n:,} held-out samples that chose nothing.{guess}\n\n"
        f"{table(heads, rows)}"
    )


def _losses(losses: Mapping[str, Any]) -> str:
    rows = []
    for name, one in losses.items():
        if not isinstance(one, Mapping):
            continue
        ends = {end: one.get(end) for end in ("low", "high")}
        value = Estimate.from_json({"value": one["value"], **ends})
        majority = one.get("majority")
        rows.append(
            [
                plain(name),
                format(value, ".3f"),
                "–" if majority is None else f"{majority:.3f}",
                numbers.count(one["counted"]),
            ]
        )
    heads = ("on held-out samples", "value [95 %]", "commonest class", "counted")
    return table(heads, rows)


def _share(values: Mapping[int, float], k: int) -> str:
    return numbers.percent(values[k]) if k in values else "–"
