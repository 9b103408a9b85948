"""What models of a comparison say of new rows: as plain rows, as CSV, and on the terminal."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from interlingua.cli.output import answers, note
from interlingua.errors import DataError

if TYPE_CHECKING:
    from interlingua.comparison.own_table.answers import OwnAnswers

SHOWN_ANSWERS = 20


def answer_rows(found: OwnAnswers) -> list[dict[str, Any]]:
    """An object for each row of the table."""
    rows = []
    for place, line in enumerate(found.lines):
        answer, chance = found.answer(place)
        known = not math.isnan(chance)
        rows.append(
            {
                "line": line,
                "answer": answer or None,
                "probability": chance if known else None,
                "probabilities": {
                    name: float(value)
                    for name, value in zip(found.classes, found.chances[place], strict=True)
                }
                if known
                else {},
            }
        )
    return rows


def write_answers(out: Path, found: OwnAnswers, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write answers as CSV: line, answer, its probability, the probability of each class.

    Raises:
        DataError: the file can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "answer", "probability", *found.classes])
            for row in rows:
                chances = [f"{row['probabilities'][name]:.6f}" for name in found.classes
                           if row["probabilities"]]  # fmt: skip
                first = "" if row["probability"] is None else f"{row['probability']:.6f}"
                writer.writerow([row["line"], row["answer"] or "", first, *chances])
    except OSError as error:
        raise DataError(
            f"The answers can't be written: {error.strerror}.", where=str(out)
        ) from error


def show_answers(rows: Sequence[Mapping[str, Any]]) -> None:
    """The first answers as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("line", "answer", "probability"):
        table.add_column(head, justify="left" if head == "answer" else "right")
    for row in rows[:SHOWN_ANSWERS]:
        chance = "" if row["probability"] is None else f"{row['probability']:.0%}"
        table.add_row(str(row["line"]), Text(row["answer"] or "–"), chance)
    answers().print(table, highlight=False)
    if len(rows) > SHOWN_ANSWERS:
        note(f"{len(rows) - SHOWN_ANSWERS} more: --out FILE.csv writes them all.")


def rightness(found: OwnAnswers) -> str:
    """How many answers are right, where the table tells."""
    from interlingua.evaluate.intervals import wilson

    pairs = [(truth, found.answer(row)[0]) for row, truth in enumerate(found.truth) if truth]
    right = sum(truth == answer for truth, answer in pairs)
    rate = wilson(right, len(pairs))
    return f"Of {len(pairs)} rows with a label {right} are answered rightly: {rate:.1%}."
