"""docs/commands.md is what the program says of itself: no option comes or goes unseen.

After a change that is meant: INTERLINGUA_UPDATE=1 python -m pytest tests/cli/test_commands_page.py
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from interlingua.cli import failures
from interlingua.cli.main import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

HEAD = """# The commands

Made from the program's own help by `tests/cli/test_commands_page.py`; `interlingua VERB --help`
prints the same. Answers go to standard output, progress and messages to standard error, so `--json`
and `>` get the answer alone.

"""


def page() -> str:
    codes = inspect.cleandoc(failures.__doc__ or "").splitlines()
    rows = [line.split(maxsplit=1) for line in codes if line[:1].isdigit()]
    table = [f"| {code} | {meaning} |" for code, meaning in rows]
    sections = [section(verb, command) for verb, command in leaves()]
    exit_codes = "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *table, ""])
    return HEAD + "\n".join([*sections, exit_codes])


def leaves() -> Iterator[tuple[str, Any]]:
    for name, command in get_command(app).commands.items():
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), leaf


def section(verb: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(
        f"{p.metavar or p.name.upper()}{'...' if p.nargs == -1 else ''}"
        if p.required
        else f"[{p.metavar or p.name.upper()}{'...' if p.nargs == -1 else ''}]"
        for p in arguments
    )
    help_text = inspect.cleandoc(command.help).replace("```\ninterlingua", "```text\ninterlingua")
    title = f"interlingua {verb} {usage}".rstrip()  # as code: [A] [B] would be a link
    lines = [f"## `{title}`", "", help_text, ""]
    if rows := [row(parameter) for parameter in [*arguments, *options]]:
        lines += ["| | | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        name = ", ".join(parameter.opts)
        name += "" if parameter.is_flag else f" {parameter.metavar or 'VALUE'}"
    default = parameter.default
    shown = "" if default is None or default is False else f"`{default}`"
    return f"| `{name}` | {parameter.help} | {'required' if parameter.required else shown} |"


def test_the_page_is_the_help() -> None:
    if os.environ.get("INTERLINGUA_UPDATE") == "1":
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page()
