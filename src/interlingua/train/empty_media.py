"""Media of a view of which a process has none, in the shape that its tower takes.

In many processes every rank runs every trained tower in every step; a model makes one stand-in of
these (``Media.stand_in``), runs it and leaves its output out.
"""

from __future__ import annotations

import torch

from interlingua.batch import Media
from interlingua.towers.tower import (
    AudioPreprocess,
    ImagePreprocess,
    Preprocess,
    ValuesPreprocess,
)

_TOKENS = 4  # as long as a short text


def empty_media(preprocess: Preprocess) -> Media:
    """No media at all: values [0, ...]."""
    none = torch.zeros(0, dtype=torch.int64)
    if isinstance(preprocess, ImagePreprocess):
        shape = (0, 3, preprocess.size, preprocess.size)
        return Media(none, none, torch.zeros(shape, dtype=torch.uint8))
    if isinstance(preprocess, AudioPreprocess):
        frames = round(preprocess.bucket_seconds * preprocess.sample_rate / preprocess.hop)
        values = torch.zeros(0, preprocess.num_mels, frames)
        return Media(none, none, values, torch.ones(0, frames, dtype=torch.bool))
    if isinstance(preprocess, ValuesPreprocess):
        return Media(none, none, torch.zeros(0, *preprocess.shape))
    length = preprocess.max_tokens if preprocess.pad_to_max else _TOKENS
    ids = torch.zeros(0, length, dtype=torch.int64)
    return Media(none, none, ids, torch.ones(0, length, dtype=torch.bool))
