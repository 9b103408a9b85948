"""Bottleneck fusion (MBT): modalities meet only through a few tokens that all of them see.

Notable features:
- own blocks first; in the last ``fusion_layers`` each modality's block sees its own tokens and
  the bottleneck's;
- with ``mean``, the paper's equations 8 and 9, all read the same, and the bottleneck goes on as the
  mean of what they made of it. ``in_turn``, a change to it, each modality reads what the one before
  wrote in the same layer, the first modality last: what is said then reaches what is seen a layer
  earlier and whole, and a word is bound to an object sooner (docs/log.md, 2026-11-23);
- what the last block writes into the bottleneck nobody reads, so with ``mean`` an exchange takes
  two layers;
- attention costs M (N + K)² instead of (M N)² for M modalities;
- a modality that a sample lacks writes nothing.

Source: Nagrani et al. 2021, "Attention bottlenecks for multimodal fusion" (arXiv 2107.00135),
sections 3.2 and 3.3; the mean of the modalities' vectors is its mean of logits by one linear
layer. Own blocks per modality, tokens pooled by their mean.

Shape legend: B samples, N tokens, K bottleneck tokens, D width, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import Pool, mean_of_there
from interlingua.fusion.presence import present
from interlingua.nn.attention import AttentionPattern
from interlingua.tokens import Tokens


class Bottleneck(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings.

        Attributes:
            num_bottlenecks: K.
            fusion_layers: how many of the ``num_layers`` blocks, the last ones, see the bottleneck;
                0 = none: the modalities meet in the mean only.
            exchange: ``in_turn``, from the last modality to the first, or ``mean``.
        """

        name: str = "bottleneck"
        num_bottlenecks: PositiveInt = 4
        fusion_layers: int = Field(default=2, ge=0)
        exchange: Literal["in_turn", "mean"] = "in_turn"

        @model_validator(mode="after")
        def _exchanges(self) -> Bottleneck.Config:
            if self.fusion_layers > self.num_layers:
                raise ValueError(
                    f"fusion_layers={self.fusion_layers} are more than the {self.num_layers} layers"
                )
            if self.fusion_layers == 1:
                raise ValueError("fusion_layers=1 writes a bottleneck that nobody reads: 0, or 2")
            return self

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.streams = self.own_streams(widths, config.num_layers)
        self.pools = nn.ModuleDict({name: Pool(config.width) for name in widths})
        self.dropout = nn.Dropout(config.dropout)
        self.in_turn = config.exchange == "in_turn"
        # one modality has nobody to exchange with
        self.first_shared = config.num_layers - (config.fusion_layers if len(widths) > 1 else 0)
        self.bottleneck: nn.Parameter | None = None
        if self.first_shared < config.num_layers:
            # small: what the first block writes into it is not to be drowned by what stands there
            self.bottleneck = nn.Parameter(torch.randn(config.num_bottlenecks, config.width) * 0.02)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; the joint tokens are those of all modalities, in order."""
        there = present([tokens[name] for name in self.modalities])
        states, masks = {}, {}
        for name in self.modalities:
            stream = self.streams[name]
            states[name], masks[name] = stream.enter(tokens[name])
            for block in stream.blocks[: self.first_shared]:
                states[name] = block(states[name], AttentionPattern(key_mask=masks[name]))
        if self.bottleneck is not None:
            shared = self.bottleneck.expand(len(there), -1, -1)  # [B, K, D]
            for layer in range(self.first_shared, self.config.num_layers):
                shared = self.exchange(layer, states, masks, shared, there)
        vectors = [self.pools[name](states[name], masks[name]) for name in self.modalities]
        mask = torch.cat(list(masks.values()), dim=1)
        joint = torch.cat(list(states.values()), dim=1).masked_fill(~mask[..., None], 0.0)
        return Tokens(states=joint, mask=mask, pooled=self.dropout(mean_of_there(vectors, there)))

    def exchange(
        self,
        layer: int,
        states: dict[str, Tensor],
        masks: dict[str, Tensor],
        shared: Tensor,
        there: Tensor,
    ) -> Tensor:
        """One block of each modality over its tokens and the bottleneck [B, K, D].

        Puts the new states in the place of the old ones, and gives the new bottleneck.
        """
        told: list[Tensor] = []
        num_shared = shared.shape[1]
        for number, name in reversed(list(enumerate(self.modalities))):
            block = self.streams[name].blocks[layer]
            row = torch.cat([states[name], shared], dim=1)  # [B, N + K, D]
            real = torch.cat([masks[name], masks[name].new_ones(shared.shape[:2])], dim=1)
            row = block(row, AttentionPattern(key_mask=real))
            states[name], new = row[:, :-num_shared], row[:, -num_shared:]
            told.insert(0, new)
            if self.in_turn:
                shared = torch.where(there[:, number, None, None], new, shared)
        return shared if self.in_turn else mean_of_there(told, there)
