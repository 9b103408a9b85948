"""``interlingua doctor``: what this machine has, what is missing, and the line that gets it."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.machine import TOOLS, examine
from interlingua.cli.options import JsonOption
from interlingua.cli.output import answers, number_of_bytes, print_json


def doctor(json: JsonOption = False) -> None:
    """Show versions, device, memory, caches, and what is missing with the line that gets it.

    Ends with 1 if something that the demo needs is missing.

    Examples:
    ```
    interlingua doctor
    interlingua doctor --json
    ```
    """
    facts = examine()
    if json:
        print_json(facts)
    else:
        show(facts)
    if facts["problems"]:
        raise typer.Exit(1)


def show(facts: dict[str, Any]) -> None:
    """The same facts for people."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    versions = dict(facts["versions"])
    table.add_row("interlingua", f"{versions.pop('interlingua')}")
    table.add_row("python", f"{versions.pop('python')} on {versions.pop('platform')}")
    table.add_row("packages", ", ".join(f"{name} {value}" for name, value in versions.items()))
    for name, value in device_rows(facts["device"]):
        table.add_row(name, value)
    memory = {key.removesuffix("_bytes"): value for key, value in facts["memory"].items()}
    table.add_row(
        "memory", ", ".join(f"{number_of_bytes(value)} {key}" for key, value in memory.items())
    )
    cache, here = facts["cache"], facts["here"]
    table.add_row("cache", place(cache))
    for folder, size in cache["bytes"].items():
        table.add_row("", f"{folder}: {number_of_bytes(size)}")
    table.add_row("this folder", place(here))
    for extra, found in facts["extras"].items():
        packages = ", ".join(f"{k} {v or 'missing'}" for k, v in found["packages"].items())
        hint = f"  →  {found['install']}" if found["install"] else ""
        table.add_row(f"extra {extra}", Text(f"{packages} ({found['purpose']}){hint}"))
    for tool, path in facts["tools"].items():
        table.add_row(tool, f"{path or 'absent'} ({TOOLS[tool]})")
    for kind, result in facts["decoding"].items():
        table.add_row(f"decode {kind}", Text(result))
    console = answers()
    console.print(table, highlight=False)
    console.print()
    for problem in facts["problems"]:
        console.print(Text.assemble(("missing", "bold red"), f"  {problem}"), highlight=False)
    if not facts["problems"]:
        console.print("[bold green]All that the demo needs is here:[/] interlingua demo")


def place(facts: dict[str, Any]) -> str:
    """A folder and the free space of its disk."""
    if facts["free_bytes"] is None:
        return f"{facts['path']} (can't be used)"
    return f"{facts['path']} ({number_of_bytes(facts['free_bytes'])} free)"


def device_rows(device: dict[str, Any]) -> list[tuple[str, str]]:
    """The device part of the page."""
    cpu = device["cpu"]
    speed = ", ".join(cpu["fast_bf16"]) or "no fast bf16"
    rows = [
        ("device auto", f"{device['auto']}, precision {device['precision']}"),
        ("cpu", f"{cpu['processor']}, {cpu['cores']} cores, {cpu['threads']} threads, {speed}"),
    ]
    for number, card in enumerate(device["cuda"]):
        rows.append((f"cuda:{number}", f"{card['name']}, {number_of_bytes(card['bytes'])}"))
    if not device["cuda"]:
        build = f"for CUDA {device['cuda_build']}" if device["cuda_build"] else "without CUDA"
        rows.append(("cuda", f"none (torch is built {build})"))
    rows.append(("mps", "yes" if device["mps"] else "none"))
    return rows
