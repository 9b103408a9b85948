"""Layouts of whole models: a folder with the tensors, their description and what else it needs.

Which layout a folder has is said by its files, never guessed from names of tensors: ``model.json``
is our own, ``config.json`` names a ``model_type``, ``open_clip_config.json`` is open_clip's.

A description is plain data: what the ``Config`` of a class in ``interlingua.models`` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from interlingua.config import nearest, resolve
from interlingua.errors import LayoutError
from interlingua.layouts.config_file import read_json
from interlingua.layouts.layout import Layout

Plain: TypeAlias = "dict[str, Any]"

OURS, HF, OPEN_CLIP = "model.json", "config.json", "open_clip_config.json"
# the model_type of config.json -> a layout of whole models
MODEL_TYPES = {
    "align": "hf_align",
    "clip": "hf_clip",
    "siglip": "hf_siglip",
    "siglip2": "hf_siglip2",
}


@dataclass(frozen=True, slots=True)
class TokenizerNote:
    """What a written folder says of its tokenizer.

    Attributes:
        pad_id: what short texts are filled with.
        tokens: by their ids, what each special id is written as.
        is_clip: whether it is CLIP's byte-level BPE, with any vocabulary.
    """

    pad_id: int
    tokens: Mapping[int, str]
    is_clip: bool


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """A public layout of whole models.

    Attributes:
        name: as in the table of layouts.
        tensors: the names and shapes of a model's tensors, by its description and the folder,
            whose JSON files are there already.
        describe: a folder to the description of the model in it.
        files: a description to the JSON files of a folder, by their names, without tensors.
    """

    name: str
    tensors: Callable[[Mapping[str, Any], Path], Layout]
    describe: Callable[[Path], Plain]
    files: Callable[[Mapping[str, Any], TokenizerNote], Mapping[str, Mapping[str, Any]]]


def layout_of(folder: Path) -> str:
    """The name of the layout that a checkpoint folder is in.

    Raises:
        LayoutError: it has no description, or one of a model that isn't known.
    """
    if (folder / OURS).exists():
        return "interlingua"
    has_open_clip = (folder / OPEN_CLIP).exists()
    if (folder / HF).exists() and not (has_open_clip and not _has_hf_weights(folder)):
        config = read_json(folder / HF)
        kind = config.text("model_type")
        if kind in MODEL_TYPES:
            return MODEL_TYPES[kind]
        if not has_open_clip:
            raise LayoutError(
                f"Models of the type {kind!r}{nearest(kind, MODEL_TYPES)} can't be loaded.",
                where=f"{folder / HF}, model_type",
                next_step=f"Known: {', '.join(MODEL_TYPES)}.",
            )
    if has_open_clip:
        return "open_clip"
    raise LayoutError(
        "This folder holds no checkpoint that is known.",
        where=str(folder),
        next_step=f"It needs {OURS}, {HF} or {OPEN_CLIP} beside its weights.",
    )


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder has one of the files that describe a checkpoint."""
    return any((folder / name).is_file() for name in (OURS, HF, OPEN_CLIP))


def find_model_layout(name: str) -> ModelLayout:
    """A layout of whole models by its name.

    Raises:
        LayoutError: there is none of that name that holds whole models.
    """
    known = (*MODEL_TYPES.values(), "open_clip", "interlingua")
    if name not in known:
        raise LayoutError(
            f"There is no layout {name!r}{nearest(name, known)} of whole models.",
            next_step=f"Known: {', '.join(known)}.",
        )
    found: ModelLayout = resolve("layouts", name)
    return found


def part_for(folder: Path, kind: str) -> tuple[Layout, str, Mapping[str, Any]] | None:
    """Where in a checkpoint folder the tower of one kind of media stands.

    Args:
        folder: of weights of any kind.
        kind: ``image``, ``text``, ``audio``.

    Returns:
        The layout, the tower's name in the model that the folder holds (empty where the folder
        holds this tower alone) and the tower's settings there; None where the folder is in no
        layout of whole models.

    Raises:
        LayoutError: the folder holds another tower, or its description is damaged.
    """
    if not folder.is_dir() or not is_checkpoint(folder):
        return None
    if not any((folder / name).is_file() for name in (OURS, OPEN_CLIP)):
        kept = read_json(folder / HF).values.get("model_type")
        if kept not in MODEL_TYPES:  # a tower alone, which knows its own layout
            return None
    layout = find_model_layout(layout_of(folder))
    plain = layout.describe(folder)
    towers = plain.get("towers")
    if towers is None:
        return layout.tensors(plain, folder), "", plain
    views = plain.get("views", {})
    tower = views.get(kind) or kind
    if tower not in towers:
        raise LayoutError(
            f"The model in this folder has no tower for {kind}.",
            where=str(folder),
            next_step=f"It has: {', '.join(towers)}.",
        )
    return layout.tensors(plain, folder), f"towers.{tower}", towers[tower]["tower"]


def tokenizer_in(folder: Path) -> str:
    """The folder where it holds a tokenizer of any kind, else nothing."""
    files = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model")
    return str(folder) if any((folder / name).exists() for name in files) else ""


def _has_hf_weights(folder: Path) -> bool:
    names = ("model.safetensors", "model.safetensors.index.json")
    return any((folder / name).exists() for name in names)
