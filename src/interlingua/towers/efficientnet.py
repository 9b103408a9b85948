"""EfficientNet: lite0 to lite4, and B0 to B7, which ALIGN uses, as settings of one class.

Notable features:
- width, depth and resolution grow together (compound scaling);
- inverted bottlenecks: expand 1x1, depthwise, (squeeze-excite,) project 1x1, residual;
- lite variants have ReLU6, no squeeze-excite, and leave stem, head and the first and last
  stage unscaled; B variants have swish and squeeze-excite;
- TensorFlow's padding, as the public weights need it, or that of the port in transformers, which
  differs for odd sides (ALIGN's 289 pixels);
- ALIGN's tower ends with the last block: ``head=False``;
- stochastic depth and dropout in training;
- takes uint8 pixels and normalises them itself.

Shape legend: M pictures, S side in pixels, N tokens (one per position of the last map), D width.

Sources: Tan & Le 2019 (arXiv 1905.11946), table 1 and section 3.3; the lite variants: the
``efficientnet/lite`` folder of tensorflow/tpu; ALIGN, Jia et al. 2021 (arXiv 2102.05918),
section 4.2.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.nn.conv import Activation, ConvNormActivation, Padding, init_conv_weights
from interlingua.nn.folding import fold_for_inference
from interlingua.nn.inverted_bottleneck import InvertedBottleneck
from interlingua.nn.pixels import normalize_pixels
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import encode_in_pieces
from interlingua.towers.tower import ImagePreprocess, Tower

# stage: repeats, kernel, stride, expansion, output channels (table 1 of the paper)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280

# bf16 rounding here grows tenfold in the layers that follow
KEPT_EXACT = ("stem", "blocks.0")
# frozen, on a CPU; few enough that the widest layers stay in the cache
PICTURES_AT_ONCE = 8

# variant: width multiplier, depth multiplier, side in pixels
VARIANTS = {
    "lite0": (1.0, 1.0, 224),
    "lite1": (1.0, 1.1, 240),
    "lite2": (1.1, 1.2, 260),
    "lite3": (1.2, 1.4, 280),
    "lite4": (1.4, 1.8, 300),
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
Variant = Literal[
    "lite0", "lite1", "lite2", "lite3", "lite4", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"
]


def scale_channels(channels: int, multiplier: float) -> int:
    """Channels times the multiplier, to the nearest multiple of 8, never 10 % less."""
    scaled = channels * multiplier
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class EfficientNet(Tower):
    """The picture tower; ``Tokens.pooled`` is the average over positions, [M, D]."""

    layout: ClassVar[str] = "efficientnet_lite"
    preprocess: ImagePreprocess

    class Config(Tower.Config):
        """Settings of EfficientNet.

        Attributes:
            variant: which size.
            width_multiplier, depth_multiplier: 0 = the variant's own.
            image_size: side in pixels; 0 = the variant's own.
            num_classes: of the classifier; 0 = no classifier.
            head: the last 1x1 convolution; ALIGN has none, and the pooled vector is the average
                of the last block.
            padding: ``same`` is TensorFlow's, ``hf`` that of transformers.
            depthwise_padding: with ``hf``, numbers of the blocks that pad symmetrically.
            norm_eps: of the batch norms.
            drop_connect: share of samples whose last block a training step skips; blocks
                before it in proportion to their number (stochastic depth).
            dropout: of the pooled vector in training.
            mean, std, crop_fraction: of the preprocessing; None or 0 = the variant's own.
            fit, trim, interpolation: of the preprocessing, see ``ImagePreprocess``.
        """

        name: str = "efficientnet"
        variant: Variant = "lite0"
        width_multiplier: float = 0.0
        depth_multiplier: float = 0.0
        image_size: int = 0
        num_classes: int = 1000
        head: bool = True
        padding: Literal["same", "hf"] = "same"
        depthwise_padding: tuple[int, ...] = ()
        norm_eps: float = 1e-3
        drop_connect: float = Field(default=0.0, ge=0, lt=1)
        dropout: float = Field(default=0.0, ge=0, lt=1)
        mean: tuple[float, float, float] | None = None
        std: tuple[float, float, float] | None = None
        crop_fraction: float = 0.0
        fit: Literal["crop", "pad", "squash"] = "crop"
        trim: bool = False
        interpolation: Literal["bilinear", "bicubic"] = "bicubic"

        @model_validator(mode="after")
        def _classifier_needs_a_head(self) -> EfficientNet.Config:
            if self.num_classes and not self.head:
                raise ValueError("head=false needs num_classes=0")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.in_pieces = False
        lite = config.variant.startswith("lite")
        width = config.width_multiplier or VARIANTS[config.variant][0]
        self.enter_stage()
        activation: Activation = "relu6" if lite else "swish"
        channels = STEM_CHANNELS if lite else scale_channels(STEM_CHANNELS, width)
        self.stem = ConvNormActivation(
            3,
            channels,
            3,
            stride=2,
            activation=activation,
            norm_eps=config.norm_eps,
            padding="end" if config.padding == "hf" else "same",
        )
        self.blocks = _blocks(config, channels, activation)
        channels = scale_channels(STAGES[-1][-1], width)
        self.head: nn.Module = nn.Identity()
        self.width = self.pooled_width = channels
        if config.head:
            self.width = HEAD_CHANNELS if lite else scale_channels(HEAD_CHANNELS, width)
            self.pooled_width = self.width
            self.head = ConvNormActivation(
                channels, self.width, 1, activation=activation, norm_eps=config.norm_eps
            )
        self.classifier: nn.Linear | None = None
        if config.num_classes:
            self.classifier = nn.Linear(self.width, config.num_classes)

    def init_weights(self) -> None:
        """Random weights by the published initialiser."""
        init_conv_weights(self)

    def enter_stage(self, image_size: int | None = None) -> None:
        """Take the settings of a training stage; what is not given goes back to the tower's own.

        Args:
            image_size: side in pixels that the data side shall give.
        """
        size = self.config.image_size or VARIANTS[self.config.variant][2]
        self.preprocess = _preprocess(self.config, size, image_size or size)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode pictures.

        Args:
            values: [M, 3, S, S] uint8, or float that is normalised already.
            mask: not used; pictures have no padding.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D], ``pooled`` float32 [M, D], ``grid`` (1, H, W).

        Raises:
            ValueError: a layer that there is not.
        """
        self.check_layers(layers)
        at_once = PICTURES_AT_ONCE if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        states = self.stem(self.normalize(values))  # [M, C, S / 2, S / 2]
        kept = {0: _as_tokens(states)} if 0 in layers else {}
        for number, block in enumerate(self.blocks, start=1):
            states = block(states)
            if number in layers:
                kept[number] = _as_tokens(states)
        states = self.head(states)  # [M, D, S / 32, S / 32]
        pooled = states.float().mean((2, 3))
        return Tokens(
            states=_as_tokens(states),
            pooled=functional.dropout(pooled, self.config.dropout, self.training),
            grid=(1, states.shape[2], states.shape[3]),
            layers=kept or None,
        )

    def normalize(self, values: Tensor) -> Tensor:
        """uint8 [M, 3, S, S] to the tower's range and dtype; float values pass unchanged."""
        dtype = next(itertools.chain(self.stem.parameters(), self.stem.buffers())).dtype
        return normalize_pixels(values, self.preprocess.mean, self.preprocess.std, dtype)

    def classify(self, pooled: Tensor) -> Tensor:
        """Pooled vectors [M, D] to class logits, float32 [M, num_classes].

        Raises:
            ValueError: the tower was built without its classifier.
        """
        if self.classifier is None:
            raise ValueError("this EfficientNet was built with num_classes=0")
        logits: Tensor = self.classifier(pooled.to(self.classifier.weight.dtype))
        return logits.float()

    def for_inference(self, precision: torch.dtype) -> EfficientNet:
        """A copy for frozen use: batch norms folded into the convolutions, fused, cast.

        Args:
            precision: ``torch.float32`` or ``torch.bfloat16``.
        """
        folded = fold_for_inference(copy.deepcopy(self).eval(), precision, KEPT_EXACT)
        folded.in_pieces = True
        return folded


