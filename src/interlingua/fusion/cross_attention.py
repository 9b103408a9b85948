"""Cross-attention between modalities: the tokens of one ask those of the others.

Notable features:
- own blocks first; in the last ``fusion_layers`` a modality's tokens first ask the tokens of all
  others, as these came out of the layer before, then each other;
- both ways, each modality asks all others; one way, a single one asks and alone makes the answer.
  The others are read as they came out of their own blocks then;
- a sample without the asking modality has a learned token in its place, which asks;
- the dearest way beside early fusion: each pair of modalities has its own products of tokens.

Sources: Lu et al. 2019 (ViLBERT, arXiv 1908.02265), section 2.2; Tan & Bansal 2019 (LXMERT,
arXiv 1908.07490), section 2.2, whose order of sublayers this is; Tsai et al. 2019 (MulT,
arXiv 1906.00295), section 3.1, one way.

Shape legend: B samples, N tokens, D width, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import Pool, mean_of_there
from interlingua.fusion.presence import StandIn, present
from interlingua.nn.attention import AttentionPattern
from interlingua.nn.cross_attention import CrossAttentionBlock
from interlingua.nn.scaled_init import init_blocks
from interlingua.tokens import Tokens


class CrossAttentionFusion(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings.

        Attributes:
            direction: ``both``: each modality asks all others; ``one_way``: one asks.
            asking: which one, if one way; empty = the first.
            fusion_layers: how many of the ``num_layers`` blocks, the last ones, ask others.
        """

        name: str = "cross_attention"
        direction: Literal["both", "one_way"] = "both"
        asking: str = ""
        fusion_layers: PositiveInt = 1

        @model_validator(mode="after")
        def _asks(self) -> CrossAttentionFusion.Config:
            if self.fusion_layers > self.num_layers:
                raise ValueError(
                    f"fusion_layers={self.fusion_layers} are more than the {self.num_layers} layers"
                )
            if self.asking and self.direction == "both":
                raise ValueError("asking is for direction=one_way; both ways, all ask")
            return self

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        one_way = config.direction == "one_way"
        first = self.the_modality(config.asking, "asking")
        self.asking = (first,) if one_way else self.modalities
        alone = len(widths) == 1  # nobody to ask: its own blocks all the way
        self.asking_layers = 0 if alone else config.fusion_layers
        self.streams = self.own_streams(widths, config.num_layers - self.asking_layers)
        self.blocks = nn.ModuleDict({name: self.asking_blocks() for name in self.asking})
        self.stand_in = StandIn(config.width) if one_way and not alone else None
        self.pools = nn.ModuleDict({name: Pool(config.width) for name in self.asking})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; the joint tokens are those of all that ask, in order."""
        there = present([tokens[name] for name in self.asking])
        states, masks = {}, {}
        for name in self.modalities:
            states[name], masks[name] = self.streams[name](tokens[name])
        if self.stand_in is not None:
            (name,) = self.asking
            states[name], masks[name] = self.stand_in(states[name], masks[name])
            there = torch.ones_like(there)
        for layer in range(self.asking_layers):
            # all ask what the layer before gave, not what another made of it just now
            states = {**states, **self.ask(layer, states, masks)}
        vectors = [self.pools[name](states[name], masks[name]) for name in self.asking]
        mask = torch.cat([masks[name] for name in self.asking], dim=1)
        joint = torch.cat([states[name] for name in self.asking], dim=1)
        joint = joint.masked_fill(~mask[..., None], 0.0)
        return Tokens(states=joint, mask=mask, pooled=self.dropout(mean_of_there(vectors, there)))

    def asking_blocks(self) -> nn.ModuleList:
        """The blocks of one modality that ask the others."""
        config = self.config
        blocks = nn.ModuleList(
            CrossAttentionBlock(
                config.width, config.num_heads, config.hidden_width, self_attention="after"
            )
            for _ in range(self.asking_layers)
        )
        init_blocks(blocks)
        return blocks

    def ask(
        self, layer: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The new states of those that ask."""
        asked = {}
        for name in self.asking:
            # whose a token is, its stream's bias has told already
            others = [other for other in self.modalities if other != name]
            memory = torch.cat([states[other] for other in others], dim=1)  # [B, N', D]
            memory_mask = torch.cat([masks[other] for other in others], dim=1)
            blocks = self.blocks[name]
            assert isinstance(blocks, nn.ModuleList)
            asked[name] = blocks[layer](
                states[name],
                memory,
                AttentionPattern(key_mask=masks[name]),
                AttentionPattern(key_mask=memory_mask),
            )
        return asked
