"""Classification at a terminal: figures, a row for each class, the commonest mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from interlingua.cli.output import answers, print_text

if TYPE_CHECKING:
    from interlingua.evaluate.classification import Classification

MOST_ROWS = 30  # more classes are too many to read; the page and the JSON have them all
HARDEST = 8
MISTAKES = 5


def show_classification(
    result: Classification, *, blank: float | None = None, noun: str = "picture"
) -> None:
    """Figures, the classes and the commonest mistakes.

    Args:
        result: what was measured.
        blank: accuracy with one thing that shows nothing in place of all.
        noun: what was classified.
    """
    from interlingua.evaluate.confusion import mistakes

    table = Table()
    for column in ("", "accuracy [95 %]", "chance", "shuffled"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for k, value in result.accuracy.items():
        control = f"{result.control[k].value:.3f}"
        table.add_row(f"top-{k}", Text(f"{value:.3f}"), f"{result.chance[k]:.3f}", control)
    chance = f"{1 / len(result.names):.3f}"
    table.add_row("balanced", Text(f"{result.balanced:.3f}"), chance, "")
    answers().print(table, highlight=False)
    extra = [f"commonest class {result.majority:.3f}"]
    if blank is not None:
        extra.append(f"blank {noun} {blank:.3f}")
    if result.calibration is not None:
        extra.append(f"calibration error {result.calibration.error:.3f}")
    print_text(f"N {result.n:,}, {len(result.names):,} classes; {', '.join(extra)}")
    seen = [row for row in result.rows if row.recall is not None]
    if len(seen) <= MOST_ROWS:
        answers().print(class_table(result), highlight=False)
    else:
        hard = sorted(seen, key=lambda row: row.recall.value if row.recall else 0)[:HARDEST]
        print_text(
            "hardest: " + ", ".join(f"{row.name} {row.recall:.2f} (N {row.n})" for row in hard)
        )
    for one in mistakes(result.matrix, MISTAKES):
        true, taken = result.names[one.true], result.names[one.taken_for]
        print_text(f"  {true} taken for {taken}: {one.count} ({one.share:.0%})")


def class_table(result: Classification) -> Table:
    """One row for each class: how many of it are found, how many of what is taken for it are it."""
    table = Table()
    table.add_column("class", overflow="fold")
    for column in ("N", "found [95 %]", "right among those taken for it"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("else mostly taken for", overflow="fold")
    for number, row in enumerate(result.rows):
        wrong = result.matrix[number].copy()
        wrong[number] = 0
        other = int(wrong.argmax())
        mostly = f"{result.names[other]} {wrong[other] / row.n:.0%}" if wrong[other] else ""
        table.add_row(
            Text(row.name),
            f"{row.n:,}",
            Text("no example" if row.recall is None else f"{row.recall:.2f}"),
            "–" if row.precision is None else f"{row.precision:.2f}",
            Text(mostly),
        )
    return table
