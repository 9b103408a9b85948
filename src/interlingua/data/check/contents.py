"""What a source says it holds: counts by view, language, group and licence; nothing is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from interlingua.data.source import Source, count_reasons
from interlingua.sample import Sample


def describe(source: Source, samples: Iterable[Sample] | None = None) -> dict[str, Any]:
    """Counts of samples, views, languages, groups, licences, and what was left out.

    Args:
        source: what is described.
        samples: its samples where they have been read already.
    """
    count = 0
    views: Counter[str] = Counter()
    alternatives: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    for sample in source if samples is None else samples:
        count += 1
        views.update({part.view for part in sample.parts})
        for part in sample.all_parts():
            alternatives[part.view] += 1
            if language := getattr(part, "language", None):
                languages[f"{part.view} {language}"] += 1
        groups[sample.meta.group.split("/")[0]] += 1
        licences[sample.meta.licence] += 1
    problems = source.problems  # only now: shards know of damaged texts once they are read
    return {
        "source": source.name,
        "samples": count,
        "samples_with": dict(views.most_common()),
        "parts": dict(alternatives.most_common()),
        "languages": dict(languages.most_common()),
        "groups": dict(groups.most_common()),
        "licences": dict(licences.most_common()),
        "left_out": count_reasons(problems),
        "left_out_first": [f"{item.where}: {item.reason}" for item in problems[:5]],
    }
