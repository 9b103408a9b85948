"""The audio encoder of Whisper, for sounds and speech of any length up to 30 seconds.

Notable features:
- two convolutions over log-mel frames, the second halves their rate (20 ms per token);
- fixed sinusoidal positions, so a clip of 2 s costs 2 s of work, not the 30 s it is padded to
  in the original;
- LayerNorm before each sublayer (pre-norm) and one at the end;
- the pooled vector takes real tokens only: the mean, or mean and deviation, of chosen layers.

Shape legend: M clips, T log-mel frames, N = T / 2 tokens, D width, F mel bands.

Source: Radford et al. 2022 (arXiv 2212.04356), section 2.2.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.errors import ConfigError
from interlingua.nn.attention import FULL, AttentionPattern
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.position import sinusoids
from interlingua.nn.transformer import TransformerBlock, init_transformer_weights
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import encode_in_pieces
from interlingua.towers.tower import AudioPreprocess, Tower

# size: D, heads, blocks (table 1 of the paper)
SIZES = {
    "tiny": (384, 6, 4),
    "base": (512, 8, 6),
    "small": (768, 12, 12),
    "medium": (1024, 16, 24),
    "large": (1280, 20, 32),
}
# bf16 rounding in the first block turns the vectors of some silent tokens
KEPT_EXACT = ("blocks.0",)
TOKENS_AT_ONCE = 400  # frozen, on a CPU: eight seconds


class WhisperEncoder(Tower):
    """The sound and speech tower; ``Tokens.pooled`` is one vector per clip."""

    layout: ClassVar[str] = "ctranslate2_whisper"
    preprocess: AudioPreprocess

    class Config(Tower.Config):
        """Settings of the Whisper encoder.

        Attributes:
            size: as in the paper.
            width, num_heads, num_layers: 0 = the size's own.
            num_mels: bands of the log-mel spectrogram.
            max_tokens: number of positions; 1500 is 30 seconds.
            pooling: ``mean``, or ``mean_std``: mean and standard deviation, twice as wide.
            pooled_layers: blocks whose states are pooled and put side by side, 0 = before the
                first; -1 = the output after the final LayerNorm.
            attend_padding: whether tokens look at the silence that a clip is padded with, as
                they did when Whisper was trained.
            max_seconds, bucket_seconds: of the preprocessing, see ``AudioPreprocess``.
        """

        name: str = "whisper_encoder"
        size: Literal["tiny", "base", "small", "medium", "large"] = "tiny"
        width: int = 0
        num_heads: int = 0
        num_layers: int = 0
        num_mels: int = 80
        max_tokens: int = 1500
        pooling: Literal["mean", "mean_std"] = "mean"
        pooled_layers: tuple[int, ...] = (-1,)
        attend_padding: bool = True
        max_seconds: float = 30.0
        bucket_seconds: float = 2.0

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        width, num_heads, num_layers = SIZES[config.size]
        width = config.width or width
        num_layers = config.num_layers or num_layers
        if not all(-1 <= number <= num_layers for number in config.pooled_layers):
            raise ConfigError(
                f"pooled_layers {list(config.pooled_layers)} names a block that there is not.",
                next_step=f"Give numbers from 0 to {num_layers}, or -1 for the final output.",
            )
        self.in_pieces = False
        self.width = width
        self.pooled_width = (
            width * len(config.pooled_layers) * (2 if config.pooling == "mean_std" else 1)
        )
        self.preprocess = AudioPreprocess(
            num_mels=config.num_mels,
            max_seconds=config.max_seconds,
            bucket_seconds=config.bucket_seconds,
        )
        self.conv1 = nn.Conv1d(config.num_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions: Tensor
        self.register_buffer("positions", torch.empty(config.max_tokens, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.num_heads or num_heads, 4 * width)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)

    def init_weights(self) -> None:
        """Random weights, sinusoidal positions."""
        init_transformer_weights(self)
        for conv in (self.conv1, self.conv2):
            conv.reset_parameters()
        self.positions.copy_(sinusoids(*self.positions.shape))

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode clips.

        Args:
            values: [M, F, T] log-mel frames.
            mask: [M, T] True = real sound, False = the silence it is padded with.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D] after the final LayerNorm, ``mask`` [M, N], ``pooled`` float32
            [M, P], ``time`` [N]: the middle of each token in seconds.

        Raises:
            ValueError: more frames than there are positions, or a layer that there is not.
        """
        self.check_layers(layers)
        num_tokens = (values.shape[2] + 1) // 2  # as the second convolution makes them
        if num_tokens > self.config.max_tokens:
            raise ValueError(f"{num_tokens} tokens, but {self.config.max_tokens} positions")
        at_once = max(1, TOKENS_AT_ONCE // max(1, num_tokens)) if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        states = functional.gelu(self.conv1(values))
        states = functional.gelu(self.conv2(states)).transpose(1, 2)  # [M, N, D]
        num_tokens = states.shape[1]
        states = states + self.positions[:num_tokens]
        pattern = FULL
        if mask is None:
            real = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        else:
            real = mask[:, ::2].bool()  # [M, N]: a token is real where its first frame is
            if not self.config.attend_padding:
                pattern = AttentionPattern(key_mask=real)
        wanted = {*layers, *self.config.pooled_layers}
        kept = {0: states} if 0 in wanted else {}
        for number, block in enumerate(self.blocks, start=1):
            states = block(states, pattern)
            if number in wanted:
                kept[number] = states
        kept[-1] = states = self.norm(states)
        seconds_per_token = 2 * self.preprocess.hop / self.preprocess.sample_rate
        return Tokens(
            states=states,
            mask=real,
            pooled=self._pool(kept, real),
            time=(torch.arange(num_tokens, device=states.device) + 0.5) * seconds_per_token,
            layers={number: kept[number] for number in layers} or None,
        )

    def _pool(self, kept: dict[int, Tensor], real: Tensor) -> Tensor:
        weights = real.float()[:, :, None]  # [M, N, 1]
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        pooled = []
        for number in self.config.pooled_layers:
            states = kept[number].float()
            mean = (states * weights).sum(1, keepdim=True)  # [M, 1, D]
            pooled.append(mean.squeeze(1))
            if self.config.pooling == "mean_std":
                variance = ((states - mean).square() * weights).sum(1)  # [M, D]
                # the small constant keeps the gradient of a constant channel finite
                pooled.append((variance + 1e-8).sqrt())
        return torch.cat(pooled, dim=-1)  # [M, P]

    def for_inference(self, precision: torch.dtype) -> WhisperEncoder:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        frozen = freeze_linears(copy.deepcopy(self).eval(), precision, KEPT_EXACT)
        frozen.in_pieces = True
        return frozen
