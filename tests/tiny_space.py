"""A model so small that its space can be understood: mean colour, mean spectrum, mean word.

It keeps the contract of ``interlingua.space.EmbeddingModel`` and takes real files through the
real gate; only the towers are missing.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from torch.nn.functional import normalize

from interlingua.batch import Media
from interlingua.config import NamedConfig
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, Preprocess, TextPreprocess

WORDS = ("a", "red", "green", "blue", "dog", "[UNK]")


class TinySpace(nn.Module):
    """Pictures by mean colour, sounds by mean log-mel, texts by mean word vector: [M, D]."""

    class Config(NamedConfig):
        folder = "models"
        dimension: int = 16
        tokenizer: str
        views: tuple[str, ...] = ("image", "text", "sound", "speech")
        size: int = 16

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.views = config.views
        self.dimension = config.dimension
        generator = torch.Generator().manual_seed(0)
        self.image = nn.Parameter(torch.randn(3, config.dimension, generator=generator))
        self.text = nn.Parameter(torch.randn(len(WORDS), config.dimension, generator=generator))
        self.sound = nn.Parameter(torch.randn(80, config.dimension, generator=generator))
        self.speech = nn.Parameter(torch.randn(80, config.dimension, generator=generator))

    def preprocess(self, view: str) -> Preprocess:
        if view == "image":
            return ImagePreprocess(size=self.config.size, fit="pad")
        if view == "text":
            return TextPreprocess(tokenizer=self.config.tokenizer, max_tokens=16)
        return AudioPreprocess(max_seconds=4.0, bucket_seconds=1.0)

    def pooled_width(self, view: str) -> int:
        return {"image": 3, "text": len(WORDS)}.get(view, 80)

    def pooled(self, view: str, media: Media) -> torch.Tensor:
        """What a frozen tower would give and a cache would keep: [M, P]."""
        if view == "image":
            return media.values.float().mean((2, 3)) / 255 - 0.4
        if view == "text":
            counts = nn.functional.one_hot(media.values, len(WORDS)).float()
            return (counts * media.mask[..., None]).sum(1) / media.mask.sum(1, keepdim=True)
        real = media.mask[:, None, :].float()
        return (media.values * real).sum(2) / real.sum(2)

    def embed_media(self, view: str, media: Media) -> torch.Tensor:
        pooled = self.pooled(view, media) if media.tokens is None else media.tokens.pooled
        return normalize(pooled @ getattr(self, view), dim=-1)


def write_tokenizer(folder: Path) -> str:
    """A tokenizer that knows ``WORDS``; gives the path of its file."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)
