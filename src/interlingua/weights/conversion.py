"""``weights convert``: a pickle or OpenAI's CLIP archive to a folder that loads.

A file beside which a description lies (``config.json``, ``open_clip_config.json``) keeps its
layout. CLIP's own archives come without one; it is read off the shapes of their tensors, as
OpenAI's code does, and the folder is in open_clip's layout.

Source: ``build_model`` of openai/CLIP's ``model.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from interlingua.errors import LayoutError
from interlingua.layouts.open_clip_tensors import FILE_NAME as OPEN_CLIP_WEIGHTS
from interlingua.layouts.preprocessor_file import CLIP_MEAN, CLIP_STD
from interlingua.layouts.safetensors_file import FILE_NAME as HF_WEIGHTS
from interlingua.weights import convert

TIMEOUT_SECONDS = 1800
HEAD_WIDTH = 64  # of every CLIP of OpenAI
CLIP_VOCABULARY = 49_408
_SETTINGS = ("input_resolution", "context_length", "vocab_size")
_BESIDE = ("*.json", "*.txt", "spiece.model")

Activation = Literal["", "quick_gelu", "gelu"]
Shapes = Mapping[str, tuple[int, ...]]


def convert_file(source: Path, out: Path, activation: Activation = "") -> Path:
    """Turn a file of weights into a folder with safetensors, its description and tokenizer.

    Args:
        source: ``.pt``, ``.pth``, ``.bin``: a TorchScript archive, a state dict or a training
            checkpoint with one.
        out: the folder, new or empty.
        activation: of a CLIP without a description that is no archive; nothing in such a file
            tells ``quick_gelu`` (OpenAI's, some others) from ``gelu``.

    Returns:
        ``out``.

    Raises:
        LayoutError: the file is damaged or no weights, or no description can be had.
        FetchError: CLIP's tokenizer can't be fetched.
    """
    if not source.is_file():
        raise LayoutError("There is no such file.", where=str(source), next_step="Check the path.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LayoutError(
            "There is something at this place already.",
            where=str(out),
            next_step="Give a new folder, or remove it.",
        )
    work = out.absolute().with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    try:
        work.mkdir(parents=True)
        _convert(source, work, activation)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def convert_tensors(source: Path, target: Path) -> str:
    """The tensors of a file as safetensors, made by a process of its own; returns its kind.

    Raises:
        LayoutError: it holds something else, or the process died.
    """
    command = [sys.executable, "-I", convert.__file__, str(source), str(target)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unreadable(source, f"it took more than {TIMEOUT_SECONDS} seconds") from None
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise _unreadable(source, lines[-1].strip() if lines else "the process died")
    return done.stdout.strip()


def _unreadable(source: Path, why: str) -> LayoutError:
    return LayoutError(
        f"The weights can't be converted: {why[:200]}",
        where=str(source),
        next_step="Give a TorchScript archive or a state dict of tensors; other pickles are "
        "refused, because opening them runs what they hold.",
    )


def _convert(source: Path, work: Path, activation: Activation) -> None:
    tensors = work / HF_WEIGHTS
    kind = convert_tensors(source, tensors)
    if kind != "archive" and _copy_description(source.parent, work):
        if (work / "open_clip_config.json").exists() and not _is_hf(work):
            tensors.rename(work / OPEN_CLIP_WEIGHTS)
        return
    shapes = _shapes(tensors)
    if kind != "archive" and not activation:
        raise LayoutError(
            "Nothing beside or in this file says which activation the model has.",
            where=str(source),
            next_step="Give --activation quick_gelu (OpenAI's weights, and those that were "
            "fine-tuned from them) or gelu, or put its config.json beside it.",
        )
    try:
        model = clip_config(shapes)
    except (KeyError, IndexError, ValueError) as error:
        raise LayoutError(
            f"This isn't a CLIP of OpenAI's or open_clip's: it has no usable {error}.",
            where=str(source),
            next_step="Put the config.json or open_clip_config.json of the model beside it.",
        ) from error
    if activation != "gelu":
        model["quick_gelu"] = True
    _drop(tensors, work / OPEN_CLIP_WEIGHTS, _SETTINGS)
    preprocess = {
        "mean": CLIP_MEAN,
        "std": CLIP_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    config = {"model_cfg": model, "preprocess_cfg": preprocess}
    (work / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    if model["text_cfg"]["vocab_size"] == CLIP_VOCABULARY:
        from interlingua import weights

        shutil.copy(weights.get("clip-bpe") / "tokenizer.json", work)


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """open_clip's ``model_cfg`` of a CLIP, from the shapes of its tensors by their names.

    Raises:
        KeyError, IndexError, ValueError: a tensor that it needs is missing or misshapen.
    """
    width, patch = shapes["visual.conv1.weight"][0], shapes["visual.conv1.weight"][-1]
    vision: dict[str, Any]
    if "visual.proj" in shapes:
        grid = round((shapes["visual.positional_embedding"][0] - 1) ** 0.5)
        vision = {
            "image_size": patch * grid,
            "layers": _count(shapes, "visual.transformer.resblocks.", 3),
            "width": width,
            "patch_size": patch,
        }
    else:
        grid = round((shapes["visual.attnpool.positional_embedding"][0] - 1) ** 0.5)
        vision = {
            "image_size": grid * 32,
            "layers": [_count(shapes, f"visual.layer{stage}.", 2) for stage in range(1, 5)],
            "width": shapes["visual.layer1.0.conv1.weight"][0],
            "patch_size": None,
        }
    inner = shapes["ln_final.weight"][0]
    return {
        "embed_dim": shapes["text_projection"][1],
        "vision_cfg": vision,
        "text_cfg": {
            "context_length": shapes["positional_embedding"][0],
            "vocab_size": shapes["token_embedding.weight"][0],
            "width": inner,
            "heads": inner // HEAD_WIDTH,
            "layers": _count(shapes, "transformer.resblocks.", 2),
        },
    }


def _count(shapes: Shapes, prefix: str, place: int) -> int:
    return len({name.split(".")[place] for name in shapes if name.startswith(prefix)})


def _shapes(tensors: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    with safe_open(tensors, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _drop(source: Path, target: Path, names: tuple[str, ...]) -> None:
    from safetensors.torch import load_file, save_file

    if not set(names) & set(_shapes(source)):
        source.rename(target)
        return
    kept = {name: value for name, value in load_file(source).items() if name not in names}
    save_file(kept, target, {"format": "pt"})
    del kept
    source.unlink()


def _copy_description(folder: Path, work: Path) -> bool:
    if not any((folder / name).is_file() for name in ("config.json", "open_clip_config.json")):
        return False
    for pattern in _BESIDE:
        for path in folder.glob(pattern):
            if path.is_file() and not path.name.endswith(".index.json"):
                shutil.copy(path, work)
    return True


def _is_hf(work: Path) -> bool:
    """Whether a folder with both descriptions has the tensors that ``config.json`` is about."""
    named = _shapes(work / HF_WEIGHTS)
    return (work / "config.json").exists() and not any(name.startswith("visual.") for name in named)
