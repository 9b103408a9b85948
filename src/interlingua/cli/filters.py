"""What ``interlingua data filter`` is made of: filters from the command line, answers to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml
from rich.table import Table
from rich.text import Text

from interlingua.cli.output import answers, print_text
from interlingua.config import NamedConfig, nearest, resolve, validate
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.filters.filter import Filtered

# What is safe to try on any source. The others need a thought: three words are too few for a
# caption but not for a name, and in a small corpus most words are rare.
RULES = (
    *("size", "exact_duplicates", "near_duplicates"),
    *("boilerplate", "shared_text", "repeated_words"),
)
SOURCE = "source"
SHOWN_EXAMPLES = 3


def read_settings(
    names: Sequence[str], settings: Sequence[str]
) -> tuple[list[NamedConfig], dict[str, Any]]:
    """The filters in order, and the options of the source.

    Args:
        names: of filters; ``RULES`` if there are none.
        settings: ``filter.key=value`` or ``source.key=value``; a filter that is not among the
            names comes last.

    Raises:
        ConfigError: an unknown filter or key, or a wrong value.
    """
    plain: dict[str, dict[str, Any]] = {name: {"name": name} for name in names or RULES}
    options: dict[str, Any] = {}
    for setting in settings:
        name, key, value = read_setting(setting, "filter")
        if name == SOURCE:
            options[key] = value
        else:
            plain.setdefault(name, {"name": name})[key] = value
    return [_config(one) for one in plain.values()], options


def read_setting(setting: str, what: str) -> tuple[str, str, Any]:
    """(name, key, value) of ``name.key=value``; the value is YAML.

    Args:
        setting: as it was typed.
        what: the name is of, for the message.

    Raises:
        ConfigError: it is nothing of the kind.
    """
    path, equals, text = setting.partition("=")
    name, _, key = path.strip().rpartition(".")
    if not (equals and name and key):
        raise ConfigError(f"{setting!r} is no setting.", next_step=f"Write --set {what}.key=value.")
    try:
        return name, key, yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r} is not a YAML value.", where=setting) from error


def _config(plain: dict[str, Any]) -> NamedConfig:
    from interlingua.data.filters import TABLE

    name = plain["name"]
    if name not in TABLE and ":" not in name:
        raise ConfigError(
            f"There is no filter {name!r}{nearest(name, [*TABLE, SOURCE])}.",
            next_step=f"Known: {', '.join(TABLE)}; or give package.module:Class.",
        )
    config_class: type[NamedConfig] = resolve("data.filters", name).Config
    return validate(config_class, plain, where=f"filter {name}")


def show_steps(steps: Sequence[Filtered], configs: Sequence[NamedConfig]) -> None:
    """A table for people: what each filter took for which reason, with examples."""
    from interlingua.data.filters.chain import by_reason, spread

    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("filter", no_wrap=True)
    table.add_column("reason", no_wrap=True)
    for name in ("samples", "share", "pairs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("examples", overflow="fold")
    for step in steps:
        share = f"{step.removed / max(1, step.given):.1%}"
        table.add_row(
            f"[bold]{step.name}[/]", f"of {step.given:,}", f"{step.removed:,}", share,
            f"{step.removed_texts:,}", "",
        )  # fmt: skip
        for reason, found in by_reason(step).items():
            samples = sum(one.whole for one in found)
            table.add_row(
                "", Text(reason), f"{samples:,}", f"{samples / max(1, step.given):.1%}", "",
                Text(" · ".join(_example(one.shown_text, one.value) for one in spread(
                    found, SHOWN_EXAMPLES))),
            )  # fmt: skip
    answers().print(table, highlight=False)
    given, kept = steps[0].given, len(steps[-1].kept)
    print_text(f"\n{kept:,} of {given:,} samples are kept ({kept / max(1, given):.1%}).")
    print_text(f"In a recipe: data.filters='{as_override(configs)}'")


def _example(text: str, value: object) -> str:
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return f"{shown!r} ({value})" if shown else f"({value})"


def as_override(configs: Sequence[NamedConfig]) -> str:
    """The filters as the value of an override, without what is the default."""
    rows = [
        {"name": one.name, **one.model_dump(mode="json", exclude_unset=True, exclude={"name"})}
        for one in configs
    ]
    return json.dumps(rows, ensure_ascii=False)
