"""A text tower that learns alone: it guesses words that were hidden, or the next one.

Notable features:
- ``predict="masked"`` is BERT's task for towers that see both ways: of the chosen tokens 80 %
  are replaced by the mask token, 10 % by any other, 10 % stay;
- ``predict="next"`` is the task for causal towers (CLIP's), which could not use what follows;
- each text has at least one word to guess: captions are short;
- the decoder is the token embedding itself; logits exist for the guessed places only.

Sources: Devlin et al. 2018 (BERT, arXiv 1810.04805), section 3.1 and appendix A.1; Radford et al.
2018 (GPT), section 3.1; tied embedding, Press & Wolf 2016 (arXiv 1608.05859).

Shape legend: M texts, N tokens, D width, V vocabulary, K guessed places.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.models.tower_alone import TowerAlone, TowerAloneConfig


@dataclass(slots=True)
class MaskedWordsOutputs:
    """What the model gives, of guessed places only.

    Attributes:
        logits: [K, V].
        target: [K] int64, the true ids.
    """

    logits: Tensor
    target: Tensor


class MaskedWords(TowerAlone):
    """See the module's text."""

    class Config(TowerAloneConfig):
        """Settings; the ids are those of BERT's uncased vocabulary.

        Attributes:
            predict: ``masked`` for towers that see both ways, ``next`` for causal ones.
            mask_share: of the tokens that are guessed.
            mask_id: of the mask token.
            special_ids: of tokens that are never guessed: padding, unknown, begin, end, mask.
        """

        name: str = "masked_words"
        views: dict[str, str] = Field(default_factory=lambda: {"text": "text"})
        predict: Literal["masked", "next"] = "masked"
        mask_share: float = Field(default=0.15, gt=0, lt=1)
        mask_id: NonNegativeInt = 103
        special_ids: tuple[NonNegativeInt, ...] = (0, 100, 101, 102, 103)

        @model_validator(mode="after")
        def _task_fits_the_tower(self) -> MaskedWords.Config:
            tower = next(iter(self.towers.values())).tower
            vocabulary = getattr(tower, "vocabulary", 0)
            if not vocabulary:
                raise ValueError(f"the tower {tower.name!r} has no vocabulary: it takes no text")
            causal = bool(getattr(tower, "causal", False))
            if causal != (self.predict == "next"):
                wanted = "next" if causal else "masked"
                raise ValueError(
                    f"a tower with causal={str(causal).lower()} can't learn predict="
                    f"{self.predict}; set predict={wanted}"
                )
            if self.predict == "masked" and self.mask_id >= vocabulary:
                raise ValueError(f"mask_id {self.mask_id} is not in the vocabulary of {vocabulary}")
            return self

    config: Config

    def __init__(self, config: Config):
        super().__init__(config)
        vocabulary, width = self._embedding.shape
        self.transform = nn.Linear(self.tower.width, width)
        self.transform_norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.normal_(self.transform.weight, std=0.02)
        nn.init.zeros_(self.transform.bias)

    @property
    def _embedding(self) -> Tensor:
        return self.tower.token_embedding.weight  # type: ignore[union-attr,return-value]

    def forward(
        self, batch: Batch, needs: Collection[str] = frozenset({"words"})
    ) -> MaskedWordsOutputs:
        """Hide words at random and guess them, or guess each word from those before it.

        Args:
            batch: ``media`` by view, with token ids and their mask.
            needs: only ``words`` is known.
        """
        media = self.media_of(batch)
        if media is None or media.values is None:  # nothing readable: no row
            empty = torch.zeros(0, dtype=torch.int64, device=self.bias.device)
            nothing = self.transform.weight.new_zeros(0, self.tower.width)
            return MaskedWordsOutputs(self._decode(nothing), empty)
        everything = torch.ones_like(media.values, dtype=torch.bool)
        real = everything if media.mask is None else media.mask.bool()
        if self.config.predict == "next":
            return self._next(media, media.values, real)
        shown, chosen = self.hide(media.values, real)
        states = self._states(Media(media.owner, media.slot, shown, media.mask))
        return MaskedWordsOutputs(self._decode(states[chosen]), media.values[chosen])

    def hide(self, ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The ids [M, N] with some replaced, and which are to be guessed [M, N]."""
        special = torch.tensor(self.config.special_ids, dtype=ids.dtype, device=ids.device)
        candidates = real & ~torch.isin(ids, special)
        draws = torch.rand(ids.shape, device=ids.device).masked_fill(~candidates, 2.0)
        at_least = draws.amin(1, keepdim=True)  # of a text of special tokens it is 2
        chosen = candidates & ((draws < self.config.mask_share) | (draws == at_least))
        how = torch.rand(ids.shape, device=ids.device)
        any_word = torch.randint(len(self.bias), ids.shape, device=ids.device)
        replaced = torch.where(how < 0.8, self.config.mask_id, any_word)
        return torch.where(chosen & (how < 0.9), replaced, ids), chosen

    def _next(self, media: Media, ids: Tensor, real: Tensor) -> MaskedWordsOutputs:
        states = self._states(media)  # a causal tower may cut what comes after all ends
        length = states.shape[1]
        guessed = real[:, 1:length]
        return MaskedWordsOutputs(self._decode(states[:, :-1][guessed]), ids[:, 1:length][guessed])

    def _states(self, media: Media) -> Tensor:
        states = self.encode(media).states
        assert states is not None  # pooled_only is never set here
        return states

    def _decode(self, states: Tensor) -> Tensor:
        """[K, D] to [K, V], by BERT's transform and the tied embedding."""
        changed = self.transform_norm(functional.gelu(self.transform(states)))
        return functional.linear(changed, self._embedding, self.bias)
