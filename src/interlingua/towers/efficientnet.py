"""EfficientNet: lite0 to lite4, and B0 to B7, which ALIGN uses, as settings of one class.

Notable features:
- width, depth and resolution grow together (compound scaling);
- inverted bottlenecks: expand 1x1, depthwise, (squeeze-excite,) project 1x1, residual;
- lite variants have ReLU6, no squeeze-excite, and leave stem, head and the first and last
  stage unscaled; B variants have swish and squeeze-excite;
- TensorFlow's padding, as the public weights need it;
- takes uint8 pixels and normalises them itself.

Shape legend: M pictures, S side in pixels, N tokens (one per position of the last map), D width.

Sources: Tan & Le 2019 (arXiv 1905.11946), table 1 and section 3.3; the lite variants: the
``efficientnet/lite`` folder of tensorflow/tpu.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from interlingua.nn.conv import (
    Activation,
    ConvNormActivation,
    SqueezeExcite,
    init_conv_weights,
)
from interlingua.nn.folding import fold_for_inference
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


class InvertedBottleneck(nn.Module):
    """Expand, depthwise, squeeze-excite, project, and a residual where the shapes agree.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: the inner width divided by C.
        activation: after the first two convolutions.
        squeeze_excite: whether to weight channels by their averages.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        expansion: int,
        activation: Activation,
        squeeze_excite: bool,
    ):
        super().__init__()
        inner = in_channels * expansion
        self.has_residual = stride == 1 and in_channels == out_channels
        self.expand: nn.Module | None = None
        if expansion > 1:
            self.expand = ConvNormActivation(in_channels, inner, 1, activation=activation)
        self.depthwise = ConvNormActivation(
            inner, inner, kernel, stride=stride, groups=inner, activation=activation
        )
        self.squeeze_excite: nn.Module | None = None
        if squeeze_excite:  # the paper's ratio of 0.25 counts from the block's input
            self.squeeze_excite = SqueezeExcite(inner, max(1, in_channels // 4))
        self.project = ConvNormActivation(inner, out_channels, 1)

    def forward(self, states: Tensor) -> Tensor:
        """[M, C, H, W] to [M, C', H / stride, W / stride]."""
        inner = states if self.expand is None else self.expand(states)
        inner = self.depthwise(inner)
        if self.squeeze_excite is not None:
            inner = self.squeeze_excite(inner)
        return self.project(inner, states if self.has_residual else None)


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
            fit, trim, interpolation: of the preprocessing, see ``ImagePreprocess``.
        """

        name: str = "efficientnet"
        variant: Variant = "lite0"
        width_multiplier: float = 0.0
        depth_multiplier: float = 0.0
        image_size: int = 0
        num_classes: int = 1000
        fit: Literal["crop", "pad"] = "crop"
        trim: bool = False
        interpolation: Literal["bilinear", "bicubic"] = "bicubic"

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        lite = config.variant.startswith("lite")
        width, depth, size = VARIANTS[config.variant]
        width = config.width_multiplier or width
        depth = config.depth_multiplier or depth
        self.preprocess = _preprocess(config, config.image_size or size, lite)
        activation: Activation = "relu6" if lite else "swish"

        channels = STEM_CHANNELS if lite else scale_channels(STEM_CHANNELS, width)
        self.stem = ConvNormActivation(3, channels, 3, stride=2, activation=activation)
        self.blocks = nn.ModuleList()
        for number, (repeats, kernel, stride, expansion, out) in enumerate(STAGES):
            fixed = lite and number in (0, len(STAGES) - 1)
            for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
                block = InvertedBottleneck(
                    channels,
                    scale_channels(out, width),
                    kernel=kernel,
                    stride=stride if repeat == 0 else 1,
                    expansion=expansion,
                    activation=activation,
                    squeeze_excite=not lite,
                )
                self.blocks.append(block)
                channels = scale_channels(out, width)
        self.width = HEAD_CHANNELS if lite else scale_channels(HEAD_CHANNELS, width)
        self.pooled_width = self.width
        self.in_pieces = False
        self.head = ConvNormActivation(channels, self.width, 1, activation=activation)
        self.classifier: nn.Linear | None = None
        if config.num_classes:
            self.classifier = nn.Linear(self.width, config.num_classes)

    def init_weights(self) -> None:
        """Random weights by the published initialiser."""
        init_conv_weights(self)

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
        return Tokens(
            states=_as_tokens(states),
            pooled=states.float().mean((2, 3)),
            grid=(1, states.shape[2], states.shape[3]),
            layers=kept or None,
        )

    def normalize(self, values: Tensor) -> Tensor:
        """uint8 [M, 3, S, S] to the tower's range and dtype; float values pass unchanged."""
        dtype = self.stem_dtype()
        if values.dtype != torch.uint8:
            return values.to(dtype)
        scale = torch.tensor(self.preprocess.std, device=values.device)[:, None, None] * 255
        shift = torch.tensor(self.preprocess.mean, device=values.device)[:, None, None] * 255
        pixels = values.to(torch.float32, memory_format=torch.channels_last)
        return pixels.sub_(shift).div_(scale).to(dtype)

    def stem_dtype(self) -> torch.dtype:
        """The dtype of the first weights, folded or not."""
        return next(iter(self.stem.state_dict().values())).dtype

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


def _preprocess(config: EfficientNet.Config, size: int, lite: bool) -> ImagePreprocess:
    imagenet = ImagePreprocess()
    return ImagePreprocess(
        size=size,
        crop_fraction=size / (size + 32),
        fit=config.fit,
        trim=config.trim,
        interpolation=config.interpolation,
        mean=(127 / 255,) * 3 if lite else imagenet.mean,
        std=(128 / 255,) * 3 if lite else imagenet.std,
    )
