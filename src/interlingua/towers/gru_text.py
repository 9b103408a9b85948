"""A GRU over word embeddings: the text tower of the classic CNN + GRU models (VSE++).

Notable features:
- padding changes nothing: texts are packed by their lengths, in both directions;
- with ``bidirectional`` a state is the mean of both directions', so that its width stays;
- pooled at the last real token (VSE++) or as the mean over real tokens.

Shape legend: M texts, N tokens, E embedding width, D width.

Sources: Faghri et al. 2018 (VSE++, arXiv 1707.05612), section 4; gated recurrent unit, Cho et al.
2014 (arXiv 1406.1078), section 2.3; the mean of two directions, Lee et al. 2018 (SCAN,
arXiv 1803.08024), section 3.2.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from interlingua.tokens import Tokens
from interlingua.towers.tower import TextPreprocess, Tower


class GRUText(Tower):
    """The text tower; ``Tokens.pooled`` is one vector per text, [M, D]."""

    preprocess: TextPreprocess

    class Config(Tower.Config):
        """Settings of the GRU; the defaults are VSE++'s.

        Attributes:
            vocabulary: number of token ids.
            embedding_width: E.
            width, num_layers: D and the number of GRUs on top of each other.
            bidirectional: whether each is read in both directions.
            pooling: the state at the ``last`` real token, or the ``mean`` over real tokens. With
                two directions ``last`` takes each at its own end.
            embedding_scale: words begin with numbers from minus to plus this. Where few different
                words tell texts apart, 0.1 leaves all texts nearly the same at first.
            tokenizer, max_tokens, clean: of the preprocessing, see ``TextPreprocess``.
        """

        name: str = "gru_text"
        vocabulary: PositiveInt = 30_522
        embedding_width: PositiveInt = 300
        width: PositiveInt = 1024
        num_layers: PositiveInt = 1
        bidirectional: bool = False
        pooling: Literal["last", "mean"] = "last"
        embedding_scale: float = Field(default=0.1, gt=0)
        tokenizer: str = "minilm"
        max_tokens: PositiveInt = 64
        clean: Literal["none", "clip", "siglip", "lower"] = "none"

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.width = self.pooled_width = config.width
        self.preprocess = TextPreprocess(
            tokenizer=config.tokenizer,
            max_tokens=config.max_tokens,
            clean=config.clean,
            vocabulary=config.vocabulary,
        )
        self.token_embedding = nn.Embedding(config.vocabulary, config.embedding_width)
        self.blocks = nn.ModuleList(
            nn.GRU(
                config.width if number else config.embedding_width,
                config.width,
                batch_first=True,
                bidirectional=config.bidirectional,
            )
            for number in range(config.num_layers)
        )

    def init_weights(self) -> None:
        """Random weights: words uniform as in VSE++, GRUs by torch's rule, loops orthogonal."""
        scale = self.config.embedding_scale
        nn.init.uniform_(self.token_embedding.weight, -scale, scale)
        for block in self.blocks:
            assert isinstance(block, nn.GRU)
            block.reset_parameters()
            for name, parameter in block.named_parameters():
                if name.startswith("weight_hh"):
                    for gate in parameter.data.chunk(3):
                        nn.init.orthogonal_(gate)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode texts.

        Args:
            values: [M, N] int64 token ids.
            mask: [M, N] True = real, real ones first; all real where it is not given. A text
                without a real token is read as its first token alone.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D], zeros at padding, ``mask`` [M, N], ``pooled`` float32 [M, D].

        Raises:
            ValueError: a layer that there is not.
        """
        self.check_layers(layers)
        mask = torch.ones_like(values, dtype=torch.bool) if mask is None else mask.bool()
        lengths = mask.sum(1).clamp(min=1)  # [M]
        states = self.token_embedding(values)  # [M, N, E]
        kept = {0: states} if 0 in layers else {}
        ends = states.new_zeros(len(values), self.width)
        on_cpu = lengths.cpu()
        for number, block in enumerate(self.blocks, start=1):
            states, ends = self._read(block, states, on_cpu)
            if number in layers:
                kept[number] = states
        return Tokens(
            states=states,
            mask=mask,
            pooled=self._pool(states, ends, lengths),
            layers=kept or None,
        )

    def _read(self, block: nn.Module, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States [M, N, D] and end states [M, D] of one GRU, the mean over its directions."""
        if not len(states):
            return states.new_zeros(0, states.shape[1], self.width), states.new_zeros(0, self.width)
        packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
        packed_states, ends = block(packed)
        padded, _ = pad_packed_sequence(
            packed_states, batch_first=True, total_length=states.shape[1]
        )
        directions = padded.unflatten(2, (-1, self.width))  # [M, N, 1 or 2, D]
        return directions.mean(2), ends.mean(0)

    def _pool(self, states: Tensor, ends: Tensor, lengths: Tensor) -> Tensor:
        if self.config.pooling == "last":
            return ends.float()
        return states.float().sum(1) / lengths[:, None]  # states are zero at padding

    def for_inference(self, precision: torch.dtype) -> GRUText:
        """A copy for frozen use, in fp32 whatever the precision: a loop sums its errors up."""
        return copy.deepcopy(self).eval().requires_grad_(False)
