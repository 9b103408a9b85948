"""Whole models from checkpoint folders and into them, in any layout that holds whole models.

Which layout a folder is in, and which model, its own files say; see ``layouts/model_layout.py``.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from interlingua.config import NamedConfig, resolve, to_plain, validate
from interlingua.data.text import tokenizer_path
from interlingua.data.tokenizer_file import FILE_NAME, describe_tokenizer, open_tokenizer
from interlingua.errors import LayoutError
from interlingua.layouts.interlingua_folder import BESIDE
from interlingua.layouts.model_layout import (
    ModelLayout,
    TokenizerNote,
    find_model_layout,
    layout_of,
)
from interlingua.models.frozen_towers import FrozenTowers


def load_pretrained(folder: Path) -> nn.Module:
    """The model of a checkpoint folder, in evaluation mode, on the CPU in fp32.

    Its tensors stay mapped to the file where they are in fp32 already.

    Raises:
        LayoutError: the folder is in no known layout, its description can't be expressed, or its
            tensors don't fit.
        ConfigError: the description is not that of a model.
    """
    layout = find_model_layout(layout_of(folder))
    plain = layout.describe(folder)
    if "towers" not in plain:
        raise LayoutError(
            f"The folder holds a tower alone ({plain.get('name')}), not a model.",
            where=str(folder),
            next_step="Name it as the weights of a tower in a recipe.",
        )
    config_class = resolve("models", str(plain.get("name"))).Config
    config = validate(config_class, plain, f"{folder}, as read by the layout {layout.name}")
    with torch.device("meta"):
        model: nn.Module = config.build()
    layout.tensors(plain, folder).read(folder, model)
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise LayoutError(f"The weights left {key} empty.", where=str(folder))
    return model.eval()


def save_pretrained(
    model: nn.Module, folder: Path, layout: str = "hf_clip", *, part: str = ""
) -> None:
    """Write a model, or one tower of it, as a folder that loads elsewhere.

    The folder appears whole or not at all. Towers that were kept outside of the model are written
    into it; the tokenizer lies beside it.

    Args:
        model: with ``config``, before it was made ready for inference.
        folder: new, or empty.
        layout: from the layouts of whole models; ``interlingua`` takes any model.
        part: ``towers.image``: this tower alone, in the layout ``interlingua``.

    Raises:
        LayoutError: no such layout or part, the layout can't express the model and which settings
            it is that don't fit, or the folder can't be written.
    """
    chosen = find_model_layout(layout)
    if part and layout != "interlingua":
        raise LayoutError(
            f"A part of a model can't be written in the layout {layout}.",
            next_step='Use the layout "interlingua".',
        )
    written = _tower(model, part) if part else _whole(model)
    with _new_folder(folder) as work:
        _write(written, chosen, work)


@dataclass(frozen=True, slots=True)
class _Written:
    """What is written: a module, its description, and its tokenizers' names."""

    module: nn.Module
    plain: dict[str, Any]
    tokenizers: tuple[str, ...]


def _write(written: _Written, layout: ModelLayout, work: Path) -> None:
    note, plain = TokenizerNote(0, {}, is_clip=False), written.plain
    for name in written.tokenizers[:1]:  # one fits into a folder
        note = _write_tokenizer(name, work)
        plain = _replaced(plain, "tokenizer", name, BESIDE)
    for name, values in layout.files(plain, note).items():
        if name.startswith("tokenizer") and not written.tokenizers:
            continue
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        (work / name).write_text(text, encoding="utf-8")
    layout.tensors(plain, work).write(written.module, work)


def _write_tokenizer(name: str, work: Path) -> TokenizerNote:
    backend, pad_id = open_tokenizer(tokenizer_path(name))
    described = describe_tokenizer(backend)
    backend.no_truncation()
    backend.enable_padding(pad_id=pad_id, pad_token=backend.id_to_token(pad_id) or "")
    backend.save(str(work / FILE_NAME))
    return TokenizerNote(pad_id, described.special, described.is_clip)


def _whole(model: nn.Module) -> _Written:
    config: NamedConfig = model.config  # type: ignore[assignment]
    plain = to_plain(config)
    frozen: FrozenTowers | None = getattr(model, "frozen_towers", None)
    module = model
    if frozen is not None and frozen.sources and config.name == "dual_encoder":
        module = _with_frozen_towers(model, config, frozen)
    for use in plain.get("towers", {}).values():
        if module is not model or not use.get("frozen"):
            use |= {"weights": "", "frozen": False}
        elif Path(use["weights"]).exists():
            use["weights"] = str(Path(use["weights"]).absolute())
    return _Written(module, plain, _tokenizers(plain))


def _with_frozen_towers(model: nn.Module, config: NamedConfig, frozen: FrozenTowers) -> nn.Module:
    """The same model with each of its towers inside."""
    uses = {
        name: use.model_copy(update={"weights": "", "frozen": False})
        for name, use in config.towers.items()  # type: ignore[attr-defined]
    }
    with torch.device("meta"):
        whole: nn.Module = config.model_copy(update={"towers": uses}).build()
    state = dict(model.state_dict())
    for name in frozen.sources:
        tower = frozen.load(name)
        state |= {f"towers.{name}.{key}": value for key, value in tower.state_dict().items()}
    whole.load_state_dict(state, assign=True)
    return whole


def _tower(model: nn.Module, part: str) -> _Written:
    frozen: FrozenTowers | None = getattr(model, "frozen_towers", None)
    towers: Any = getattr(model, "towers", {})
    parts = {f"towers.{name}" for name in (*towers, *(frozen.sources if frozen else ()))}
    if part not in parts:
        raise LayoutError(
            f"The model has no part {part!r} that can stand alone.",
            next_step=f"It has: {', '.join(sorted(parts)) or 'no towers'}.",
        )
    name = part.removeprefix("towers.")
    tower: Any
    if name in towers:
        tower = towers[name]
    else:
        assert frozen is not None
        tower = frozen.load(name)
    plain = to_plain(tower.config)
    return _Written(tower, plain, _tokenizers(plain))


def _tokenizers(plain: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the tokenizers in a description, each once."""
    found: dict[str, None] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            found |= dict.fromkeys(_tokenizers(value))
        elif key == "tokenizer" and value:
            found[str(value)] = None
    return tuple(found)


def _replaced(plain: Mapping[str, Any], key: str, old: str, new: str) -> dict[str, Any]:
    return {
        name: _replaced(value, key, old, new)
        if isinstance(value, Mapping)
        else (new if (name, value) == (key, old) else value)
        for name, value in plain.items()
    }


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the wanted one, which becomes it at the end."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LayoutError(
            "There is something at this place already.",
            where=str(folder),
            next_step="Give a new folder, or remove it.",
        )
    work = folder.absolute().with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        work.mkdir(parents=True)
        yield work
        work.replace(folder)
    except OSError as error:
        raise LayoutError(
            f"The folder can't be written: {error.strerror or error}.",
            where=str(folder),
            next_step="Check the free space and who owns it.",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
