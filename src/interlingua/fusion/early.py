"""Early fusion: all tokens in one row, one Transformer sees everything from its first block on.

Notable features:
- a learned vector says of each token what modality it is of;
- a class token reads the answer;
- the dearest way: attention between all pairs of tokens in every block.

Sources: Li et al. 2019 (VisualBERT, arXiv 1908.03557), section 3.2; Kim et al. 2021 (ViLT,
arXiv 2102.03334), section 3.1; early fusion of features, Baltrušaitis et al. 2019
(arXiv 1705.09406), section 6.1.

Shape legend: B samples, N tokens of one modality, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import PositiveInt
from torch import nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.nn.attention import AttentionPattern
from interlingua.nn.scaled_init import init_blocks
from interlingua.nn.transformer import TransformerBlock
from interlingua.tokens import Tokens


class EarlyFusion(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings."""

        name: str = "early"
        num_layers: PositiveInt = 2  # without a block the class token would have read nothing

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.streams = self.own_streams(widths, num_layers=0)
        self.kinds = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(config.width) * 0.02) for name in widths}
        )
        # not much smaller than a token: from 0.02 it learns to read far more slowly
        self.class_token = nn.Parameter(torch.randn(config.width) * 0.5)
        self.blocks = nn.ModuleList(
            TransformerBlock(config.width, config.num_heads, config.hidden_width)
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        init_blocks(self.blocks)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; the first joint token is the class token."""
        rows, masks = [], []
        for name in self.modalities:
            states, mask = self.streams[name].enter(tokens[name])
            rows.append(states + self.kinds[name])
            masks.append(mask)
        batch = len(rows[0])
        rows.insert(0, self.class_token.expand(batch, 1, -1))
        masks.insert(0, masks[0].new_ones(batch, 1))
        states, mask = torch.cat(rows, dim=1), torch.cat(masks, dim=1)
        for block in self.blocks:
            states = block(states, AttentionPattern(key_mask=mask))
        pooled = self.dropout(self.norm(states[:, 0]))
        return Tokens(states=states, mask=mask, pooled=pooled)
