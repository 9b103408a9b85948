"""ViT: the picture tower of CLIP, SigLIP and SigLIP 2, as settings of one class.

Notable features:
- the patch embedding is one linear layer over unfolded patches, cut while still uint8;
- any picture whose sides are multiples of the patch: learned positions are resampled;
- patch dropout in training takes patches out before they are embedded;
- pooled by class token (CLIP), mean, or a learned probe (SigLIP); with ``pooled_only`` the last
  block makes the class token's state alone, the same numbers at about 8 % less work;
- takes uint8 pixels and normalises them itself.

Shape legend: M pictures, H height, W width, P side of a patch, N tokens, D width.

Sources: Dosovitskiy et al. 2020 (arXiv 2010.11929), section 3.1; CLIP, Radford et al. 2021
(arXiv 2103.00020), section 2.4; SigLIP, Zhai et al. 2023 (arXiv 2303.15343); SigLIP 2, Tschannen
et al. 2025 (arXiv 2502.14786), section 2; FLIP, Li et al. 2023 (arXiv 2212.00794), section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.errors import ConfigError
from interlingua.nn.attention_pool import AttentionPool
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.linear import Linear
from interlingua.nn.patches import choose_patches, normalize_patches, unfold_patches
from interlingua.nn.position import Interpolation, resample_positions
from interlingua.nn.scaled_init import init_blocks
from interlingua.nn.transformer import (
    ActivationName,
    TransformerBlock,
    init_transformer_weights,
)
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import encode_in_pieces
from interlingua.towers.tower import ImagePreprocess, Tower

TOKENS_AT_ONCE = 800  # frozen, on a CPU: fewer, and reading the weights takes its time


class ViT(Tower):
    """The picture tower; ``Tokens.pooled`` is one vector per picture, [M, D].

    Attributes:
        num_prefix: tokens before the grid's in ``Tokens.states``: 1 with a class token, else 0.
        patch_dropout: share of patches that a training step leaves out.
        pooled_only: ``Tokens.states`` is not wanted, so the last block need not make it.
    """

    layout: ClassVar[str] = "hf_clip"
    preprocess: ImagePreprocess

    class Config(Tower.Config):
        """Settings of ViT; the defaults are CLIP's ViT-B/32.

        Attributes:
            image_size: side in pixels of the pictures that the positions are learned on.
            patch_size: P.
            width, num_layers, num_heads, hidden_width: D, blocks, heads, feed-forward width.
            activation: of the feed-forward layers.
            class_token: a learned token before the patches.
            pooling: the ``class`` token, the ``mean`` of the patches, or ``attention``.
            pre_norm: a LayerNorm before the first block (CLIP).
            patch_bias: of the patch embedding (SigLIP).
            norm_eps: of the LayerNorms.
            position_interpolation: for pictures of other sizes; SigLIP 2's is ``bilinear``.
            patch_dropout: share of patches that a training step leaves out, 0 to below 1.
            fit, trim, crop_fraction, interpolation, mean, std: see ``ImagePreprocess``.
        """

        name: str = "vit"
        image_size: PositiveInt = 224
        patch_size: PositiveInt = 32
        width: PositiveInt = 768
        num_layers: PositiveInt = 12
        num_heads: PositiveInt = 12
        hidden_width: PositiveInt = 3072
        activation: ActivationName = "quick_gelu"
        class_token: bool = True
        pooling: Literal["class", "mean", "attention"] = "class"
        pre_norm: bool = True
        patch_bias: bool = False
        norm_eps: float = 1e-5
        position_interpolation: Interpolation = "bicubic"
        patch_dropout: float = Field(default=0.0, ge=0, lt=1)
        fit: Literal["crop", "pad", "squash"] = "crop"
        trim: bool = False
        crop_fraction: float = 1.0
        interpolation: Literal["bilinear", "bicubic"] = "bicubic"
        mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
        std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

        @model_validator(mode="after")
        def _sizes_fit(self) -> ViT.Config:
            if self.image_size % self.patch_size:
                raise ValueError(
                    f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}"
                )
            if self.width % self.num_heads:
                raise ValueError(f"{self.num_heads} heads do not divide a width of {self.width}")
            if self.pooling == "class" and not self.class_token:
                raise ValueError("pooling=class needs class_token=true")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.in_pieces = self.pooled_only = False
        self.width = self.pooled_width = width = config.width
        self.num_prefix = int(config.class_token)
        self.enter_stage()
        patch = config.patch_size
        num_patches = (config.image_size // patch) ** 2
        self.patch_embedding = Linear(3 * patch * patch, width, bias=config.patch_bias)
        self.class_token: nn.Parameter | None = None
        if config.class_token:
            self.class_token = nn.Parameter(torch.empty(width))
        self.position_embedding = nn.Parameter(torch.empty(self.num_prefix + num_patches, width))
        self.pre_norm: nn.Module = nn.Identity()
        if config.pre_norm:
            self.pre_norm = nn.LayerNorm(width, eps=config.norm_eps)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width,
                config.num_heads,
                config.hidden_width,
                norm_eps=config.norm_eps,
                activation=config.activation,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(width, eps=config.norm_eps)
        self.attention_pool: AttentionPool | None = None
        if config.pooling == "attention":
            self.attention_pool = AttentionPool(
                width,
                config.num_heads,
                config.hidden_width,
                norm_eps=config.norm_eps,
                activation=config.activation,
            )

    def init_weights(self) -> None:
        """Random weights: CLIP's for the blocks, patches by their number of inputs."""
        init_transformer_weights(self)
        init_blocks(self.blocks)
        nn.init.normal_(self.patch_embedding.weight, std=self.patch_embedding.in_features**-0.5)
        nn.init.normal_(self.position_embedding, std=self.width**-0.5)
        if self.class_token is not None:
            nn.init.normal_(self.class_token, std=self.width**-0.5)
        if self.attention_pool is not None:
            self.attention_pool.init_weights()

    def enter_stage(
        self, image_size: int | None = None, patch_dropout: float | None = None
    ) -> None:
        """Take the settings of a training stage; what is not given goes back to the tower's own.

        Args:
            image_size: side in pixels that the data side shall give.
            patch_dropout: share of patches that a training step leaves out.

        Raises:
            ConfigError: a size that patches don't fill, or a share that is not in 0 to below 1.
        """
        size = self.config.image_size if image_size is None else image_size
        share = self.config.patch_dropout if patch_dropout is None else patch_dropout
        if size < 1 or size % self.config.patch_size:
            raise ConfigError(
                f"A picture of {size} pixels can't be cut into patches of "
                f"{self.config.patch_size}.",
                where="image_size",
                next_step="Choose a multiple of the patch.",
            )
        if not 0 <= share < 1:
            raise ConfigError(f"patch_dropout is {share}.", next_step="Choose 0 to below 1.")
        self.patch_dropout = share
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
            values: [M, 3, H, W] uint8, or float that is normalised already.
            mask: not used; pictures have no padding.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D], the class token first where there is one, None under
            ``pooled_only``; ``pooled`` float32 [M, D]; ``grid`` (1, H / P, W / P) of the tokens
            after it, None where patches were dropped.

        Raises:
            ValueError: a layer that there is not, or sides that are no multiples of the patch.
        """
        self.check_layers(layers)
        patch = self.config.patch_size
        num_tokens = self.num_prefix + (values.shape[2] // patch) * (values.shape[3] // patch)
        at_once = max(1, TOKENS_AT_ONCE // max(1, num_tokens)) if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        states, grid = self._embed(values)
        kept = {0: states} if 0 in layers else {}
        last = len(self.blocks)
        alone = self.pooled_only and self.config.pooling == "class" and last not in layers
        for number, block in enumerate(self.blocks, start=1):
            if alone and number == last:
                first = torch.zeros(states.shape[0], dtype=torch.int64, device=states.device)
                pooled = self.norm(block(states, only=first)[:, 0])  # [M, D]
                return Tokens(pooled=pooled.float(), grid=grid, layers=kept or None)
            states = block(states)
            if number in layers:
                kept[number] = states
        states = self.norm(states)
        return Tokens(
            states=None if self.pooled_only else states,
            pooled=self._pool(states).float(),
            grid=grid,
            layers=kept or None,
        )

    def _embed(self, values: Tensor) -> tuple[Tensor, tuple[int, int, int] | None]:
        """Pixels to the first block's input [M, N, D], and the grid where it is whole."""
        patch = self.config.patch_size
        patches = unfold_patches(values, patch)  # [M, N, 3 * P * P]
        rows, columns = values.shape[2] // patch, values.shape[3] // patch
        positions = resample_positions(
            self.position_embedding,
            (rows, columns),
            self.num_prefix,
            self.config.position_interpolation,
        )
        prefix, positions = positions[: self.num_prefix], positions[self.num_prefix :]
        grid: tuple[int, int, int] | None = (1, rows, columns)
        if self.training and self.patch_dropout:
            chosen = choose_patches(len(values), rows * columns, self.patch_dropout, values.device)
            patches = patches.gather(1, chosen[:, :, None].expand(-1, -1, patches.shape[2]))
            positions = positions[chosen]  # [M, K, D]
            grid = None
        if patches.dtype == torch.uint8:
            patches = normalize_patches(patches, self.config.mean, self.config.std)
        if isinstance(self.patch_embedding, nn.Linear):  # a frozen one takes any dtype
            patches = patches.to(self.patch_embedding.weight.dtype)
        states = self.patch_embedding(patches) + positions
        if self.class_token is not None:
            first = (self.class_token + prefix).expand(len(values), 1, -1)
            states = torch.cat([first, states], dim=1)
        return self.pre_norm(states), grid

    def _pool(self, states: Tensor) -> Tensor:
        if self.attention_pool is not None:
            return self.attention_pool(states)
        if self.config.pooling == "class":
            return states[:, 0]
        return states[:, self.num_prefix :].float().mean(1)

    def for_inference(self, precision: torch.dtype) -> ViT:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        frozen = freeze_linears(copy.deepcopy(self).eval(), precision)
        frozen.in_pieces = True
        return frozen
