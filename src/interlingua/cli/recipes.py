"""``interlingua recipes list|show``: what can be trained, and the whole description of one run."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.options import JsonOption
from interlingua.cli.output import answers, print_json, print_text

if TYPE_CHECKING:
    from interlingua.train.recipe import Recipe

app = typer.Typer(
    help="List the recipes, or print one in full.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE", help="Changes, such as stages.0.learning_rate=1e-3 or seed=2."
    ),
]


@app.command("list")
def list_recipes(json: JsonOption = False) -> None:
    """List the recipes with the first line of what they say of themselves.

    Example: `interlingua recipes list`
    """
    from interlingua.recipes import TABLE

    rows = [{"name": name, "about": first_line(docstring(path))} for name, path in TABLE.items()]
    if json:
        print_json(rows)
        return
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(f"[bold]{row['name']}[/]", Text(row["about"]))
    answers().print(table, highlight=False)


@app.command("show")
def show(
    recipe: Annotated[str, typer.Argument(help="A name, a .yaml file, or a run's folder.")],
    overrides: OverridesArgument = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="The small variant.")] = False,
) -> None:
    """Print a recipe as YAML, every default written out; the file trains by itself.

    Examples:
    ```
    interlingua recipes show demo
    interlingua recipes show demo seed=2 > mine.yaml && interlingua train mine.yaml
    ```
    """
    from interlingua.recipes import TABLE
    from interlingua.train.recipe import to_yaml

    for line in docstring(TABLE.get(recipe, "")).splitlines():
        print_text(f"# {line}".rstrip())
    print_text(to_yaml(read(recipe, overrides, tiny=tiny)).rstrip())


def read(recipe: str, overrides: list[str] | None, *, tiny: bool) -> Recipe:
    """The recipe of a name, file or folder with the command line's changes made.

    Raises:
        ConfigError: no such recipe, or a wrong change.
    """
    from interlingua.recipes import load_recipe
    from interlingua.train.recipe import apply_overrides

    return apply_overrides(load_recipe(recipe, tiny=tiny), overrides or [])


def docstring(path: str) -> str:
    """What the recipe function at ``module:function`` says of itself."""
    module_name, _, attribute = path.partition(":")
    if not attribute:
        return ""
    function: Any = getattr(importlib.import_module(module_name), attribute)
    return inspect.getdoc(function) or ""


def first_line(text: str) -> str:
    """The first line of a docstring, without its full stop."""
    return text.partition("\n")[0].rstrip(".")
