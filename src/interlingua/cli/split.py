"""``interlingua data split SOURCE --out DIR``: training and test that share no thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interlingua.cli import fetching
from interlingua.cli.options import JsonOption, SourceArgument, source_settings
from interlingua.cli.output import note, notices, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.source import Source
    from interlingua.data.split_files import WrittenSplit


def split(
    source: SourceArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new folder for the manifests.")],
    test: Annotated[
        str, typer.Option(metavar="N", help="Samples to test on: a number, or a share of all.")
    ] = "10%",
    valid: Annotated[
        str, typer.Option(metavar="N", help="Samples to choose settings by; none if not given.")
    ] = "0",
    views: Annotated[
        str, typer.Option(metavar="VIEWS", help="Samples held out have these: image,text for one.")
    ] = "",
    seed: Annotated[int, typer.Option(metavar="N", help="Which things are held out.")] = 0,
    settings: Annotated[list[str] | None, source_settings("source.titles=raw")] = None,
    json: JsonOption = False,
) -> None:
    """Cut a source into training and test by component: no thing is on both sides.

    Things of one name, of one drawing, of one recording, or of one `component` that the source
    gives are kept together. The manifests `train.jsonl`, `test.jsonl` (and `valid.jsonl`) name the
    files where they are, hold everything else, and are sources like any other. The same seed gives
    the same split.

    Examples:
    ```
    interlingua data split my/pictures --out split
    interlingua data split stamps --out split --test 200 --valid 5% --views image,text
    interlingua data check split/train.jsonl --test split/test.jsonl
    ```
    """
    wanted = tuple(view.strip() for view in views.split(",") if view.strip())
    opened = fetching.open_source(source, **_options(settings or []))
    written = _write(opened, out, {"test": test, "valid": valid}, wanted, seed)
    if json:
        print_json(as_json(written))
    else:
        show(written)


def as_json(written: WrittenSplit) -> dict[str, Any]:
    """What ``--json`` prints."""
    from interlingua.data.source import count_reasons

    sides = {
        name: {
            "path": str(written.folder / side.path.name),
            "samples": side.samples,
            "components": side.components,
        }
        for name, side in written.sides.items()
    }
    return {
        "out": str(written.folder),
        "sides": sides,
        "copied": written.copied,
        "left_out": count_reasons(written.left_out),
    }


def show(written: WrittenSplit) -> None:
    """The sides for people."""
    from interlingua.data.source import count_reasons

    for name, side in written.sides.items():
        path = written.folder / side.path.name
        print_text(f"{path}: {side.samples:,} samples, {side.components:,} things")
        if name == "removed":
            note("Removed: of a thing that is held out, without the wanted views.")
    if written.copied:
        place = written.folder / "media"
        print_text(f"{written.copied:,} media were no files of their own; they are in {place}.")
    for reason, count in count_reasons(written.left_out).items():
        print_text(f"left out: {count:,}: {reason}")


def _options(settings: Sequence[str]) -> dict[str, Any]:
    """The options of the source.

    Raises:
        ConfigError: they are for something else.
    """
    from interlingua.cli.filters import SOURCE, read_setting

    options = {}
    for setting in settings:
        of, key, value = read_setting(setting, SOURCE)
        if of != SOURCE:
            raise ConfigError(
                f"{setting!r} is no setting of the source.",
                next_step="Write --set source.key=value.",
            )
        options[key] = value
    return options


def _write(
    source: Source, out: Path, sizes: dict[str, str], views: tuple[str, ...], seed: int
) -> WrittenSplit:
    from interlingua.data.split_files import split_source

    note(f"{source.name}: {len(source):,} samples; looking for things that appear twice ...")
    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("writing", total=len(source))
        return split_source(
            source,
            out,
            sizes,
            views=views,
            seed=seed,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
