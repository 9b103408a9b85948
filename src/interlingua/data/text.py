"""Text: from words to token ids, through the tokenizer that a tower's weights bring along.

Special tokens that somebody types ("[SEP]", "<|endoftext|>") are ordinary text here: they are
split like any other word and can't steer a model.

Shape legend: B texts, N tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interlingua.data.gate import TextLimits
from interlingua.errors import DataError, MediaError
from interlingua.towers.tower import TextPreprocess

DEFAULT_LIMITS = TextLimits()


class Tokenizer:
    """Texts to padded token ids.

    Args:
        preprocess: which tokenizer, and where texts are cut.

    Attributes:
        path: the ``tokenizer.json`` in use.
        pad_id: what short texts are filled with.

    Raises:
        DataError: there is no readable ``tokenizer.json``.
        FetchError: the weights that bring it can't be fetched.
    """

    def __init__(self, preprocess: TextPreprocess, limits: TextLimits = DEFAULT_LIMITS):
        from tokenizers import Tokenizer as Backend

        self.preprocess = preprocess
        self.limits = limits
        self.path = tokenizer_path(preprocess.tokenizer)
        try:
            self._backend: Any = Backend.from_file(str(self.path))
        except Exception as error:  # the only type that the package raises
            raise DataError(
                "The tokenizer is missing or damaged.",
                where=str(self.path),
                next_step=f"Fetch it again: interlingua weights verify {preprocess.tokenizer}",
            ) from error
        self._backend.encode_special_tokens = True
        self._backend.enable_truncation(preprocess.max_tokens)
        padding = self._backend.padding or {}
        self.pad_id = int(padding.get("pad_id", 0))
        self._backend.no_padding()

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode, cut at ``max_tokens``, pad to the longest of these texts.

        Returns:
            ids [B, N] int64 and mask [B, N] bool, True = real.

        Raises:
            MediaError: ``too_large``: a text of too many characters.
        """
        return self.pad(self.encode(texts))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, special tokens of the model's own included, not padded."""
        cleaned = [clean_text(text, self.limits) for text in texts]
        return [encoding.ids for encoding in self._backend.encode_batch_fast(cleaned)]

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of ids as one tensor: ids [B, N] int64 and mask [B, N] bool, True = real."""
        longest = max((len(row) for row in rows), default=0)
        ids = torch.full((len(rows), longest), self.pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), longest), dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[index, : len(row)] = True
        return ids, mask


def clean_text(text: str, limits: TextLimits = DEFAULT_LIMITS) -> str:
    """The text with halves of characters (lone surrogates) replaced by U+FFFD.

    Raises:
        MediaError: ``too_large``.
    """
    if len(text) > limits.max_characters:
        raise MediaError(
            f"The text has {len(text):,} characters; the limit is {limits.max_characters:,}.",
            reason="too_large",
            where=f"a text that begins with {text[:40]!r}",
            next_step="Cut it into pieces, or raise max_characters in the limits.",
        )
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tokenizer_path(name: str) -> Path:
    """The ``tokenizer.json`` of a folder, a file, or an entry of the weights catalogue.

    Raises:
        FetchError: the entry can't be fetched.
    """
    given = Path(name)
    if given.suffix == ".json":
        return given
    if not given.is_dir():
        from interlingua import weights

        given = Path(weights.get(name))
    return given / "tokenizer.json"
