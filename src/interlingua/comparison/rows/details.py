"""What of a row needs the other rows: missing modalities, worse modalities, differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from interlingua.comparison.result import Difference
from interlingua.comparison.rows.from_runs import present_right, right_at, success_rate
from interlingua.comparison.rows.pooled import Pair, Pooled, paired, paired_success
from interlingua.comparison.rows.row import Presence, PresenceSuccess, Robustness, Row
from interlingua.comparison.runs.record import Record
from interlingua.evaluate.robustness import effective_robustness, relative_robustness, scaled
from interlingua.evaluate.shapley import shapley_values, subsets

BASELINE = "late_average"

ByKey = Mapping[str, Pooled]


def fill_details(rows: Sequence[Row], pooled: ByKey) -> None:
    """Presence, Shapley values and robustness of all rows, in place."""
    singles = {row.modalities[0]: row for row in rows if row.single}
    for row in rows:
        row.presence = _presence(row, pooled, singles)
        worth = {frozenset(one.present): one.accuracy.value for one in row.presence}
        worth[frozenset()] = row.empty
        row.shapley = shapley_values(row.modalities, worth)
        _fill_success(row, pooled, singles)
        row.robustness = _robustness(row, pooled)
    _scale(rows)


def best_single(rows: Sequence[Row]) -> str:
    """The single modality with the highest accuracy, or success where it acts; empty if none."""
    singles = [row for row in rows if row.single]
    if not singles:
        return ""
    acts = all(row.success is not None for row in singles)
    return max(
        singles,
        key=lambda row: row.success.rate.value if acts and row.success else row.accuracy.value,
    ).key


def differences(rows: Sequence[Row], pooled: ByKey) -> list[Difference]:
    """All pairs of rows without dropout; with dropout against without, and against the singles."""
    plain = [row for row in rows if not row.dropout]
    pairs = [
        (one.key, other.key)
        for one, other in itertools.combinations(plain, 2)
        if not (one.single and other.single)
    ]
    for row in rows:
        if row.dropout:
            others = [row.key.removesuffix("+dropout"), *(one.key for one in plain if one.single)]
            pairs += [(row.key, other) for other in others if other in pooled]
    found = paired(
        [Pair(pooled[one], pooled[other], Record.right, Record.right) for one, other in pairs]
    )
    result = [
        Difference(one, other, "accuracy", value)
        for (one, other), value in zip(pairs, found, strict=True)
        if value is not None
    ]
    for one, other in pairs:
        success = paired_success(pooled[one], pooled[other])
        if success is not None:
            result.append(Difference(one, other, "success", success))
    return result


def _presence(row: Row, pooled: ByKey, singles: Mapping[str, Row]) -> list[Presence]:
    """Every set of modalities but the empty one, each against its best single modality."""
    own = pooled[row.key]
    sets = [
        [name for name in row.modalities if name in group]
        for group in subsets(row.modalities)
        if group
    ]
    accuracies = own.rates([present_right(present) for present in sets])
    found = [
        Presence(present, accuracy) for present, accuracy in zip(sets, accuracies, strict=True)
    ]
    pairs, places = [], []
    for place, one in enumerate(found):
        known = [singles[name] for name in one.present if name in singles]
        if known and not row.single:
            best = max(known, key=lambda single: single.accuracy.value)
            one.single = best.key
            pairs.append(Pair(own, pooled[best.key], present_right(one.present), Record.right))
            places.append(place)
    for place, value in zip(places, paired(pairs), strict=True):
        found[place].against_single = value
    return found


def _fill_success(row: Row, pooled: ByKey, singles: Mapping[str, Row]) -> None:
    """Success with every set of modalities, and its Shapley values where all sets were asked."""
    if row.success is None:
        return
    own = pooled[row.key]
    worth = {}
    for one in row.presence:
        episodes = own.episodes_with(one.present)
        if episodes is None:
            continue
        one.success = PresenceSuccess(success_rate(episodes))
        worth[frozenset(one.present)] = one.success.rate.value
        acted = [singles[name] for name in one.present if name in singles]
        rates = {single.key: single.success.rate.value for single in acted if single.success}
        if rates and not row.single:
            best = max(rates, key=lambda key: rates[key])
            one.success.single = best
            one.success.against_single = paired_success(own, pooled[best], one.present)
    nothing = own.episodes_with([])
    if nothing is not None:
        row.success.empty = worth[frozenset()] = float(nothing[0].mean())
        if len(worth) == 2 ** len(row.modalities):
            row.success.shapley = shapley_values(row.modalities, worth)


def _robustness(row: Row, pooled: ByKey) -> list[Robustness]:
    """A curve for each modality and for all at once."""
    own, late = pooled[row.key], pooled.get(BASELINE)
    curves = []
    for modality, levels in own.first.levels.items():
        if len(levels) < 2:
            continue
        accuracy = own.rates([right_at(modality, level) for level in levels])
        values = [one.value for one in accuracy]
        effective = math.nan
        if late is not None and not row.single and set(own.records) <= set(late.records):
            base = [
                float(late.values(right_at(modality, level), list(own.records)).mean())
                for level in levels
            ]
            effective = effective_robustness(levels, values, base)
        curves.append(
            Robustness(
                modality=modality,
                levels=list(levels),
                accuracy=accuracy,
                relative=relative_robustness(levels, values),
                effective=effective,
                relative_scaled=math.nan,
                effective_scaled=math.nan,
            )
        )
    return curves


def _scale(rows: Sequence[Row]) -> None:
    """Both measures from 0 to 1 over the fusions, for each modality."""
    curves: dict[str, dict[str, Robustness]] = {}
    for row in rows:
        for curve in row.robustness if not row.single else []:
            curves.setdefault(curve.modality, {})[row.key] = curve
    for by_row in curves.values():
        relative = scaled({key: one.relative for key, one in by_row.items()})
        known = {key: one.effective for key, one in by_row.items() if np.isfinite(one.effective)}
        effective = scaled(known)
        for key, one in by_row.items():
            one.relative_scaled = relative[key]
            one.effective_scaled = effective.get(key, math.nan)
