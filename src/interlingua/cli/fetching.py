"""The list of what can be fetched, and the display while it comes; data and weights share both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from interlingua.cli.output import answers, note, notices, number_of_bytes, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.catalogue.cache import Progress as Notice
    from interlingua.catalogue.entry import Entry, Report
    from interlingua.data.source import Source

STATES = {"cached": "[green]cached[/]", "installed": "[green]installed[/]", "absent": "[dim]-[/]"}


def open_source(source: str, **options: Any) -> Source:
    """A source by its name or its place; fetched if it is one of the catalogue's that isn't here.

    Args:
        source: as it was typed.
        options: of the source.

    Raises:
        ConfigError: it has no such options.
        DataError: there is no such source.
        FetchError: it can't be fetched.
    """
    from interlingua import data

    with fetch_display() as progress:
        if source in {entry.name for entry in data.catalogue()}:
            data.get(source, progress=progress)
    return data.open_source(source, **options)


def list_entries(entries: Iterable[Entry], *, json: bool) -> None:
    """Print a catalogue: name, state, size, licence, what it is, where it comes from."""
    rows = list(entries)
    if json:
        print_json([as_json(entry) for entry in rows])
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("name", "here", "download", "licence", "what it is"):
        table.add_column(name, no_wrap=name in ("name", "here", "download"), overflow="fold")
    for entry in rows:
        sources = [*entry.sources, *([f"--source hub: {entry.hub}"] if entry.hub else [])]
        about = escape(entry.summary) + "".join(f"\n[dim]{escape(line)}[/]" for line in sources)
        size = number_of_bytes(entry.num_bytes)
        table.add_row(f"[bold]{entry.name}[/]", STATES[entry.state()], size, entry.licence, about)
    answers().print(table, highlight=False)


def as_json(entry: Entry) -> dict[str, Any]:
    """What ``list --json`` says of an entry."""
    return {
        "name": entry.name,
        "state": entry.state(),
        "location": str(entry.location()),
        "download_bytes": entry.num_bytes,
        "licence": entry.licence,
        "summary": entry.summary,
        "sources": entry.sources,
        "hub": entry.hub,
    }


def get_entries(
    names: Sequence[str],
    known: Sequence[Entry],
    get: Callable[..., Path],
    get_all: Callable[..., dict[str, Path]],
    *,
    from_files: Sequence[Path],
    everything: bool,
    **options: Any,
) -> None:
    """Fetch entries and print the folder of each.

    Raises:
        ConfigError: no name, or package files for several entries.
        FetchError: an entry can't be had.
    """
    wanted = [entry.name for entry in known] if everything else list(names)
    if not wanted:
        raise ConfigError(
            "Nothing to fetch.",
            next_step=f"Name one or more of {', '.join(e.name for e in known)}, or give --all.",
        )
    if from_files and len(wanted) > 1:
        raise ConfigError(
            "--from gives the package files of one entry.", next_step="Name that entry alone."
        )
    with fetch_display() as progress:
        if len(wanted) == 1 or any(options.values()):
            places = {
                name: get(name, from_files=from_files, progress=progress, **options)
                for name in wanted
            }
        else:
            places = get_all(wanted, progress=progress)
    for name, place in places.items():
        installed = place == Path("/")  # nothing was fetched, the system has it
        print_text(f"{name}: {'read where the system has it installed' if installed else place}")


def verify_entries(
    names: Sequence[str], known: Sequence[Entry], verify: Callable[[str], Report]
) -> None:
    """Verify the named entries, or all that are cached, and print each result.

    Raises:
        FetchError: a named entry is unknown or has not been fetched.
        Exit: with 1, when a file is missing or changed.
    """
    wanted = list(names) or [entry.name for entry in known if entry.state() == "cached"]
    if not wanted:
        note("Nothing is in the cache yet.")
    reports = [verify(name) for name in wanted]
    for report in reports:
        show_report(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def show_report(report: Report) -> None:
    """Print the result of a verification."""
    if report.ok:
        print_text(f"{report.name}: {report.num_files} files are as they were fetched.")
        return
    print_text(f"{report.name}: {len(report.problems)} problems in {report.location}")
    for problem in report.problems:
        print_text(f"  {problem}")


@contextmanager
def fetch_display() -> Iterator[Notice]:
    """Bars in a terminal, one line for each message elsewhere; both on standard error."""
    console = notices()
    if not console.is_terminal:
        yield _lines
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        lock = threading.Lock()  # several entries come at once

        def show(message: str, done: int = 0, total: int = 0) -> None:
            with lock:
                if not total:
                    bars.console.print(escape(message), highlight=False)
                    return
                if message not in tasks:
                    tasks[message] = bars.add_task(escape(message), total=total)
                bars.update(tasks[message], completed=done, total=total)

        yield show


def _lines(message: str, done: int = 0, total: int = 0) -> None:
    if not done:
        note(message)
