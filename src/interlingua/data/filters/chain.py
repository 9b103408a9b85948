"""Filters one after another, and what each took out, as numbers for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from interlingua.config import NamedConfig
from interlingua.data.filters.filter import Filtered, OpenScorer, Removal
from interlingua.sample import Sample

FORMAT_VERSION = 1
EXAMPLES = 5

Item = TypeVar("Item")


def apply_filters(
    samples: Sequence[Sample],
    filters: Sequence[NamedConfig],
    open_scorer: OpenScorer | None = None,
    note: Callable[[str], None] = lambda message: None,
) -> list[Filtered]:
    """Apply filters in order, each to what the ones before it kept.

    Args:
        samples: training samples only; what is tested on is never chosen by what it is like.
        filters: their settings.
        open_scorer: for ``pair_score``.
        note: is told what each filter took.

    Returns:
        One result per filter; the last one's ``kept`` is what stays.

    Raises:
        InterlinguaError: a filter can't do its work, ``pair_score`` without a usable run say.
    """
    steps: list[Filtered] = []
    for config in filters:
        step: Filtered = config.build(open_scorer)(steps[-1].kept if steps else samples)
        note(describe(step))
        steps.append(step)
    return steps


def describe(step: Filtered) -> str:
    """One line: ``filter size: 12 of 800 samples removed (short side 12)``."""
    reasons = Counter(one.reason for one in step.removals if one.whole)
    details = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    line = f"filter {step.name}: {step.removed:,} of {step.given:,} samples removed"
    line += f" ({details})" if details else ""
    single = step.removed_texts - sum(
        len(one.sample.alternatives("text")) for one in step.removals if one.whole
    )
    return line + (f", and {single:,} texts of samples that stay" if single else "")


def to_json(steps: Sequence[Filtered], examples: int = EXAMPLES) -> dict[str, Any]:
    """Numbers and examples by filter and reason, as plain data."""
    return {
        "format_version": FORMAT_VERSION,
        "samples": steps[0].given if steps else 0,
        "kept": len(steps[-1].kept) if steps else 0,
        "filters": [_step_to_json(step, examples) for step in steps],
    }


def by_reason(step: Filtered) -> dict[str, list[Removal]]:
    """The removals of each reason, the most frequent reason first."""
    found: dict[str, list[Removal]] = {}
    for removal in step.removals:
        found.setdefault(removal.reason, []).append(removal)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """``count`` of them, evenly from first to last: the first ones are often of one folder."""
    step = max(1.0, len(items) / count) if count else 1.0
    return [items[int(number * step)] for number in range(min(count, len(items)))]


def _step_to_json(step: Filtered, examples: int) -> dict[str, Any]:
    return {
        "name": step.name,
        "settings": step.settings,
        "samples": step.given,
        "samples_removed": step.removed,
        "texts": step.given_texts,
        "texts_removed": step.removed_texts,
        "reasons": {
            reason: {
                "samples": sum(one.whole for one in removals),
                "texts": sum(
                    len(one.sample.alternatives("text")) if one.text is None else 1
                    for one in removals
                ),
                "examples": [
                    {
                        "source": one.sample.meta.source,
                        "key": one.sample.key,
                        "text": one.shown_text,
                        "value": one.value,
                    }
                    for one in spread(removals, examples)
                ],
            }
            for reason, removals in by_reason(step).items()
        },
    }
