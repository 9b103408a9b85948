"""The filters of a recipe, applied to its training samples, and what they did kept in the run.

``filters.json`` holds the numbers by filter and reason, ``filtered.jsonl`` every single removal.
A run that goes on takes the removals from there instead of judging anew: its training set is then
the same even where a learned filter would round differently, or its own run is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from interlingua import durable
from interlingua.config import NamedConfig, to_plain
from interlingua.data.filters.chain import apply_filters, describe, to_json
from interlingua.data.filters.filter import Filtered, OpenScorer, Removal, Verdict, carry_out
from interlingua.errors import DataError
from interlingua.sample import Sample

NUMBERS_FILE = "filters.json"
REMOVALS_FILE = "filtered.jsonl"


def filter_training(
    samples: Sequence[Sample],
    filters: Sequence[NamedConfig],
    run: Path | None,
    open_scorer: OpenScorer,
    note: Callable[[str], None] = lambda message: None,
) -> list[Filtered]:
    """Apply filters in order; with a run's folder, once and for all.

    Args:
        samples: those that would be trained on.
        filters: their settings.
        run: the folder that the numbers and removals are kept in; None = nowhere.
        open_scorer: for a learned filter.
        note: is told what each filter took.

    Raises:
        DataError: the data are not those that the run's removals are about.
        InterlinguaError: a filter can't do its work.
    """
    # the numbers are written last: where they are, the removals are whole
    if run is not None and (run / NUMBERS_FILE).exists():
        steps = _replay(samples, filters, run)
        for step in steps:
            note(f"{describe(step)}, as at the run's beginning")
        return steps
    steps = apply_filters(samples, filters, open_scorer, note)
    if run is not None:
        write_record(steps, run)
    return steps


def write_record(steps: Sequence[Filtered], folder: Path) -> None:
    """Put numbers and removals into a folder, each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_to_line(number, one) for number, step in enumerate(steps) for one in step.removals]
    durable.replace_file(folder / REMOVALS_FILE, "".join(lines).encode())
    numbers = json.dumps(to_json(steps), indent=1, ensure_ascii=False)
    # a lone half of a character from somebody's file can't be encoded
    durable.replace_file(folder / NUMBERS_FILE, numbers.encode(errors="backslashreplace"))


def _to_line(step: int, removal: Removal) -> str:
    row = {
        "step": step,
        "place": removal.place,
        "source": removal.sample.meta.source,
        "key": removal.sample.key,
        "text": removal.text,
        "reason": removal.reason,
        "value": removal.value,
    }
    return json.dumps(row) + "\n"  # ASCII: no name can forge a line


def _replay(samples: Sequence[Sample], filters: Sequence[NamedConfig], run: Path) -> list[Filtered]:
    """The steps again, from what is written of them."""
    try:
        numbers = json.loads((run / NUMBERS_FILE).read_bytes())["filters"]
        rows = [json.loads(line) for line in (run / REMOVALS_FILE).read_bytes().splitlines()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _changed("What the filters took can't be read", run) from error
    settings = [to_plain(config) for config in filters]
    if [one["settings"] for one in numbers] != settings:
        raise _changed("The run was filtered with other settings than its recipe now has", run)
    steps: list[Filtered] = []
    for number, config in enumerate(filters):
        given = steps[-1].kept if steps else samples
        mine = [row for row in rows if row["step"] == number]
        fits = len(given) == numbers[number]["samples"] and all(
            (given[row["place"]].meta.source, given[row["place"]].key)
            == (row["source"], row["key"])
            for row in mine
            if row["place"] < len(given)
        )
        if not fits:
            raise _changed("The data are not those that the run's filters saw", run)
        verdicts = (Verdict(row["place"], row["reason"], row["value"], row["text"]) for row in mine)
        steps.append(carry_out(config.name, settings[number], given, verdicts))
    return steps


def _changed(what: str, run: Path) -> DataError:
    return DataError(
        f"{what}.",
        where=str(run / NUMBERS_FILE),
        next_step="Put back what was changed, or begin a new run with this recipe.",
    )
