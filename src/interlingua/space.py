"""A trained model as its users see it: things in, unit vectors of one space out.

Shape legend: N things, D width of the space.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from torch import nn

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
from interlingua.errors import CheckpointError, DataError, LayoutError
from interlingua.model_source import load_model
from interlingua.sample import AudioUse, Part
from interlingua.weights_id import weights_id

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
        run: the run or checkpoint folder that the model comes from.
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
        self._source: str | os.PathLike[str] | None = run
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
        source: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "auto",
        limits: MediaLimits | None = None,
    ) -> Space:
        """The model of a run, of a checkpoint folder or of a repository on a model hub.

        Args:
            source: a run folder, of which the newest good checkpoint is taken, or one step folder
                of it; a folder in a layout of whole models; or ``hf:owner/name[@revision]``.
            device, precision, limits: see the class.

        Raises:
            CheckpointError: there is no run, no good checkpoint, or it doesn't fit its recipe.
            ConfigError: the run's recipe is damaged, or the device is absent.
            FetchError: frozen towers' weights, or what the hub has, can't be fetched.
            LayoutError: the folder's weights are damaged, don't fit, or are of an unknown kind.
        """
        model, folder = load_model(source)
        space = cls(
            cast(EmbeddingModel, model),
            device=device,
            precision=precision,
            run=folder,
            limits=limits,
        )
        space._source = source
        return space

    def save(self, folder: str | os.PathLike[str], layout: str = "hf_clip") -> None:
        """Write the model as a checkpoint folder that loads elsewhere, with its tokenizer.

        Its weights are read again from where they were loaded, since for inference they are folded
        and cast.

        Args:
            folder: new, or empty.
            layout: ``hf_clip``, ``hf_siglip``, ``hf_siglip2``, ``hf_align``, ``open_clip`` or
                ``interlingua``, which takes any model.

        Raises:
            LayoutError: the layout can't express the model, and which settings don't fit; or the
                space was not loaded from a folder.
            CheckpointError: the folder has other weights by now.
        """
        from interlingua.models.pretrained import save_pretrained

        if self._source is None:
            raise LayoutError(
                "This space was not loaded from a folder, so its weights can't be read again.",
                next_step="Use interlingua.models.pretrained.save_pretrained before making it.",
            )
        model, _ = load_model(self._source)
        if weights_id(model) != self.id:
            raise CheckpointError(
                "The folder has other weights by now than when it was loaded.",
                where=str(self._source),
                next_step="Load it again, then save.",
            )
        save_pretrained(model, Path(folder), layout)

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


def load(source: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> Space:
    """``Space.load``: the model of a run, a checkpoint folder or ``hf:owner/name``."""
    return Space.load(source, device, precision)
