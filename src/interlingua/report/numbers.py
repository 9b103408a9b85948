"""Figures as people read them: per cent, counts, times, axis ticks."""

from __future__ import annotations

import math

from interlingua.evaluate.intervals import Estimate

THIN = "\u202f"  # a narrow no-break space keeps number and unit together


def percent(fraction: float, digits: int | None = None) -> str:
    """``57 %``, ``0.5 %``; a dash where there is no number."""
    if not math.isfinite(fraction):
        return "–"
    value = fraction * 100
    if digits is None:
        digits = 1 if 0 < abs(value) < 9.95 else 0
    return f"{value:.{digits}f}{THIN}%"


def interval(estimate: Estimate) -> str:
    """``51–63``, in per cent without the sign."""
    low, high = estimate.low * 100, estimate.high * 100
    if not (math.isfinite(low) and math.isfinite(high)):
        return "–"
    digits = 1 if high < 9.95 else 0
    return f"{low:.{digits}f}–{high:.{digits}f}"


def signed(value: float) -> str:
    """A cosine, ``0.42``, with a true minus sign."""
    return f"{value:.2f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def count(value: float) -> str:
    """``12,345``."""
    return f"{value:,.0f}"


def short_count(value: float) -> str:
    """``4.7 M``, ``820 k``."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{scaled:.1f}{THIN}{letter}" if scaled < 100 else f"{scaled:.0f}{THIN}{letter}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """``4 min 12 s``."""
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s" if seconds < 10 else f"{seconds:.0f}{THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{THIN}min {rest}{THIN}s"
    return f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min"


def ordinal(place: int) -> str:
    """``1st``, ``22nd``."""
    if place % 100 in (11, 12, 13):
        return f"{place}th"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers that cover ``low..high`` in about ``wanted`` steps."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low] if math.isfinite(low) else []
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def plain(value: float) -> str:
    """A short decimal for an axis: ``0.25``, ``3``, ``1.2 k``."""
    if abs(value) >= 1000:
        return f"{value / 1000:g}{THIN}k"
    return f"{value:.3g}" if value else "0"
