"""FiLM: the vectors of the other modalities scale and shift the features of a main one.

Notable features:
- each block of the main modality's own stream gets its states times gamma plus beta; with no
  block at all that is done before pooling;
- linear layers give gamma - 1 and beta: with weights of zero nothing is changed, and a modality
  that is missing changes nothing;
- several others add up;
- a sample without the main modality has a learned token in its place, which is modulated.

Source: Perez et al. 2018, "FiLM" (arXiv 1709.07871), section 2. There it is within a residual
block, behind its normalisation; here it is before the block, so that what looks and what is
looked at are both modulated and the block stays as it is.

Shape legend: B samples, N tokens, D width, S places to modulate.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import OwnVectors, Pool
from interlingua.fusion.presence import StandIn
from interlingua.nn.attention import AttentionPattern
from interlingua.tokens import Tokens


class FiLM(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings.

        Attributes:
            main: the modality that is modulated; empty = the first.
        """

        name: str = "film"
        main: str = ""

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.main = self.the_modality(config.main, "main")
        self.streams = self.own_streams({self.main: widths[self.main]}, config.num_layers)
        self.pool = Pool(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.places = max(1, config.num_layers)
        self.others: OwnVectors | None = None
        if len(widths) > 1:
            self.stand_in = StandIn(config.width)
            self.others = self.own_vectors({n: w for n, w in widths.items() if n != self.main})
            self.conditions = nn.ModuleDict(
                {
                    name: nn.Linear(config.width, self.places * 2 * config.width)
                    for name in self.others.streams
                }
            )
            # small: where features are scaled at random, nothing is learned for a long time
            for layer in self.conditions.values():
                assert isinstance(layer, nn.Linear)
                nn.init.normal_(layer.weight, std=0.1 * config.width**-0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; the joint tokens are the main modality's."""
        stream = self.streams[self.main]
        states, mask = stream.enter(tokens[self.main])
        modulation: Tensor | None = None
        if self.others is not None:
            states, mask = self.stand_in(states, mask)
            modulation = self.modulation(tokens)
        for place in range(self.places):
            if modulation is not None:
                scale, shift = modulation[:, place, :, None].unbind(1)  # each [B, 1, D]
                states = states * (1 + scale) + shift
            if place < len(stream.blocks):
                states = stream.blocks[place](states, AttentionPattern(key_mask=mask))
        states = states.masked_fill(~mask[..., None], 0.0)
        pooled = self.dropout(self.pool(states, mask))
        return Tokens(states=states, mask=mask, pooled=pooled)

    def modulation(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """[B, S, 2, D] gamma - 1 and beta of each place."""
        assert self.others is not None
        vectors, there = self.others(tokens)
        parts = [
            layer(vector).masked_fill(~there[:, number, None], 0.0)
            for number, (layer, vector) in enumerate(
                zip(self.conditions.values(), vectors, strict=True)
            )
        ]
        return torch.stack(parts).sum(0).view(-1, self.places, 2, self.config.width)
