"""The contract that every tower keeps, and the preprocessing that it asks for.

A tower says what it takes (``preprocess``) and what it gives (``width``,
``pooled_width``). The composition hands ``preprocess`` to the data side; nobody
guesses a size, a mean or a sample rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from interlingua.config import Config, NamedConfig
from interlingua.tokens import Tokens


class ImagePreprocess(Config):
    """How a picture becomes uint8 pixels [3, size, size]; the tower itself normalises them.

    Attributes:
        size: side in pixels.
        fit: ``crop`` resizes the short side to ``size / crop_fraction`` and cuts the centre;
            ``pad`` resizes the long side to ``size`` and fills with ``background``;
            ``squash`` resizes to the square whatever the shape (SigLIP).
        trim: cut a border of one plain colour off first (drawings on white).
        mean, std: per channel, of values in 0..1.
    """

    kind: Literal["image"] = "image"
    size: int = 224
    fit: Literal["crop", "pad", "squash"] = "crop"
    crop_fraction: float = 0.875
    trim: bool = False
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    background: tuple[int, int, int] = (255, 255, 255)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class AudioPreprocess(Config):
    """How a sound becomes log-mel frames [num_mels, T].

    Attributes:
        sample_rate: in Hz.
        num_mels, fft_size, hop: of the log-mel spectrogram.
        max_seconds: longer sounds are cut here.
        bucket_seconds: sounds are padded with silence up to the next multiple of this;
            equal to ``max_seconds`` it gives Whisper's own fixed 30 s.
    """

    kind: Literal["audio"] = "audio"
    sample_rate: int = 16_000
    num_mels: int = 80
    fft_size: int = 400
    hop: int = 160
    max_seconds: float = 30.0
    bucket_seconds: float = 2.0


class TextPreprocess(Config):
    """How a text becomes token ids [N].

    Attributes:
        tokenizer: the weights entry or folder that holds ``tokenizer.json``.
        max_tokens: longer texts are cut here, end token kept.
        pad_to_max: pad every text to ``max_tokens`` (SigLIP was trained on padding); else to the
            longest of the batch.
        clean: ``clip`` unescapes HTML, joins white space and lowers case as CLIP's own code does;
            ``siglip`` lowers case and drops punctuation; ``lower`` lowers case (SigLIP 2).
        vocabulary: number of ids that the tower has; a tokenizer with more is refused. 0 = unknown.
        end_id: the id that the tower expects each text to end with; -1 = any.
    """

    kind: Literal["text"] = "text"
    tokenizer: str = "minilm"
    max_tokens: int = 256
    pad_to_max: bool = False
    clean: Literal["none", "clip", "siglip", "lower"] = "none"
    vocabulary: int = 0
    end_id: int = -1


class ValuesPreprocess(Config):
    """Plain numbers as they are: float32, NaN where one is missing.

    Attributes:
        shape: of the values of one medium: (K,) for K columns of a table.
    """

    kind: Literal["values"] = "values"
    shape: tuple[int, ...]


Preprocess = ImagePreprocess | AudioPreprocess | TextPreprocess | ValuesPreprocess


class Tower(nn.Module):
    """An encoder of one modality.

    Attributes:
        width: D of ``Tokens.states``.
        pooled_width: P of ``Tokens.pooled``.
        preprocess: what the data side must do.
        blocks: the ordered blocks, for freezing, layer-wise rates and recomputation.
        pooled_only: the owner wants ``Tokens.pooled`` alone; a tower may leave out what only the
            states need.
        format_version: raised whenever the same weights would give other outputs.
    """

    class Config(NamedConfig):
        """Every tower's own settings derive from this."""

        folder: ClassVar[str] = "towers"

    width: int
    pooled_width: int
    preprocess: Preprocess
    blocks: nn.ModuleList
    pooled_only: bool = False
    format_version: ClassVar[int] = 1

    def init_weights(self) -> None:
        """Fill all parameters and buffers; a tower can be built on the meta device."""
        raise NotImplementedError

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode.

        Args:
            values: [M, 3, H, W] uint8 or float pixels, [M, num_mels, T] log-mel
                frames, [M, N] token ids, or [M, *shape] plain numbers.
            mask: [M, N] True = real, for padded ids; [M, T] for padded frames.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.
        """
        raise NotImplementedError

    def check_layers(self, layers: Sequence[int]) -> None:
        """Refuse numbers of layers that the tower lacks.

        Raises:
            ValueError: names the number and how many blocks there are.
        """
        for number in layers:
            if not 0 <= number <= len(self.blocks):
                raise ValueError(f"there is no layer {number}: 0 to {len(self.blocks)}")


def frozen_inference(tower: Tower, precision: torch.dtype) -> Tower:
    """The tower as it is used when frozen; towers override ``for_inference`` to fold and cast."""
    optimise = getattr(tower, "for_inference", None)
    return optimise(precision) if optimise else tower.eval()
