"""What a run says while it goes: a live display, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table


class Display(Protocol):
    """Is told of everything that a person at the terminal wants to see."""

    def start(self, total_steps: int, done: int) -> None:
        """Training begins, or goes on after ``done`` steps."""

    def advance(self, step: int) -> None:
        """A step is done."""

    def show(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl."""

    def work(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` items of some preparation are through."""

    def note(self, message: str) -> None:
        """Something that must not be overlooked."""

    def stop(self) -> None:
        """Training ended."""


class Silent:
    """Shows nothing."""

    def work(self, what: str, done: int, total: int) -> None:
        """See ``Display``."""

    def start(self, total_steps: int, done: int) -> None:
        """See ``Display``."""

    def advance(self, step: int) -> None:
        """See ``Display``."""

    def show(self, row: Mapping[str, Any]) -> None:
        """See ``Display``."""

    def note(self, message: str) -> None:
        """See ``Display``."""

    def stop(self) -> None:
        """See ``Display``."""


class Lines:
    """One plain line for each row, at most one every ``seconds`` seconds, for files and CI."""

    def __init__(self, console: Console | None = None, seconds: float = 5.0):
        self.console = console or Console(file=sys.stderr, soft_wrap=True, highlight=False)
        self.seconds = seconds
        self._clock = _TimeLeft()
        self._last = float("-inf")
        self._total = 0
        self._what, self._work = "", _TimeLeft()

    def start(self, total_steps: int, done: int) -> None:
        """See ``Display``."""
        self._total = total_steps
        self._clock = _TimeLeft(total_steps, done)

    def advance(self, step: int) -> None:
        """See ``Display``."""
        self._clock.step = step

    def show(self, row: Mapping[str, Any]) -> None:
        """See ``Display``."""
        now = time.monotonic()
        if row.get("kind") != "train" or now - self._last >= self.seconds:
            self._last = now
            left = self._clock.left()
            self.console.print(
                f"step {row['step']}/{self._total}  {describe(row)}"
                + (f"  left {left}" if left else ""),
                markup=False,
            )

    def work(self, what: str, done: int, total: int) -> None:
        """See ``Display``."""
        if what != self._what:
            self._what, self._work = what, _TimeLeft(total, done)
        self._work.step = done
        now = time.monotonic()
        if done >= total or now - self._last >= self.seconds:
            self._last = now
            left = self._work.left() if done < total else ""
            self.console.print(
                f"{what}: {done:,}/{total:,}" + (f"  left {left}" if left else ""), markup=False
            )

    def note(self, message: str) -> None:
        """See ``Display``."""
        self.console.print(message, markup=False)

    def stop(self) -> None:
        """See ``Display``."""


class LiveDisplay:
    """A bar with rate and time left, and the newest losses under it."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self._clock = _TimeLeft()
        self._live: Live | None = None
        self._what, self._work = "", _TimeLeft()
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left {task.fields[left]}"),
            console=self.console,
        )
        self._task: TaskID | None = None

    def start(self, total_steps: int, done: int) -> None:
        """See ``Display``."""
        self._clock = _TimeLeft(total_steps, done)
        self._task = self._progress.add_task("train", total=total_steps, completed=done, left="…")
        self._live = Live(self._page(), console=self.console, refresh_per_second=4)
        self._live.start()

    def advance(self, step: int) -> None:
        """See ``Display``."""
        self._clock.step = step
        if self._task is not None:
            self._progress.update(self._task, completed=step, left=self._clock.left() or "…")

    def show(self, row: Mapping[str, Any]) -> None:
        """See ``Display``."""
        self._rows[str(row.get("kind"))] = row
        if self._task is not None and row.get("stage"):
            self._progress.update(self._task, description=str(row["stage"]))
        if self._live is not None:
            self._live.update(self._page())

    def work(self, what: str, done: int, total: int) -> None:
        """See ``Display``."""
        if what != self._what:
            self._what, self._work = what, _TimeLeft(total, done)
            self._task = self._progress.add_task(what, total=total, completed=done, left="…")
        self._work.step = done
        if self._task is not None:
            left = self._work.left() if done < total else "0:00"
            self._progress.update(self._task, completed=done, left=left or "…")
        if self._live is None:
            self._live = Live(self._progress, console=self.console, refresh_per_second=4)
            self._live.start()
        if done >= total:
            self.stop()

    def note(self, message: str) -> None:
        """See ``Display``."""
        self.console.print(message, markup=False, highlight=False)

    def stop(self) -> None:
        """See ``Display``."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            for task in self._progress.task_ids:  # what is printed already isn't drawn again
                self._progress.remove_task(task)
            self._rows.clear()

    def _page(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for kind, row in self._rows.items():
            table.add_row(f"[dim]{kind}", describe(row))
        return Group(self._progress, table)


def display_for(console: Console | None = None) -> Display:
    """Live on a terminal, plain lines elsewhere."""
    console = console or Console(stderr=True)
    return LiveDisplay(console) if console.is_terminal else Lines()


def describe(row: Mapping[str, Any]) -> str:
    """The figures of a row in one line."""
    if row.get("kind") == "train":
        parts = "  ".join(f"{name} {value:.3f}" for name, value in row["parts"].items())
        return (
            f"loss {row['loss']:.4f}  {parts}  rate {row['rate']:.0f}/s  "
            f"lr {row['learning_rate']:.1e}"
        )
    figures = row.get("figures", {})
    return "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if isinstance(value, (int, float, str))
    )


class _TimeLeft:
    """Steps that are left, at the rate since the start of this process."""

    def __init__(self, total: int = 0, done: int = 0):
        self.total = total
        self.first = self.step = done
        self.began = time.monotonic()

    def left(self) -> str:
        done = self.step - self.first
        if done < 1:
            return ""
        seconds = (time.monotonic() - self.began) / done * (self.total - self.step)
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
