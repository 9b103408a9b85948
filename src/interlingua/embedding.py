"""Sample parts of any views to unit vectors: grouped by view, decoded in batches, put in order.

Shape legend: N parts, M media of one view in a batch, D width of the space, P pooled width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interlingua.batch import Media
from interlingua.data.gate import MediaLimits
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.loader import decode
from interlingua.errors import MediaError
from interlingua.sample import Label, Part, Text
from interlingua.tokens import Tokens
from interlingua.towers.tower import Preprocess

if TYPE_CHECKING:
    from interlingua.train.feature_cache import FeatureTable

Vectors = npt.NDArray[np.float32]
OnError = Callable[[int, Part, MediaError], None]
Features: TypeAlias = "Callable[[str, Sequence[Part]], FeatureTable]"

BATCH_SIZE = 64
POOLED_AT_A_TIME = 4096


class EmbeddingModel(Protocol):
    """What a model must offer to be a space; ``models.shared_space`` does."""

    views: Sequence[str]
    dimension: int

    def preprocess(self, view: str) -> Preprocess:
        """What the data side must do for a view."""

    def embed_media(self, view: str, media: Media) -> Tensor:
        """[M, D] unit vectors, from values or from a frozen tower's pooled tokens [M, P]."""


class PoolingModel(EmbeddingModel, Protocol):
    """A model that also gives what its towers make before their projections."""

    def pooled_width(self, view: str) -> int:
        """P of the tower of a view."""

    def pooled(self, view: str, media: Media) -> Tensor:
        """[M, P] what the tower gives before its projection."""


class PooledModel:
    """A model's tower of one view without its projection: what probes and neighbours read.

    Its rows have the tower's own length; an ``Embedder`` takes it like any model.

    Args:
        model: with the tower.
        view: that is embedded.
    """

    def __init__(self, model: PoolingModel, view: str):
        self._model = model
        self.views: Sequence[str] = (view,)
        self.dimension = model.pooled_width(view)

    def preprocess(self, view: str) -> Preprocess:
        return self._model.preprocess(view)

    def embed_media(self, view: str, media: Media) -> Tensor:
        return self._model.pooled(view, media)


class Embedder:
    """A model with the device and the media limits it embeds with."""

    def __init__(self, model: EmbeddingModel, device: torch.device, limits: MediaLimits):
        self.model = model
        self.isolated: IsolatedDecoder | None = None  # decodes files from strangers
        self.device = device
        self.limits = limits

    def __call__(
        self, parts: Sequence[Part], on_error: OnError | None, features: Features | None
    ) -> Vectors:
        """[N, D] float32, NaN where a part can't be read; see ``Space.embed_parts``."""
        vectors = np.full((len(parts), self.model.dimension), np.nan, dtype=np.float32)
        by_view: dict[str, dict[str | int, list[int]]] = {}
        for place, part in enumerate(map(as_text, parts)):
            same = part.text if isinstance(part, Text) else place  # equal texts are embedded once
            by_view.setdefault(part.view, {}).setdefault(same, []).append(place)
        for view, groups in by_view.items():
            places = list(groups.values())
            distinct = [as_text(parts[group[0]]) for group in places]
            told = _of_every_place(on_error, places, parts)
            for rows, block in self._of_one_view(view, distinct, told, features):
                for row, vector in zip(rows, block, strict=True):
                    vectors[places[row]] = vector
        return vectors

    def _of_one_view(
        self, view: str, parts: list[Part], on_error: OnError | None, features: Features | None
    ) -> Iterator[tuple[list[int], Vectors]]:
        if features is None:
            yield from self._decoded(view, parts, on_error)
            return
        table = features(view, parts)
        known = [row for row in range(len(parts)) if table.row(row) is not None]
        for start in range(0, len(known), POOLED_AT_A_TIME):
            block = known[start : start + POOLED_AT_A_TIME]
            pooled = table.values[table.rows[block]].float()
            yield block, self._encode(view, len(block), tokens=Tokens(pooled=pooled))
        rest = [row for row in range(len(parts)) if table.row(row) is None]
        told = _of_every_place(on_error, [[row] for row in rest], parts)
        # what the cache couldn't read is read here once more, to tell why
        for rows, vectors in self._decoded(view, [parts[row] for row in rest], told):
            yield [rest[row] for row in rows], vectors

    def _decoded(
        self, view: str, parts: list[Part], on_error: OnError | None
    ) -> Iterator[tuple[list[int], Vectors]]:
        preprocess = self.model.preprocess(view)
        for chunk in decode(
            parts,
            preprocess,
            batch_size=BATCH_SIZE,
            limits=self.limits,
            on_error=on_error,
            isolated=self.isolated,
        ):
            yield (
                chunk.index,
                self._encode(view, len(chunk), values=chunk.values, mask=chunk.mask),
            )

    def _encode(self, view: str, count: int, **media: Any) -> Vectors:
        owner = torch.arange(count)
        batch = Media(owner, torch.zeros_like(owner), **media).to(self.device)
        with torch.inference_mode():
            block = self.model.embed_media(view, batch)
        return np.asarray(block.float().cpu().numpy(), dtype=np.float32)


def as_text(part: Part) -> Part:
    """A label counts as text."""
    return Text(part.name) if isinstance(part, Label) else part


def _of_every_place(
    on_error: OnError | None, places: Sequence[Sequence[int]], parts: Sequence[Part]
) -> OnError | None:
    """An error of one row, told of each place that it stands for."""
    if on_error is None:
        return None

    def tell(row: int, _: Part, error: MediaError) -> None:
        for place in places[row]:
            on_error(place, parts[place], error)

    return tell
