"""The way of one modality before it meets another: into the common width, then its own blocks.

Shape legend: B samples, N tokens, D width of the fusion.
"""

from __future__ import annotations

from torch import Tensor, nn

from interlingua.errors import DataError
from interlingua.nn.attention import AttentionPattern
from interlingua.nn.scaled_init import init_blocks
from interlingua.nn.transformer import TransformerBlock
from interlingua.tokens import Tokens


class OwnStream(nn.Module):
    """A linear layer to the common width and Transformer blocks that see this modality only.

    LayerNorm comes first: towers differ in the length of what they give. What a mask calls
    unreal is put to zero on the way in, so that not even a NaN in it gets any further.

    Args:
        width_in: of the tower's states.
        width: D.
        num_layers: blocks; 0 = the linear layer alone.
        num_heads, hidden_width: of the blocks.
    """

    def __init__(
        self, width_in: int, width: int, num_layers: int, num_heads: int, hidden_width: int
    ):
        super().__init__()
        self.norm = nn.LayerNorm(width_in)
        self.project = nn.Linear(width_in, width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, num_heads, hidden_width) for _ in range(num_layers)
        )
        # tokens of the size of one number: small ones would be drowned by the biases behind them,
        # and blocks of this few numbers learn slowly from the small weights that wide ones take
        nn.init.normal_(self.project.weight, std=width_in**-0.5)
        nn.init.zeros_(self.project.bias)
        init_blocks(self.blocks)

    def forward(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """States [B, N, D] behind the last block, zeros where unreal, and their mask [B, N].

        Raises:
            DataError: tokens without states or mask.
        """
        states, mask = self.enter(tokens)
        for block in self.blocks:
            states = block(states, AttentionPattern(key_mask=mask))
        return states.masked_fill(~mask[..., None], 0.0), mask

    def enter(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """States [B, N, D] before the first block, and their mask."""
        if tokens.states is None or tokens.mask is None:
            raise DataError("A fusion needs tokens with states and a mask.")
        real = tokens.mask[..., None]  # [B, N, 1]
        states = self.project(self.norm(tokens.states.masked_fill(~real, 0.0)))
        return states.masked_fill(~real, 0.0), tokens.mask


class OwnStreams(nn.ModuleDict):
    """Own streams by modality."""

    def __getitem__(self, modality: str) -> OwnStream:
        """The stream of a modality."""
        stream = super().__getitem__(modality)
        assert isinstance(stream, OwnStream)
        return stream
