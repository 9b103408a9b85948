"""Markdown for model cards: strangers' text that can't be markup, tables, estimates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from interlingua.evaluate.intervals import Estimate
from interlingua.report import numbers
from interlingua.report.html import visible


def plain(value: object) -> str:
    """A stranger's text in Markdown: one line in which nothing is markup, no bar a table's."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", visible(value).strip())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def estimate(value: Estimate | None) -> str:
    """``57 % [51–63]``."""
    if value is None:
        return "–"
    if not math.isfinite(value.low):
        return numbers.percent(value.value)
    return f"{numbers.percent(value.value)} [{numbers.interval(value)}]"
