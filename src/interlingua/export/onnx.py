"""A space as ONNX graphs, one for each view: what the data side gives in, unit vectors out.

Each graph is run with onnxruntime on two batches of other sizes than it was traced with, and is
kept only where its vectors equal the model's. ``export.json`` says what each graph takes and how
large the difference was.

Shape legend: M media, S picture side, F frames, N tokens, D width of the space.
"""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from interlingua.batch import Media
from interlingua.config import to_plain
from interlingua.data.text import tokenizer_path
from interlingua.embedding import EmbeddingModel
from interlingua.errors import DataError, MissingExtraError
from interlingua.tokens import Tokens
from interlingua.towers.tower import (
    AudioPreprocess,
    ImagePreprocess,
    Preprocess,
    TextPreprocess,
    ValuesPreprocess,
)

TOLERANCE = 1e-4  # of unit vectors
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ExportedView:
    """One graph.

    Attributes:
        view: ``image``, ``text``, ...
        path: of the graph.
        inputs: names and shapes.
        difference: the largest between onnxruntime's vectors and the model's.
    """

    view: str
    path: Path
    inputs: dict[str, str]
    difference: float


class _View(nn.Module):
    """A view of a model as one graph: values (and mask) to unit vectors."""

    def __init__(self, model: nn.Module, view: str):
        super().__init__()
        name = cast(Any, model).config.views[view]
        trained = cast(nn.ModuleDict, model.towers)
        tower = trained[name] if name in trained else cast(Any, model).frozen_towers.load(name)
        self.model, self.view, self.tower = model, view, tower.eval()

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        pooled = self.tower(values, mask).pooled
        media = Media(owner=values, slot=values, tokens=Tokens(pooled=pooled))
        return cast(EmbeddingModel, self.model).embed_media(self.view, media)


def export_onnx(model: nn.Module, folder: Path) -> list[ExportedView]:
    """Write a graph for each view of a model that has towers, a dual encoder or a shared space.

    Args:
        model: in fp32 on the CPU, its weights loaded, not folded for inference.
        folder: new or empty; also gets tokenizers and ``export.json``.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        DataError: the folder holds other things, or a graph does not give the model's vectors.
    """
    _require_packages()
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            "This folder holds other things.", where=str(folder), next_step="Give a new --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval()
    space = cast(EmbeddingModel, model)
    done: list[ExportedView] = []
    same_tower: dict[str, ExportedView] = {}
    for view in space.views:
        name = cast(Any, model).config.views[view]
        if name in same_tower:  # sound and speech are heard by one tower
            other = same_tower[name]
            done.append(ExportedView(view, other.path, other.inputs, other.difference))
            continue
        same_tower[name] = _export_view(model, view, folder)
        done.append(same_tower[name])
    described = {
        "format_version": FORMAT_VERSION,
        "dimension": space.dimension,
        "views": {
            one.view: {
                "graph": one.path.name,
                "inputs": one.inputs,
                "output": f"vectors: float32 [M, {space.dimension}], of length 1",
                "preprocess": to_plain(space.preprocess(one.view)),
                "largest_difference": one.difference,
            }
            for one in done
        },
    }
    (folder / "export.json").write_text(json.dumps(described, indent=1), "utf-8")
    return done


def _export_view(model: nn.Module, view: str, folder: Path) -> ExportedView:
    preprocess = cast(EmbeddingModel, model).preprocess(view)
    graph = _View(model, view)
    inputs = example(preprocess, 2, 0)
    path = folder / f"{view}.onnx"
    media = torch.export.Dim.DYNAMIC
    along: dict[str, Any] = {name: {0: media} for name in inputs}
    if not isinstance(preprocess, ImagePreprocess | ValuesPreprocess):
        along = {
            name: {0: media, value.ndim - 1: torch.export.Dim.DYNAMIC}
            for name, value in inputs.items()
        }
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            kwargs=inputs,
            dynamo=True,
            dynamic_shapes=along,
            output_names=["vectors"],
            verbose=False,
        )
        assert program is not None
        program.save(str(path))
    if isinstance(preprocess, TextPreprocess):
        shutil.copyfile(tokenizer_path(preprocess.tokenizer), folder / "tokenizer.json")
    difference = max(
        _difference(graph, path, example(preprocess, count, seed))
        for count, seed in ((1, 1), (5, 2))
    )
    if not difference <= TOLERANCE:
        raise DataError(
            f"The graph's vectors differ from the model's by {difference:.2g}.",
            where=str(path),
            next_step="Report this with the versions that `interlingua doctor` shows.",
        )
    shapes = {name: f"{value.dtype} {_shape(value, preprocess)}" for name, value in inputs.items()}
    return ExportedView(view, path, shapes, difference)


def example(preprocess: Preprocess, count: int, seed: int) -> dict[str, Tensor]:
    """Random input of a view: ``count`` media, their length by the seed."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(preprocess, ImagePreprocess):
        size = (count, 3, preprocess.size, preprocess.size)
        return {"values": torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)}
    if isinstance(preprocess, AudioPreprocess):
        frames = 100 * (2 + seed)
        values = torch.randn(count, preprocess.num_mels, frames, generator=generator)
        return {"values": values, "mask": torch.ones(count, frames, dtype=torch.bool)}
    if isinstance(preprocess, ValuesPreprocess):
        return {"values": torch.randn(count, *preprocess.shape, generator=generator)}
    length = (
        preprocess.max_tokens if preprocess.pad_to_max else min(preprocess.max_tokens, 7 + seed)
    )
    values = torch.randint(1, 100, (count, length), generator=generator)
    mask = torch.ones(count, length, dtype=torch.bool)
    if not preprocess.pad_to_max:
        mask[-1, length - 2 :] = False  # one text is shorter
    return {"values": values, "mask": mask}


def _difference(graph: _View, path: Path, inputs: dict[str, Tensor]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = {one.name for one in session.get_inputs()}  # a mask that plays no part is gone
    given = {name: value.numpy() for name, value in inputs.items() if name in wanted}
    (found,) = session.run(["vectors"], given)
    with torch.no_grad():
        right = graph(**inputs).numpy()
    return float(np.abs(found - right).max())


def _shape(value: Tensor, preprocess: Preprocess) -> str:
    if isinstance(preprocess, ImagePreprocess):
        return f"[M, 3, {preprocess.size}, {preprocess.size}]"
    if isinstance(preprocess, ValuesPreprocess):
        return f"[M, {', '.join(map(str, preprocess.shape))}]"
    if value.ndim == 3:
        return f"[M, {value.shape[1]}, F]"
    return "[M, F]" if isinstance(preprocess, AudioPreprocess) else "[M, N]"


def _require_packages() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(package, "onnx", "Exporting to ONNX") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks about its own inside; what matters is checked by running the graph."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
