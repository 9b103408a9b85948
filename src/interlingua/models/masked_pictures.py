"""A picture tower that learns alone: it is shown pictures with patches missing and fills them in.

Notable features:
- SimMIM's way and not MAE's: hidden patches are replaced and go through the tower, so any tower
  that gives one state per grid cell learns unedited, convolutional ones too, and the decoder is
  one linear layer. MAE leaves them out, which costs a quarter of the time with three quarters
  hidden, but needs a tower that takes part of a grid and a second Transformer as decoder;
- the hidden patch is learned as pixels. Its image under the patch embedding is any vector that
  SimMIM's mask token could be;
- the target is the patch, normalised by the objective (MAE's choice, its table 1d).

Sources: Xie et al. 2022 (SimMIM, arXiv 2111.09886), section 3; He et al. 2021 (MAE, arXiv
2111.06377), section 3 and table 1.

Shape legend: M pictures, H height, W width, P side of a patch, N patches, K hidden ones, D width.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from interlingua.batch import Batch, Media
from interlingua.errors import ConfigError
from interlingua.models.tower_alone import TowerAlone, TowerAloneConfig
from interlingua.nn.patches import unfold_patches
from interlingua.nn.pixels import normalize_pixels
from interlingua.tokens import Tokens
from interlingua.towers.tower import ImagePreprocess


@dataclass(slots=True)
class MaskedPicturesOutputs:
    """What the model gives, of hidden patches only.

    Attributes:
        predicted: [K, 3 * P * P].
        target: [K, 3 * P * P] pixels, normalised over the data set, without gradient.
    """

    predicted: Tensor
    target: Tensor


class MaskedPictures(TowerAlone):
    """See the module's text."""

    class Config(TowerAloneConfig):
        """Settings.

        Attributes:
            mask_share: of the patches that are hidden.
            mask_unit: side in pixels of the squares that are hidden whole, a multiple of P; 0 = P.
                SimMIM hides squares of 32 in pictures of 224.
            patch_size: P; 0 = the tower's own. For a convolutional tower its total stride.
        """

        name: str = "masked_pictures"
        views: dict[str, str] = Field(default_factory=lambda: {"image": "image"})
        mask_share: float = Field(default=0.6, gt=0, lt=1)
        mask_unit: NonNegativeInt = 0
        patch_size: NonNegativeInt = 0

    config: Config

    def __init__(self, config: Config):
        super().__init__(config)
        tower = self.config.towers[self._name].tower
        self.patch_size = config.patch_size or int(getattr(tower, "patch_size", 0))
        if not self.patch_size:
            raise ConfigError(
                f"The tower {tower.name!r} has no patches.",
                where="model.patch_size",
                next_step="Give the pixels per cell of its grid, 32 for EfficientNet.",
            )
        self.mask_unit = config.mask_unit or self.patch_size
        if self.mask_unit % self.patch_size:
            raise ConfigError(
                f"mask_unit {self.mask_unit} is no multiple of the patch, {self.patch_size}.",
                where="model.mask_unit",
            )
        numbers = 3 * self.patch_size**2
        self.mask_patch = nn.Parameter(torch.zeros(numbers))  # the mean colour of the data set
        self.head = nn.Linear(self.tower.width, numbers)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, batch: Batch, needs: Collection[str] = frozenset({"patches"})
    ) -> MaskedPicturesOutputs:
        """Hide patches at random and predict them.

        Args:
            batch: ``media`` by view, with pixel values.
            needs: only ``patches`` is known.

        Raises:
            ConfigError: the tower's grid is not one state per patch.
        """
        media = self.media_of(batch)
        if media is None or media.values is None:  # nothing readable: no row
            empty = self.mask_patch.new_zeros(0, self.head.in_features)
            predicted = self.head(empty)
            return MaskedPicturesOutputs(predicted, torch.zeros_like(predicted))
        preprocess = self.tower.preprocess
        assert isinstance(preprocess, ImagePreprocess)  # the view is one of pictures
        pixels = normalize_pixels(media.values, preprocess.mean, preprocess.std, torch.float32)
        patches = unfold_patches(pixels, self.patch_size)  # [M, N, 3 * P * P]
        grid = (pixels.shape[2] // self.patch_size, pixels.shape[3] // self.patch_size)
        hidden = self.choose(len(pixels), grid, pixels.device)  # [M, N]
        shown = torch.where(hidden[:, :, None], self.mask_patch, patches)
        tokens = self.encode(Media(media.owner, media.slot, fold_patches(shown, grid)))
        states = self._of_grid(tokens, grid)  # [M, N, D]
        return MaskedPicturesOutputs(self.head(states[hidden]), patches[hidden])

    def choose(self, count: int, grid: tuple[int, int], device: torch.device) -> Tensor:
        """[M, N] bool, True = hidden; the same number of squares in every picture.

        Raises:
            ConfigError: the grid can't be cut into squares of ``mask_unit``.
        """
        side = self.mask_unit // self.patch_size
        if grid[0] % side or grid[1] % side or grid[0] * grid[1] // side**2 < 2:
            raise ConfigError(
                f"A grid of {grid[0]} x {grid[1]} patches has no two whole squares of "
                f"{side} x {side}.",
                where="model.mask_unit",
                next_step="Lower mask_unit, or take larger pictures.",
            )
        rows, columns = grid[0] // side, grid[1] // side
        number = min(rows * columns - 1, max(1, round(self.config.mask_share * rows * columns)))
        draws = torch.rand(count, rows * columns, device=device)
        hidden = torch.zeros_like(draws, dtype=torch.bool)
        hidden.scatter_(1, draws.topk(number, dim=1).indices, True)
        square = hidden.view(count, rows, 1, columns, 1).expand(-1, -1, side, -1, side)
        return square.reshape(count, grid[0] * grid[1])

    def _of_grid(self, tokens: Tokens, grid: tuple[int, int]) -> Tensor:
        """The states of the patches, without those of class tokens before them."""
        if tokens.states is None or tokens.grid != (1, *grid):
            found = "a part of it" if tokens.grid is None else " x ".join(map(str, tokens.grid[1:]))
            raise ConfigError(
                f"The tower gives no state for each of {grid[0]} x {grid[1]} patches: {found}.",
                where="model.towers",
                next_step="Patch dropout must be off; patch_size is the pixels per grid cell.",
            )
        return tokens.states[:, -grid[0] * grid[1] :]


def fold_patches(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """``unfold_patches`` undone: [M, N, 3 * P * P] to [M, 3, H, W]."""
    side = int((patches.shape[2] // 3) ** 0.5)
    cut = patches.unflatten(2, (3, side, side)).unflatten(1, grid)  # [M, h, w, 3, P, P]
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(len(patches), 3, grid[0] * side, grid[1] * side)
