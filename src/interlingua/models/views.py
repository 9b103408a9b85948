"""Towers behind views: what every model has that takes media of several kinds.

Which tower serves which view, which of them are trained (parts of the checkpoint) and which are
frozen (outside of it, their outputs perhaps cached). What becomes of a tower's output is each
model's own: a place in a space (``SpaceOfViews``), or a part of one answer.

Shape legend: M media of one view, P pooled width, D width of the space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from interlingua import ranks
from interlingua.batch import Batch, Media
from interlingua.errors import DataError
from interlingua.models.frozen_towers import FrozenTowers
from interlingua.models.tower_use import TowerUse
from interlingua.tokens import Tokens
from interlingua.towers.tower import Preprocess, Tower


class TowersOfViews(nn.Module):
    """See the module's text.

    Args:
        towers: by name.
        view_towers: view -> tower.

    Attributes:
        views: that the model takes.
    """

    def __init__(self, towers: Mapping[str, TowerUse], view_towers: Mapping[str, str]):
        super().__init__()
        self.views = tuple(view_towers)
        self._view_towers = dict(view_towers)
        self.towers = nn.ModuleDict(
            {name: use.build() for name, use in towers.items() if not use.frozen}
        )
        self.frozen_towers = FrozenTowers(
            {name: (use.tower, use.weights) for name, use in towers.items() if use.frozen}
        )

    def tower_shape(self, tower: str) -> Tower:
        """A tower for its widths and preprocessing; its weights may not be there."""
        if tower in self.towers:
            return self.towers[tower]  # type: ignore[return-value]
        return self.frozen_towers.shape(tower)

    def preprocess(self, view: str) -> Preprocess:
        """What the data side must do for a view, in the present stage."""
        return self.tower_shape(self.tower_of(view)).preprocess

    def pooled_width(self, view: str) -> int:
        """P of the tower of a view."""
        return self.tower_shape(self.tower_of(view)).pooled_width

    def tokens(self, view: str, media: Media) -> Tokens:
        """What the tower gives of the media, or gave when they were cached."""
        tower = self.tower_of(view)
        return media.tokens if media.tokens is not None else self._encode(tower, media)

    def pooled(self, view: str, media: Media) -> Tensor:
        """[M, P] what the tower gives before its way into the space."""
        tokens = self.tokens(view, media)
        if tokens.pooled is None:
            raise DataError(f"The tower {self.tower_of(view)!r} gives no pooled vectors.")
        return tokens.pooled

    def tower_of(self, view: str) -> str:
        """The name of the tower that serves a view.

        Raises:
            DataError: there is none.
        """
        if view not in self._view_towers:
            raise DataError(
                f"The model has no tower for {view!r}.",
                next_step=f"It takes {', '.join(self._view_towers)}.",
            )
        return self._view_towers[view]

    def _encode(self, tower: str, media: Media) -> Tokens:
        if media.values is None:
            raise DataError(f"The batch has neither values nor cached tokens for {tower!r}.")
        if tower in self.towers:
            tokens: Tokens = self.towers[tower](media.values, media.mask)
            return tokens
        device = next(self.parameters()).device
        return self.frozen_towers.encode(tower, media.values, media.mask, device)


class SpaceOfViews(TowersOfViews):
    """Towers whose media lie in one space, compared at a learned temperature.

    Args:
        towers: by name.
        view_towers: view -> tower.
        initial_scale, max_scale: of the learned inverse temperature.
    """

    def __init__(
        self,
        towers: Mapping[str, TowerUse],
        view_towers: Mapping[str, str],
        initial_scale: float,
        max_scale: float,
    ):
        super().__init__(towers, view_towers)
        self._max_log_scale = math.log(max_scale)
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))

    def embed_media(self, view: str, media: Media) -> Tensor:
        """[M, D] unit vectors of media of one view."""
        raise NotImplementedError

    def fill(self, outputs: Any, batch: Batch) -> None:
        """Put the vectors of everything in the batch into ``outputs.vectors`` and ``.owner``."""
        for view, media in batch.media.items():
            if len(media):
                outputs.vectors[view] = self.embed_media(view, media)
            elif ranks.world_size() > 1:  # what one rank runs, all must run
                outputs.vectors[view] = self.embed_media(view, media.stand_in())[:0]
            else:
                continue
            outputs.owner[view] = media.owner

    def after_step(self, step: int) -> None:
        """Keep the inverse temperature in its range; the loop calls it after each update."""
        with torch.no_grad():
            self.log_scale.clamp_(0.0, self._max_log_scale)
