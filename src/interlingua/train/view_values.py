"""The values of one view for a tower that is trained: decoded once, changed anew each time.

Shape legend: M media of the view in a batch, S side, N tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.batch import Media
from interlingua.data.augment import Augment, augment_pictures, drop_tokens
from interlingua.data.decoded import PICTURES, TokenRows
from interlingua.data.errors_log import SkipLog, shard_of
from interlingua.data.loader import OnError, decode
from interlingua.errors import MediaError
from interlingua.sample import Part
from interlingua.towers.tower import ImagePreprocess, Preprocess, TextPreprocess
from interlingua.train.feature_fill import part_name

GIBIBYTE = 1 << 30


class ViewValues:
    """Makes the media of one view.

    Args:
        parts: all alternatives of the view.
        skip_log: is told of what can't be read, each time that it is drawn.
        augment: how pictures and texts are changed.
        max_bytes: of decoded pictures that are kept in memory.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        skip_log: SkipLog,
        augment: Augment | None = None,
        max_bytes: int = GIBIBYTE,
    ):
        self.parts = parts
        self.augment = augment or Augment()
        self.max_bytes = max_bytes
        self._skip_log = skip_log
        self._token_rows: TokenRows | None = None

    def __call__(
        self,
        preprocess: Preprocess,
        owner: NDArray[np.int64],
        drawn: NDArray[np.int64],
        random: np.random.Generator,
    ) -> Media:
        """The media of a batch, without damaged ones.

        Args:
            preprocess: what the tower asks for now; a stage may ask for other sizes.
            owner: [M] places in the batch.
            drawn: [M] numbers of the parts.
            random: of the batch, for augmentation.
        """

        def skip(place: int, part: Part, error: MediaError) -> None:
            self._skip_log.bad(error, key=part_name(part), source="training", shard=shard_of(part))

        values: Tensor | None = None
        mask: Tensor | None = None
        if isinstance(preprocess, ImagePreprocess):
            kept, values = self._pictures(preprocess, drawn, random, skip)
        elif isinstance(preprocess, TextPreprocess):
            kept, values, mask = self._texts(preprocess, drawn, random, skip)
        else:
            parts = [self.parts[number] for number in drawn]
            chunks = decode(parts, preprocess, batches=[range(len(parts))], on_error=skip)
            chunk = next(chunks, None)
            kept = [] if chunk is None else chunk.index
            if chunk is not None:
                values, mask = chunk.values, chunk.mask
        self._skip_log.good(len(kept))
        return Media(
            owner=torch.from_numpy(owner[kept]),
            slot=torch.zeros(len(kept), dtype=torch.int64),
            values=values,
            mask=mask,
        )

    def _pictures(
        self,
        preprocess: ImagePreprocess,
        drawn: NDArray[np.int64],
        random: np.random.Generator,
        skip: OnError,
    ) -> tuple[list[int], Tensor | None]:
        wanted = preprocess
        if self.augment.crops:  # the whole picture, so that a crop can lie anywhere in it
            size = self.augment.decoded_size(preprocess.size)
            wanted = preprocess.model_copy(update={"size": size, "crop_fraction": 1.0})
        parts = [self.parts[number] for number in drawn]
        kept, pictures = PICTURES.get(parts, wanted, self.max_bytes, skip)
        if pictures is not None:
            pictures = augment_pictures(pictures, self.augment, preprocess.size, random)
        return kept, pictures

    def _texts(
        self,
        preprocess: TextPreprocess,
        drawn: NDArray[np.int64],
        random: np.random.Generator,
        skip: OnError,
    ) -> tuple[list[int], Tensor | None, Tensor | None]:
        if self._token_rows is None or self._token_rows.preprocess != preprocess:
            self._token_rows = TokenRows(self.parts, preprocess)
        kept, rows = self._token_rows.get(drawn, skip)
        if not kept:
            return [], None, None
        if self.augment.token_dropout:
            rows = drop_tokens(rows, self.augment.token_dropout, random)
        return kept, *self._token_rows.pad(rows)
