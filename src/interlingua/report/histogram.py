"""How often which size: a ``Spread`` as a small drawing, its bins as bars of equal width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from interlingua.data.check.spread import Spread
from interlingua.report import numbers
from interlingua.report.html import Child, Html, element

Shown = Callable[[float], str]

_WIDTH, _HEIGHT, _FOOT, _TOP = 320.0, 84.0, 18.0, 16.0


def histogram(
    title: str, spread: Spread, shown: Shown, *, limit: float | None = None, of_limit: str = ""
) -> Html:
    """The drawing with its title and its figures in words.

    Args:
        title: what is counted, ``Short side``.
        spread: the numbers.
        shown: a number with its unit.
        limit: bars beyond it are marked.
        of_limit: what happens there, ``cut at 77``.
    """
    if spread.low == spread.high:
        told = f"{shown(spread.low)}, all {spread.count:,}."
        return element("figure", element("h3", title), element("figcaption", told))
    bars = len(spread.counts)
    step = _WIDTH / bars
    most = max(spread.counts)
    parts: list[Child] = []
    for number, count in enumerate(spread.counts):
        if not count:
            continue
        low, high = spread.edges[number], spread.edges[number + 1]
        height = max(1.5, _HEIGHT * count / most)
        beyond = limit is not None and low > limit
        parts.append(
            element(
                "rect",
                element("title", f"{shown(low)} to {shown(high)}: {count:,}"),
                x=f"{number * step + 0.5:.1f}",
                y=f"{_TOP + _HEIGHT - height:.1f}",
                width=f"{max(1.0, step - 1):.1f}",
                height=f"{height:.1f}",
                class_="over" if beyond else "bar",
            )
        )
    base = _TOP + _HEIGHT
    parts.append(element("line", x1=0, x2=_WIDTH, y1=base, y2=base, class_="base"))
    parts.append(element("text", shown(spread.low), x=0, y=base + 13))
    parts.append(element("text", shown(spread.high), x=_WIDTH, y=base + 13, class_="end"))
    if limit is not None and spread.edges[0] < limit < spread.edges[-1]:
        parts.append(_mark(_across(spread, limit) * step, of_limit, "limit"))
    else:
        middle = np.clip(np.searchsorted(spread.edges, spread.median, side="right"), 1, bars) - 0.5
        parts.append(_mark(float(middle) * step, "median", "median"))
    told = (
        f"Median {shown(spread.median)}, nine of ten from {shown(spread.p5)} to "
        f"{shown(spread.p95)}."
    )
    return element(
        "figure",
        element("h3", title),
        element(
            "svg",
            parts,
            viewBox=f"0 0 {_WIDTH:g} {_TOP + _HEIGHT + _FOOT:g}",
            role="img",
            aria_label=f"{title}. {told}",
        ),
        element("figcaption", told),
    )


def pixels(value: float) -> str:
    """``1,024 px``."""
    return f"{value:,.0f}{numbers.THIN}px"


def seconds(value: float) -> str:
    """``0.46 s``, ``4 min 12 s``."""
    return f"{value:.2f}{numbers.THIN}s" if value < 1 else numbers.duration(value)


def file_size(value: float) -> str:
    """``820 kB``: powers of ten."""
    return f"{value:.0f}{numbers.THIN}B" if value < 1000 else f"{numbers.short_count(value)}B"


def _across(spread: Spread, value: float) -> float:
    """Where a value lies, counted in bins from the left."""
    edges = np.asarray(spread.edges)
    return float(np.interp(value, edges, np.arange(len(edges))))


def _mark(x: float, label: str, kind: str) -> Html:
    left = x < _WIDTH * 0.6
    return element(
        "g",
        element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=4, y2=_TOP + _HEIGHT, class_="mark"),
        element(
            "text", label, x=f"{x + (5 if left else -5):.1f}", y=13, class_=None if left else "end"
        ),
        class_=kind,
    )
