"""Frozen towers of a model: loaded when first used, never in checkpoints.

A frozen tower is named by where its weights come from. It is no submodule, so that a
checkpoint of a model with trained heads holds the heads alone, training from a feature
cache never loads a tower, and the optimizer never sees one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from interlingua.device import autocast
from interlingua.errors import ConfigError
from interlingua.tokens import Tokens
from interlingua.towers.pretrained import load_weights
from interlingua.towers.tower import Tower, frozen_inference


class FrozenTowers:
    """Towers by name.

    Args:
        sources: by name, the tower's settings and its weights (an entry or a path).

    Attributes:
        precision: of the towers when they are used; set before the first use.
    """

    def __init__(self, sources: Mapping[str, tuple[Tower.Config, str]]):
        self.sources = dict(sources)
        self.precision = torch.float32
        self._shapes: dict[str, Tower] = {}
        self._ready: dict[tuple[str, torch.dtype, str], Tower] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.sources

    def shape(self, name: str) -> Tower:
        """The tower on the meta device: widths and preprocessing without weights.

        Raises:
            ConfigError: there is no frozen tower of that name.
        """
        if name not in self.sources:
            raise ConfigError(f"There is no tower {name!r}.")
        if name not in self._shapes:
            with torch.device("meta"):
                self._shapes[name] = self.sources[name][0].build()
        return self._shapes[name]

    def load(self, name: str) -> Tower:
        """The tower with its weights, in fp32, as its layout gives it.

        Raises:
            FetchError: the weights can't be had.
            LayoutError: they don't fit.
        """
        config, weights = self.sources[name]
        return load_weights(config, weights)

    def encode(
        self, name: str, values: Tensor, mask: Tensor | None, device: torch.device
    ) -> Tokens:
        """The tower's output in ``precision``, without gradients."""
        key = (name, self.precision, str(device))
        if key not in self._ready:
            self._ready[key] = frozen_inference(self.load(name), self.precision).to(device).eval()
        tower = self._ready[key]
        prepares_itself = hasattr(tower, "for_inference")
        context = nullcontext() if prepares_itself else autocast(device, self.precision)
        with torch.inference_mode(), context:
            tokens: Tokens = tower(values.to(device), None if mask is None else mask.to(device))
        # Inference tensors can't be saved for backward; heads in training need ordinary ones.
        if tokens.pooled is not None:
            tokens.pooled = tokens.pooled.clone()
        return tokens