def _as_tokens(states: Tensor) -> Tensor:
    return states.flatten(2).transpose(1, 2)  # [M, H * W, C]


def _blocks(config: EfficientNet.Config, channels: int, activation: Activation) -> nn.ModuleList:
    """All blocks of all stages; ``channels`` come from the stem."""
    lite = config.variant.startswith("lite")
    width = config.width_multiplier or VARIANTS[config.variant][0]
    depth = config.depth_multiplier or VARIANTS[config.variant][1]
    repeats = [
        stage[0] if lite and number in (0, len(STAGES) - 1) else math.ceil(stage[0] * depth)
        for number, stage in enumerate(STAGES)
    ]
    blocks = nn.ModuleList()
    for times, (_, kernel, stride, expansion, out) in zip(repeats, STAGES, strict=True):
        out = scale_channels(out, width)
        for repeat in range(times):
            padding: Padding = "same"
            if config.padding == "hf":
                padding = "symmetric" if len(blocks) in config.depthwise_padding else "end"
            same_shape = channels == out and (stride == 1 or repeat > 0)
            block = InvertedBottleneck(
                channels,
                out,
                kernel=kernel,
                stride=stride if repeat == 0 else 1,
                expansion=expansion,
                activation=activation,
                squeeze_excite=not lite,
                # transformers has none in the first block of a stage, whatever its shape
                residual=repeat > 0 if config.padding == "hf" else same_shape,
                padding=padding,
                norm_eps=config.norm_eps,
                drop=config.drop_connect * len(blocks) / sum(repeats),
            )
            blocks.append(block)
            channels = out
    return blocks


def _preprocess(config: EfficientNet.Config, size: int, stage_size: int) -> ImagePreprocess:
    lite = config.variant.startswith("lite")
    imagenet = ImagePreprocess()
    return ImagePreprocess(
        size=stage_size,
        crop_fraction=config.crop_fraction or size / (size + 32),
        fit=config.fit,
        trim=config.trim,
        interpolation=config.interpolation,
        mean=config.mean or ((127 / 255,) * 3 if lite else imagenet.mean),
        std=config.std or ((128 / 255,) * 3 if lite else imagenet.std),
    )
