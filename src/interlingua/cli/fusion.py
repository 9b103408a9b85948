"""``interlingua fusion compare|list|predict``: where should modalities meet, on this task?"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli import fusion_options as options
from interlingua.cli.fusion_answers import answer_rows, rightness, show_answers, write_answers
from interlingua.cli.options import JsonOption
from interlingua.cli.output import answers, note, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.config import NamedConfig

app = typer.Typer(
    help="Compare early, late and cross-modal fusion on one task, or on a table of your own.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

RUNS = Path("runs")
DROPOUTS = ("all", "some", "none")
PAGE_FILE = "report.html"


@app.command("compare")
def compare(
    task: options.TaskArgument = None,
    data: options.DataOption = None,
    label: options.LabelOption = "",
    picture: options.PictureOption = None,
    sound: options.SoundOption = None,
    speech: options.SpeechOption = None,
    text: options.TextOption = None,
    number: options.NumberOption = None,
    number_group: options.NumberGroupOption = None,
    leave_out: options.LeaveOutOption = None,
    group: options.GroupOption = "",
    test_column: options.TestColumnOption = "",
    split: options.SplitOption = 0.0,
    min_rows: options.MinRowsOption = 0,
    root: options.RootOption = None,
    fusions: options.FusionsOption = "",
    seeds: options.SeedsOption = "1",
    dropout: options.DropoutOption = "",
    quick: options.QuickOption = False,
    changes: options.SetOption = None,
    processes: options.ProcessesOption = 0,
    out: options.OutOption = None,
    json: JsonOption = False,
) -> None:
    """Train fusions and single modalities with one budget, and compare what they are worth.

    All methods have about as many parameters, the same data and steps. The table says what each
    gains over the best single modality, at what cost, and how it fares when a modality gets worse
    or is missing; FOLDER/report.html shows it in charts. The same command goes on where an
    earlier one stopped.

    In a table of your own each column that names pictures or sounds, or holds text, is a modality;
    columns of numbers are one together. What a column holds is found by looking at it.

    Examples:
    ```
    interlingua fusion compare synergy --quick
    interlingua fusion compare complement --fusions early,late_average,bottleneck --seeds 3
    interlingua fusion compare --data my.csv --label kind --group patient
    ```
    """
    dropout = dropout or ("none" if quick else "some")
    if dropout not in DROPOUTS:
        raise ConfigError(f"--dropout is {', '.join(DROPOUTS)}, not {dropout!r}.")
    own: dict[str, Any] = {
        "label": label, "pictures": picture, "sounds": sound, "speech": speech, "texts": text,
        "numbers": number, "number_groups": number_group, "leave_out": leave_out, "group": group,
        "test_column": test_column, "test_share": split, "min_rows": min_rows, "root": root,
    }  # fmt: skip
    settings = task_settings(task, data, own, quick=quick, changes=changes or [])
    folder = out or RUNS / f"fusion-{task or (data.stem if data else '')}"
    run_comparison(
        settings, folder, split_names(fusions), parse_seeds(seeds), processes, dropout, json=json
    )


@app.command("list")
def list_parts(json: JsonOption = False) -> None:
    """List the fusions and the tasks, with what each is in one line.

    Example: `interlingua fusion list`
    """
    found = {
        "fusions": about("interlingua.fusion"),
        "tasks": about("interlingua.comparison.tasks"),
    }
    if json:
        print_json(found)
        return
    for kind, rows in found.items():
        print_text(kind)
        table = Table.grid(padding=(0, 2))
        for row in rows:
            table.add_row(f"  [bold]{row['name']}[/]", Text(row["about"]))
        answers().print(table, highlight=False)


@app.command("predict")
def predict(
    folder: options.ComparisonArgument,
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="New rows: .csv, .tsv or .jsonl.")
    ],
    method: options.MethodOption = "",
    out: options.AnswersOption = None,
    root: options.RootOption = None,
    json: JsonOption = False,
) -> None:
    """Answer for new rows, with the models that a comparison on your own table has trained.

    The models of all folds and seeds answer together. A column that is missing, or a file that
    can't be read, is a modality less; a row with nothing gets no answer.

    Examples:
    ```
    interlingua fusion predict runs/fusion-my --data new.csv --out answers.csv
    interlingua fusion predict runs/fusion-my --data new.csv --method bottleneck+dropout --json
    ```
    """
    from interlingua.catalogue.cache import to_stderr
    from interlingua.comparison.own_table.answers import answers_for
    from interlingua.comparison.result import read_comparison

    comparison = read_comparison(folder / "comparison.json")
    found = answers_for(folder, comparison, data, root=root, method=method, progress=to_stderr)
    for line in found.notes:
        note(line)
    rows = answer_rows(found)
    if out is not None:
        write_answers(out, found, rows)
        models = "1 model" if found.models == 1 else f"{found.models} models"
        note(f"{len(rows):,} answers of {found.method} ({models}) are in {out}.")
    if json:
        print_json({"method": found.method, "models": found.models, "answers": rows})
    elif out is None:
        show_answers(rows)
    if any(found.truth):
        note(rightness(found))


def task_settings(
    task: str | None,
    data: Path | None,
    own: Mapping[str, Any],
    *,
    quick: bool,
    changes: Sequence[str],
) -> NamedConfig:
    """The settings of the task that the command line names.

    Raises:
        ConfigError: neither or both of a task and a table, an option of the other, or an unknown
            setting.
    """
    import yaml

    from interlingua.config import resolve, validate

    if (task is None) == (data is None):
        raise ConfigError(
            "Name a task, or a table of your own." if task is None else "Name one of the two.",
            next_step="interlingua fusion compare TASK (see `interlingua fusion list`), or "
            "--data FILE --label COLUMN.",
        )
    given = {name: value for name, value in own.items() if value}
    if data is not None:
        if not own["label"]:
            raise ConfigError("No label is named.", next_step="--label COLUMN says what to tell.")
        settings = {"name": "table", "path": data, **given}
    else:
        if given:
            raise ConfigError(f"--{next(iter(given))} is for a table of your own: --data FILE.")
        settings = {"name": task}
    if quick:
        settings["quick"] = True
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise ConfigError(f"{change!r} is not a change.", next_step="Write --set KEY=VALUE.")
        try:
            settings[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{text!r} is not a YAML value.", where=change) from error
    name = str(settings["name"])
    found: NamedConfig = validate(
        resolve("comparison.tasks", name).Config, settings, f"task {name}"
    )
    return found


def run_comparison(
    settings: NamedConfig,
    folder: Path,
    fusions: Sequence[str],
    seeds: Sequence[int],
    processes: int,
    dropout: Any,
    *,
    json: bool,
) -> None:
    """Compare, write the page, print the table."""
    from interlingua.cli.fusion_table import show_comparison
    from interlingua.comparison.engine import compare as compare_fusions
    from interlingua.comparison.own_table.answers import keep_schema
    from interlingua.comparison.tasks.table import Table as OwnTable
    from interlingua.report.fusion import fusion_page
    from interlingua.train.log import display_for

    schema = OwnTable(settings).schema if isinstance(settings, OwnTable.Config) else None
    display = display_for()
    try:
        comparison = compare_fusions(
            settings,
            out=folder,
            fusions=fusions,
            seeds=seeds,
            processes=processes,
            display=display,
            dropout=dropout,
        )
    finally:
        display.stop()
    if schema is not None:
        keep_schema(folder, schema)
    data = comparison.to_json()
    page = fusion_page(folder / PAGE_FILE, data)
    if json:
        print_json(data)
        return
    show_comparison(data)
    print_text(f"Look at it: {page}")
    if schema is not None:
        print_text(f"Answers for new rows: interlingua fusion predict {folder} --data NEW.csv")


def about(package: str) -> list[dict[str, str]]:
    """The parts of a folder by name, with the first sentence of what each says of itself."""
    rows = []
    for name, path in sorted(importlib.import_module(package).TABLE.items()):
        module_name, _, attribute = path.partition(":")
        module = importlib.import_module(module_name)
        said = inspect.getdoc(getattr(module, attribute)) or ""
        if not said or said.startswith("See the module"):
            said = inspect.getdoc(module) or ""
        rows.append({"name": name, "about": said.partition("\n\n")[0].replace("\n", " ")})
    return rows


def split_names(text: str) -> list[str]:
    """``a, b`` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` is 0, 1, 2; ``1,5`` is 1 and 5.

    Raises:
        ConfigError: no whole numbers, or none at all.
    """
    try:
        numbers = [int(one) for one in split_names(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (numbers == [0] and "," not in text):
        raise ConfigError(
            f"{text!r} are no seeds.", next_step="--seeds 3 for three of them, or --seeds 0,1,2."
        )
    return tuple(numbers) if "," in text else tuple(range(numbers[0]))
