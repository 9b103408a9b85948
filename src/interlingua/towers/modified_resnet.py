"""The modified ResNet of CLIP: RN50, RN101, RN50x4, RN50x16 and RN50x64 as settings of one class.

Notable features:
- a stem of three 3x3 convolutions instead of one 7x7;
- no convolution but the first has a stride: an average pool before it makes the map smaller, so
  that nothing is skipped;
- pooled by attention, the mean of the map's tokens being the one query; its output is in the
  space already, so a dual encoder projects it no further;
- takes uint8 pixels and normalises them itself; works in channels-last order.

Shape legend: M pictures, S side in pixels, C channels of a map, N tokens, D width, O output width.

Sources: Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.4 and table 19; He et al. 2015
(arXiv 1512.03385); ResNet-D, He et al. 2018 (arXiv 1812.01187), section 4; anti-aliased pooling,
Zhang 2019 (arXiv 1904.11486).
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.errors import ConfigError
from interlingua.nn.attention_pool import MeanQueryPool
from interlingua.nn.conv import ConvNormActivation, init_conv_weights
from interlingua.nn.folding import fold_for_inference
from interlingua.nn.pixels import normalize_pixels
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import encode_in_pieces
from interlingua.towers.tower import ImagePreprocess, Tower

EXPANSION = 4  # of a bottleneck's output over its inner channels
TOTAL_STRIDE = 32

# frozen, on a CPU; few enough that the widest layers stay in the cache
PICTURES_AT_ONCE = 8

# torch's own batch norm, not TensorFlow's as in EfficientNet
_Conv = functools.partial(ConvNormActivation, norm_eps=1e-5, norm_momentum=0.1, padding="symmetric")


class Bottleneck(nn.Module):
    """1x1, 3x3, average pool, 1x1, and a residual that is pooled and widened where shapes differ.

    Args:
        in_channels: C.
        inner: channels between; the output has four times as many.
        stride: of the average pool.
    """

    def __init__(self, in_channels: int, inner: int, stride: int):
        super().__init__()
        self.stride = stride
        self.reduce = _Conv(in_channels, inner, 1, activation="relu")
        self.spatial = _Conv(inner, inner, 3, activation="relu")
        self.expand = _Conv(inner, EXPANSION * inner, 1)
        self.shortcut: nn.Module | None = None
        if stride > 1 or in_channels != EXPANSION * inner:
            self.shortcut = _Conv(in_channels, EXPANSION * inner, 1)

    def forward(self, states: Tensor) -> Tensor:
        """[M, C, H, W] to [M, 4 * inner, H / stride, W / stride]."""
        inner = self.spatial(self.reduce(states))
        if self.stride > 1:
            inner = functional.avg_pool2d(inner, self.stride)
            states = functional.avg_pool2d(states, self.stride)
        if self.shortcut is not None:
            states = self.shortcut(states)
        return functional.relu(self.expand(inner, states), inplace=True)


class ModifiedResNet(Tower):
    """The picture tower; ``Tokens.pooled`` is the attention pool's output, [M, O]."""

    layout: ClassVar[str] = "hf_clip"
    preprocess: ImagePreprocess

    class Config(Tower.Config):
        """Settings of the modified ResNet; the defaults are CLIP's RN50.

        Attributes:
            image_size: side in pixels that the pool's positions are learned on.
            depths: blocks in each of the four stages.
            channels: of the stem; the last map has 32 times as many, D.
            num_heads: of the attention pool.
            output_width: O.
            fit, trim, crop_fraction, interpolation, mean, std: see ``ImagePreprocess``.
        """

        name: str = "modified_resnet"
        image_size: PositiveInt = 224
        depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (3, 4, 6, 3)
        channels: PositiveInt = 64
        num_heads: PositiveInt = 32
        output_width: PositiveInt = 1024
        fit: Literal["crop", "pad", "squash"] = "crop"
        trim: bool = False
        crop_fraction: float = 1.0
        interpolation: Literal["bilinear", "bicubic"] = "bicubic"
        mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
        std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

        @model_validator(mode="after")
        def _sizes_fit(self) -> ModifiedResNet.Config:
            if self.image_size < TOTAL_STRIDE:
                raise ValueError(f"image_size {self.image_size} is below {TOTAL_STRIDE}")
            if 32 * self.channels % self.num_heads:
                raise ValueError(f"{self.num_heads} heads do not divide {32 * self.channels}")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.in_pieces = False
        channels = config.channels
        half = channels // 2
        self.stem = nn.Sequential(
            _Conv(3, half, 3, stride=2, activation="relu"),
            _Conv(half, half, 3, activation="relu"),
            _Conv(half, channels, 3, activation="relu"),
        )
        self.blocks = nn.ModuleList()
        for stage, depth in enumerate(config.depths):
            inner = config.channels * 2**stage
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                self.blocks.append(Bottleneck(channels, inner, stride))
                channels = EXPANSION * inner
        self.width = channels
        self.pooled_width = config.output_width
        self.attention_pool = MeanQueryPool(
            config.image_size // TOTAL_STRIDE, channels, config.num_heads, config.output_width
        )
        self.enter_stage()

    def init_weights(self) -> None:
        """Random weights; every block begins as its shortcut (CLIP's own)."""
        init_conv_weights(self)
        for block in self.blocks:
            assert isinstance(block, Bottleneck)
            nn.init.zeros_(block.expand.norm.weight)
        self.attention_pool.init_weights()

    def enter_stage(self, image_size: int | None = None) -> None:
        """Take the settings of a training stage; what is not given goes back to the tower's own.

        Args:
            image_size: side in pixels that the data side shall give.

        Raises:
            ConfigError: a size that is too small for a map.
        """
        size = self.config.image_size if image_size is None else image_size
        if size < TOTAL_STRIDE:
            raise ConfigError(
                f"A picture of {size} pixels is too small for this tower.",
                where="image_size",
                next_step=f"Choose {TOTAL_STRIDE} or more.",
            )
        self.preprocess = ImagePreprocess(
            size=size,
            fit=self.config.fit,
            trim=self.config.trim,
            crop_fraction=self.config.crop_fraction,
            interpolation=self.config.interpolation,
            mean=self.config.mean,
            std=self.config.std,
        )

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode pictures.

        Args:
            values: [M, 3, S, S] uint8, or float that is normalised already.
            mask: not used; pictures have no padding.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D] of the last map, ``pooled`` float32 [M, O], ``grid`` (1, H, W).

        Raises:
            ValueError: a layer that there is not.
        """
        self.check_layers(layers)
        at_once = PICTURES_AT_ONCE if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        dtype = next(itertools.chain(self.stem.parameters(), self.stem.buffers())).dtype
        pixels = normalize_pixels(values, self.config.mean, self.config.std, dtype)
        states = functional.avg_pool2d(self.stem(pixels), 2)  # [M, C, S / 4, S / 4]
        kept = {0: _as_tokens(states)} if 0 in layers else {}
        for number, block in enumerate(self.blocks, start=1):
            states = block(states)
            if number in layers:
                kept[number] = _as_tokens(states)
        tokens = _as_tokens(states)  # [M, N, D]
        rows, columns = states.shape[2:]
        return Tokens(
            states=tokens,
            pooled=self.attention_pool(tokens, (rows, columns)).float(),
            grid=(1, rows, columns),
            layers=kept or None,
        )

    def for_inference(self, precision: torch.dtype) -> ModifiedResNet:
        """A copy for frozen use: batch norms folded into the convolutions, fused, cast.

        Args:
            precision: ``torch.float32`` or ``torch.bfloat16``.
        """
        folded = fold_for_inference(copy.deepcopy(self).eval(), precision)
        folded.in_pieces = True
        return folded


def _as_tokens(states: Tensor) -> Tensor:
    return states.flatten(2).transpose(1, 2)  # [M, H * W, C]
