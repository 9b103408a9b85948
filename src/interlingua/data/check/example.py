"""Samples that stand for a count: a reader believes a number once he has seen some of it."""

from __future__ import annotations

from dataclasses import dataclass

EXAMPLES = 12  # of one thing, in JSON and on the page


@dataclass(frozen=True, slots=True)
class Example:
    """One sample, and why it is shown.

    Attributes:
        key: of the sample.
        note: what was found in it: a reason, a text, a file.
        place: of the sample in the source, for the page.
    """

    key: str
    note: str
    place: int
