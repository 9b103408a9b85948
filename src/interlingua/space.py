"""A trained model as its users see it: things in, unit vectors of one space out.

Shape legend: N things, D width of the space.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from interlingua.config import to_plain
from interlingua.content import Content
from interlingua.data.gate import MediaLimits
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.loader import available_cores
from interlingua.data.user_media import as_parts
from interlingua.device import pick_device, pick_precision
from interlingua.embedding import (
    Embedder,
    EmbeddingModel,
    Features,
    OnError,
    Vectors,
    as_text,
)
from interlingua.errors import CheckpointError, DataError
from interlingua.sample import AudioUse, Part
from interlingua.train import durable

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | Content | Picture | npt.NDArray[np.uint8]"
SoundInput: TypeAlias = "str | os.PathLike[str] | bytes | Content | tuple[npt.NDArray[Any], int]"
ItemInput: TypeAlias = "Part | ImageInput | SoundInput"

_PLURAL = {"text": "texts", "image": "images", "sound": "sounds", "speech": "speech"}


class Space:
    """One space of pictures, words, sounds and speech.

    Args:
        model: in evaluation mode, its weights loaded.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``.
        precision: ``auto``, ``fp32``, ``bf16``; auto takes bf16 where it is fast.
        run: the run folder that the model comes from.
        limits: of the media gate.

    Attributes:
        id: SHA-256 of the settings and weights: vectors can be compared where it is equal.
        kinds: the views that the model takes.
        dimension: D.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        run: Path | None = None,
        limits: MediaLimits | None = None,
    ):
        self.device = pick_device(device)
        self.run = run
        self.kinds: tuple[str, ...] = tuple(model.views)
        self.dimension = int(model.dimension)
        self.limits = limits or MediaLimits()
        module = cast(nn.Module, model)
        self.id = weights_id(module)  # of the weights as they were trained, before any folding
        prepare = getattr(module, "for_inference", None)
        dtype = pick_precision(precision, self.device)
        prepared = module.eval() if prepare is None else prepare(dtype)
        self.model = cast(EmbeddingModel, prepared.to(self.device))
        self._embedder = Embedder(self.model, self.device, self.limits)

    @classmethod
    def load(
        cls,
        run: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "auto",
        limits: MediaLimits | None = None,
    ) -> Space:
        """The newest good checkpoint of a run folder, or one step folder of it.

        Raises:
            CheckpointError: there is no run, no good checkpoint, or it doesn't fit its recipe.
            ConfigError: the run's recipe is damaged, or the device is absent.
            FetchError: frozen towers' weights aren't cached and can't be fetched.
        """
        from interlingua.train.checkpoint import load_newest
        from interlingua.train.recipe import read_yaml
        from interlingua.train.run_folder import RunFolder

        path = Path(run)
        checkpoint = load_newest(path)
        folder = path.parent.parent if path.name.startswith("step-") else path
        recipe = read_yaml(RunFolder(folder).recipe_path)
        model: nn.Module = recipe.model.build()
        try:
            model.load_state_dict(checkpoint.tensors["model"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                "The checkpoint doesn't fit the run's recipe: "
                f"{' '.join(str(error).split())[:300]}",
                where=str(folder),
                next_step="Was recipe.yaml changed after training? Put it back.",
            ) from error
        space = cast(EmbeddingModel, model)
        return cls(space, device=device, precision=precision, run=folder, limits=limits)

    def __repr__(self) -> str:
        return f"<Space {self.id[:12]}: {', '.join(self.kinds)} in {self.dimension} dimensions>"

    def embed(
        self,
        items: ItemInput | Sequence[ItemInput] | None = None,
        *,
        texts: str | Sequence[str] | None = None,
        images: ImageInput | Sequence[ImageInput] | None = None,
        sounds: SoundInput | Sequence[SoundInput] | None = None,
        speech: SoundInput | Sequence[SoundInput] | None = None,
    ) -> Vectors:
        """Unit vectors [N, D] float32, one per thing, in the order given; cosine = dot product.

        Give exactly one argument, one thing or a sequence of things.

        Args:
            items: any mixture: a ``str`` is text, a ``Path`` is a file whose bytes tell what it
                is, a PIL image, or a sample's part. A sound file counts as a sound; wrap it in
                ``Audio(..., use="speech")`` where somebody speaks.
            texts: words.
            images: paths, bytes, PIL images, uint8 arrays [H, W, 3] or contents.
            sounds: paths, bytes, contents or pairs (samples [T], rate in Hz).
            speech: the same, where somebody speaks.

        Raises:
            DataError: a kind of thing that the model has no tower for.
            MediaError: the first picture or sound that is damaged, missing or too large.
            ValueError: not exactly one argument.
        """
        given = {"items": items, "texts": texts, "images": images, "sounds": sounds}
        given["speech"] = speech
        chosen = [(name, value) for name, value in given.items() if value is not None]
        if len(chosen) != 1:
            raise ValueError(f"give exactly one of {', '.join(given)}")
        ((name, value),) = chosen
        return self.embed_parts(as_parts(name, value, self._audio_use))

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Decode in processes that may die while this is entered, for files from strangers.

        A decoder that crashes, hangs or eats memory then costs its one file, not this process.
        """
        with IsolatedDecoder(available_cores()) as decoder:
            self._embedder.isolated = decoder
            try:
                yield
            finally:
                self._embedder.isolated = None

    def embed_parts(
        self,
        parts: Sequence[Part],
        on_error: OnError | None = None,
        features: Features | None = None,
    ) -> Vectors:
        """Unit vectors [N, D] of sample parts of any views.

        Args:
            parts: texts, pictures, sounds, speech; a label counts as text.
            on_error: called with place, part and error for each one that can't be read; its row is
                NaN. None: the first such error is raised.
            features: gives what frozen towers make of parts of one view, from a feature cache.

        Raises:
            DataError: a view that the model has no tower for.
            MediaError: see ``on_error``.
        """
        for part in parts:
            self._require(as_text(part).view)
        return self._embedder(parts, on_error, features)

    def query(
        self,
        *,
        text: str | Sequence[str] | None = None,
        image: ImageInput | Sequence[ImageInput] | None = None,
        sound: SoundInput | Sequence[SoundInput] | None = None,
        speech: SoundInput | Sequence[SoundInput] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Vectors:
        """One vector [D] to search with, from one thing or several: a picture *and* words.

        The sum of their unit vectors, as long as one again.

        Args:
            text: words.
            image: a picture, as in ``embed``.
            sound: a sound.
            speech: somebody speaking.
            weights: of each argument by name; 1 where not given, negative for "not this".

        Raises:
            ValueError: nothing given, or a weight of something not given.
            DataError: a kind that the model has no tower for, or things that cancel each other.
            MediaError: a picture or sound that can't be read.
        """
        given = {"text": text, "image": image, "sound": sound, "speech": speech}
        present = {name: value for name, value in given.items() if value is not None}
        weights = weights or {}
        if not present or set(weights) - set(present):
            raise ValueError(f"give at least one of {', '.join(given)}, and weights of those only")
        parts, amounts = [], []
        for name, value in present.items():
            things = as_parts(_PLURAL[name], value, self._audio_use)
            parts += things
            amounts += [float(weights.get(name, 1.0)) / len(things)] * len(things)
        total = np.asarray(amounts, np.float32) @ self.embed_parts(parts)
        length = float(np.linalg.norm(total))
        if length < 1e-4:
            raise DataError(
                "The parts of this query cancel each other.", next_step="Change the weights."
            )
        return np.asarray(total / length, dtype=np.float32)

    @property
    def _audio_use(self) -> AudioUse:
        return "speech" if "sound" not in self.kinds and "speech" in self.kinds else "sound"

    def _require(self, view: str) -> None:
        if view not in self.kinds:
            raise DataError(
                f"This model has no tower for {view}.",
                where=None if self.run is None else str(self.run),
                next_step=f"It takes: {', '.join(self.kinds)}.",
            )


def load(run: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> Space:
    """``Space.load``: the model of a run folder, ready to embed."""
    return Space.load(run, device, precision)


def weights_id(model: nn.Module) -> str:
    """SHA-256 of a model's class, settings, format versions and every value of its state.

    Frozen towers stay outside of the state: a catalogue entry is named by its pinned name, a file
    by its bytes. Does not depend on device or precision.
    """
    digest = hashlib.sha256()
    config = getattr(model, "config", None)
    versions = [
        f"{type(part).__qualname__}/{part.format_version}"
        for part in model.modules()
        if hasattr(part, "format_version")
    ]
    settings = None if config is None else to_plain(config)
    named = [type(model).__qualname__, settings, versions, _frozen_towers(model)]
    digest.update(json.dumps(named, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(values.numpy()))
    return digest.hexdigest()


def _frozen_towers(model: nn.Module) -> list[list[str]]:
    frozen = getattr(model, "frozen_towers", None)
    named: list[list[str]] = []
    if frozen is None:
        return named
    for name, (_, weights) in sorted(frozen.sources.items()):
        tower, path = frozen.shape(name), Path(weights)
        files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
        digests = [durable.file_sha256(file) for file in files]
        named.append([name, f"{type(tower).__qualname__}/{tower.format_version}", *digests])
    return named
