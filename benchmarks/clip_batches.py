"""Batches of pictures and titles that all sides of a training benchmark share.

Shape legend: B pairs, S side of a picture, N pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import clip_models
from interlingua.batch import Batch, Media


@dataclass(frozen=True, slots=True)
class Pairs:
    """One batch for all sides: [B, 3, S, S] uint8 pixels and [B, 77] ids, zeros after the end."""

    pixels: Tensor
    ids: Tensor

    @property
    def longest(self) -> int:
        """Tokens of the longest text, its end token included."""
        return int(self.ids.argmax(1).max()) + 1  # the end token has the highest id


def normalized(pixels: Tensor) -> Tensor:
    """What open_clip's loader gives: float32, normalised."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (clip_models.MEAN, clip_models.STD))
    return (pixels.float() / 255 - mean) / std


def as_batch(pairs: Pairs) -> Batch:
    """What our stream gives: pixels and ids up to the longest text."""
    ids = pairs.ids[:, : pairs.longest]
    mask = torch.arange(ids.shape[1]) <= ids.argmax(1)[:, None]
    owner = torch.arange(len(ids))
    return Batch(
        keys=[str(n) for n in range(len(ids))],
        media={
            "image": Media(owner, torch.zeros_like(owner), values=pairs.pixels),
            "text": Media(owner, torch.zeros_like(owner), values=ids, mask=mask),
        },
    )


def title_batches(
    titles: Sequence[str], pixels: Tensor, batch_size: int, tokens: int = 0
) -> Iterator[Pairs]:
    """Batches of titles with their pictures.

    Args:
        titles: as many as there are pictures.
        pixels: [N, 3, S, S] uint8.
        batch_size: B; what is left over at the end is dropped.
        tokens: every text is made exactly this long, start and end included, from the words
            of the titles that follow; 0 leaves them as they are.
    """
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    ids = tokenizer(list(titles))
    if tokens:
        ids = _of_length(ids, tokens, tokenizer.sot_token_id, tokenizer.eot_token_id)
    for start in range(0, len(titles) - batch_size + 1, batch_size):
        rows = slice(start, start + batch_size)
        yield Pairs(pixels[rows], ids[rows])


def _of_length(ids: Tensor, tokens: int, start: int, end: int) -> Tensor:
    words = [row[1 : int(row.argmax())] for row in ids]  # without start and end
    result = torch.zeros_like(ids)
    for number in range(len(ids)):
        line, place = words[number], number + 1
        while len(line) < tokens - 2:
            line = torch.cat([line, words[place % len(words)]])
            place += 1
        result[number, 0], result[number, tokens - 1] = start, end
        result[number, 1 : tokens - 1] = line[: tokens - 2]
    return result


def pixels_of(paths: Sequence[Path], size: int) -> Tensor:
    """[N, 3, S, S] uint8, as our preprocessing of CLIP gives them."""
    from benchmarks.clipart_set import images
    from interlingua.data.loader import decode
    from interlingua.towers.tower import ImagePreprocess

    preprocess = ImagePreprocess(size=size, crop_fraction=1.0)
    chunks = [chunk.values for chunk in decode(images(paths), preprocess)]
    return torch.cat(chunks).contiguous()
