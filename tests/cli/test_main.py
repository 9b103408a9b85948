from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import typer
from typer.main import get_command

from interlingua.cli.main import app

VERBS = {
    "demo",
    "doctor",
    "train",
    "eval",
    "report page",
    "report compare",
    "recipes list",
    "recipes show",
    "embed",
    "classify",
    "zero-shot",
    "probe",
    "finetune",
    "fusion compare",
    "fusion list",
    "fusion predict",
    "index build",
    "index compact",
    "index info",
    "index remove",
    "index verify",
    "search",
    "data list",
    "data get",
    "data verify",
    "data show",
    "data filter",
    "data check",
    "data split",
    "data shards",
    "weights list",
    "weights get",
    "weights verify",
    "weights convert",
    "weights export",
}


def commands() -> dict[str, object]:
    """Every verb with its click command."""
    found = {}
    for name, command in get_command(app).commands.items():
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = leaf
    return found


def test_the_verbs_are_these() -> None:
    assert set(commands()) == VERBS


def test_every_verb_shows_an_example_of_itself() -> None:
    for verb, command in commands().items():
        assert f"interlingua {verb}" in command.help, f"{verb} has no example"


def test_every_option_says_what_it_is() -> None:
    for verb, command in commands().items():
        for parameter in command.params:
            if parameter.name != "recipe" or verb != "train":
                assert getattr(parameter, "help", None), f"{verb}: {parameter.name} has no help"


def test_help_of_every_verb_prints(interlingua) -> None:
    for verb in VERBS:
        ended = interlingua(*verb.split(), "--help")
        assert (ended.code, ended.err) == (0, "")
        assert "Usage: interlingua" in ended.out


def test_exit_codes_are_in_the_help(interlingua) -> None:
    assert "70 a bug" in interlingua("--help").out


def test_version_is_the_package_version(interlingua) -> None:
    assert interlingua("--version").out == f"interlingua {metadata.version('interlingua')}\n"


def test_wrong_verb_names_the_nearest(interlingua) -> None:
    ended = interlingua("serch")
    assert ended.code == 2
    assert "search" in ended.err


def test_wrong_option_is_a_usage_error(interlingua) -> None:
    ended = interlingua("data", "list", "--jsno")
    assert ended.code == 2
    assert "--json" in ended.err


def test_python_m_is_the_same_program() -> None:
    command = [sys.executable, "-m", "interlingua", "data", "get", "nothing-like-it"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: There is no data called 'nothing-like-it'")
    assert ended.stdout == ""


def test_typer_shows_no_traceback_of_its_own() -> None:
    assert isinstance(app, typer.Typer)
    assert app.pretty_exceptions_enable is False
