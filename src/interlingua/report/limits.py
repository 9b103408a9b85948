"""What the reader must know before relying on the run, said plainly.

Weak directions name themselves: nobody has to remember to mention them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from interlingua.report import numbers, views
from interlingua.report.data import DirectionRow, ReportData
from interlingua.report.directions import above_chance
from interlingua.report.html import Html, element, words

_FEW = 50


def limits_section(data: ReportData) -> Html | None:
    """Found and given limitations as one list; None where there are none."""
    sentences = [*found_limits(data.directions), *data.limitations]
    if not sentences:
        return None
    return element(
        "ul", [element("li", words(s, longest=20_000)) for s in sentences], class_="limits"
    )


def found_limits(rows: Sequence[DirectionRow]) -> list[str]:
    """Sentences on held-out directions near chance or baseline, or measured on few queries."""
    weak, beaten, few = [], [], []
    for row in rows:
        if not row.held_out or not row.recall:
            continue
        k = 10 if 10 in row.recall else max(row.recall)
        estimate = row.recall[k]
        title = f"{views.name(row.query)} → {views.name(row.target)}"
        value = f"{title} (R@{k} {numbers.percent(estimate.value)}"
        if above_chance(row, k) is False:
            weak.append(f"{value}, chance {numbers.percent(row.chance[k])})")
        elif k in row.baseline and not estimate.low > row.baseline[k]:
            name = row.baseline_name or "baseline"
            beaten.append(f"{value}, {name} {numbers.percent(row.baseline[k])})")
        if 0 < row.number < _FEW or not math.isfinite(estimate.low):
            few.append(f"{title} ({row.number})")
    sentences = []
    if weak:
        sentences.append(f"Not above chance, so not to be relied on: {'; '.join(weak)}.")
    if beaten:
        sentences.append(
            f"Not clearly better than a rule that understands nothing: {'; '.join(beaten)}."
        )
    if few:
        sentences.append(f"Measured on few queries, so the intervals are wide: {', '.join(few)}.")
    return sentences
