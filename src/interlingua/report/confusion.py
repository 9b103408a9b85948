"""A confusion matrix as a picture: what is taken for what, one row per true class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interlingua.evaluate.confusion import IntArray, mistakes
from interlingua.report.html import Child, Html, element, join, words

MOST_CLASSES = 40  # more make cells that nobody can point at
_LABEL, _TOP = 150, 118
_CHARACTERS = 21


def confusion_section(matrix: IntArray, names: Sequence[str]) -> Html:
    """The matrix drawn, and its commonest mistakes in words.

    Of more than ``MOST_CLASSES`` classes those with the most mistakes are drawn.

    Args:
        matrix: [C, C] counts, row = true.
        names: [C].
    """
    chosen = _chosen(matrix)
    part = matrix[np.ix_(chosen, chosen)]
    shown = [names[number] for number in chosen]
    note = None
    if len(chosen) < len(names):
        note = element(
            "p",
            f"The {len(chosen)} classes with the most mistakes, of {len(names)}.",
            class_="note",
        )
    totals = matrix.sum(1)[chosen]
    return join(note, _picture(part, totals, shown), _commonest(matrix, names))


def _chosen(matrix: IntArray) -> list[int]:
    if len(matrix) <= MOST_CLASSES:
        return list(range(len(matrix)))
    wrong = matrix.sum(0) + matrix.sum(1) - 2 * np.diag(matrix)
    return sorted(np.argsort(-wrong, kind="stable")[:MOST_CLASSES].tolist())


def _picture(matrix: IntArray, totals: IntArray, names: Sequence[str]) -> Html:
    cell = max(11, min(26, 620 // len(names)))
    side = cell * len(names)
    parts: list[Child] = [
        element("rect", x=_LABEL, y=_TOP, width=side, height=side, class_="plane")
    ]
    for row, name in enumerate(names):
        middle = _TOP + cell * (row + 0.5)
        parts.append(
            element("text", _short(name), x=_LABEL - 6, y=f"{middle + 4:.1f}", class_="row")
        )
        x = _LABEL + cell * (row + 0.5) + 4
        turn = f"rotate(-60 {x:.1f} {_TOP - 6})"
        parts.append(element("text", _short(name), x=f"{x:.1f}", y=_TOP - 6, transform=turn))
        for column in np.flatnonzero(matrix[row]).tolist():
            count = int(matrix[row, column])
            share = count / max(int(totals[row]), 1)
            parts.append(
                element(
                    "rect",
                    element("title", f"{name} taken for {names[column]}: {count} ({share:.0%})"),
                    x=_LABEL + cell * column,
                    y=_TOP + cell * row,
                    width=cell - 1,
                    height=cell - 1,
                    fill_opacity=f"{0.12 + 0.88 * share:.2f}",
                    class_="right" if row == column else "wrong",
                )
            )
    right = int(np.trace(matrix))
    return element(
        "svg",
        parts,
        viewBox=f"0 0 {_LABEL + side + 90} {_TOP + side + 4}",
        style=f"max-width:{_LABEL + side + 90}px",
        role="img",
        aria_label=f"Confusion of {len(names)} classes: {right} of {int(matrix.sum())} are right.",
        class_="confusion",
    )


def _commonest(matrix: IntArray, names: Sequence[str]) -> Html | None:
    found = mistakes(matrix, 12)
    if not found:
        return element("p", "No picture was taken for another class.", class_="note")
    items = [
        element(
            "li",
            words(names[one.true], longest=40),
            " taken for ",
            words(names[one.taken_for], longest=40),
            element("small", f" {one.count} ({one.share:.0%})"),
        )
        for one in found
    ]
    return element("ol", items, class_="mistakes")


def _short(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…"
