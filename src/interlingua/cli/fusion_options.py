"""The options of ``interlingua fusion``, named so that the verbs' own lines stay readable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Columns = list[str] | None

# the groups of the help of ``fusion compare``
COLUMNS = "A table of your own: its columns"
ROWS = "A table of your own: its rows"
COMPARED = "What is compared"

TaskArgument = Annotated[
    str | None, typer.Argument(metavar="TASK", help="A name from `fusion list`; none with --data.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="A table of your own: .csv, .tsv or .jsonl.",
        rich_help_panel=COLUMNS,
    ),
]
LabelOption = Annotated[
    str,
    typer.Option(
        "--label",
        metavar="COLUMN",
        help="Of the table: what is to be told.",
        rich_help_panel=COLUMNS,
    ),
]
PictureOption = Annotated[
    _Columns,
    typer.Option(
        "--picture",
        metavar="COLUMN",
        help="It names pictures; may be repeated.",
        rich_help_panel=COLUMNS,
    ),
]
SoundOption = Annotated[
    _Columns,
    typer.Option("--sound", metavar="COLUMN", help="It names sounds.", rich_help_panel=COLUMNS),
]
SpeechOption = Annotated[
    _Columns,
    typer.Option(
        "--speech", metavar="COLUMN", help="It names recordings of speech.", rich_help_panel=COLUMNS
    ),
]
TextOption = Annotated[
    _Columns,
    typer.Option(
        "--text", metavar="COLUMN", help="It holds words, or categories.", rich_help_panel=COLUMNS
    ),
]
NumberOption = Annotated[
    _Columns,
    typer.Option(
        "--number",
        metavar="COLUMN",
        help="It holds numbers; what is none counts as missing.",
        rich_help_panel=COLUMNS,
    ),
]
NumberGroupOption = Annotated[
    _Columns,
    typer.Option(
        "--number-group",
        metavar="NAME=A,B",
        help="Columns of numbers that are a modality of their own; the others are one together.",
        rich_help_panel=COLUMNS,
    ),
]
LeaveOutOption = Annotated[
    _Columns,
    typer.Option(
        "--leave-out", metavar="COLUMN", help="It is not looked at.", rich_help_panel=COLUMNS
    ),
]
GroupOption = Annotated[
    str,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="Rows with the same value are not divided; else those with the same text or file.",
        rich_help_panel=ROWS,
    ),
]
TestColumnOption = Annotated[
    str,
    typer.Option(
        "--test-column",
        metavar="COLUMN",
        help="It says `test` in the rows to test on.",
        rich_help_panel=ROWS,
    ),
]
SplitOption = Annotated[
    float,
    typer.Option(
        "--split",
        metavar="X",
        min=0.0,
        max=0.9,
        help="Test on this share, once; else in folds.",
        rich_help_panel=ROWS,
    ),
]
MinRowsOption = Annotated[
    int,
    typer.Option(
        "--min-rows",
        metavar="N",
        min=0,
        help="Leave classes with fewer out; 0 = refuse them.",
        rich_help_panel=ROWS,
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="FOLDER",
        help="What paths in the table start from; its own folder if none.",
    ),
]
FusionsOption = Annotated[
    str,
    typer.Option(
        "--fusions",
        metavar="A,B,C",
        help="From `fusion list`; all if none.",
        rich_help_panel=COMPARED,
    ),
]
SeedsOption = Annotated[
    str,
    typer.Option(
        "--seeds",
        metavar="N",
        help="How many, or which: 3 is the same as 0,1,2.",
        rich_help_panel=COMPARED,
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick", help="A small budget, to see that it works: minutes.", rich_help_panel=COMPARED
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes", metavar="N", min=0, help="Runs at a time; 0 = one for each processor."
    ),
]
DropoutOption = Annotated[
    str,
    typer.Option(
        "--dropout",
        metavar="WHICH",
        help="Train fusions with modality dropout too: all, some (the first seed; the default) or "
        "none (the default of --quick).",
        rich_help_panel=COMPARED,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Of the comparison: runs/fusion-TASK by default."),
]
SetOption = Annotated[
    _Columns,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the task, such as steps=500 or folds=3.",
        rich_help_panel=COMPARED,
    ),
]
ComparisonArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Of a comparison on a table of your own.")
]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method", metavar="NAME", help="Whose models answer; the best fusion's if none."
    ),
]
AnswersOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.csv", help="Write the answers there.")
]
