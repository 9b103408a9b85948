"""Text: from words to token ids, through the tokenizer that a tower's weights bring along.

Special tokens that somebody types ("[SEP]", "<|endoftext|>") are ordinary text here: they are
split like any other word and can't steer a model.

Shape legend: B texts, N tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from interlingua.data.gate import TextLimits
from interlingua.data.text_cleaning import CLEANERS
from interlingua.data.tokenizer_file import FILE_NAME, open_tokenizer
from interlingua.errors import DataError, MediaError
from interlingua.sample import whole_characters
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
        DataError: there is no readable tokenizer, or it is that of another tower.
        FetchError: the weights that bring it can't be fetched.
    """

    def __init__(self, preprocess: TextPreprocess, limits: TextLimits = DEFAULT_LIMITS):
        self.preprocess = preprocess
        self.limits = limits
        self.path = tokenizer_path(preprocess.tokenizer)
        self._backend, self.pad_id = open_tokenizer(self.path)
        self._clean = CLEANERS[preprocess.clean]
        self._backend.encode_special_tokens = True
        self._backend.enable_truncation(preprocess.max_tokens)
        self._backend.no_padding()
        self._check_fit()

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode, cut at ``max_tokens``, pad to the longest of these texts or to ``max_tokens``.

        Returns:
            ids [B, N] int64 and mask [B, N] bool, True = real.

        Raises:
            MediaError: ``too_large``: a text of too many characters.
        """
        return self.pad(self.encode(texts))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, special tokens of the model's own included, not padded."""
        cleaned = [self._clean(clean_text(text, self.limits)) for text in texts]
        return [encoding.ids for encoding in self._backend.encode_batch_fast(cleaned)]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The tokens of these ids as the vocabulary spells them, to be looked at."""
        return [self._backend.id_to_token(number) or f"#{number}" for number in ids]

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of ids as one tensor: ids [B, N] int64 and mask [B, N] bool, True = real."""
        longest = max((len(row) for row in rows), default=0)
        if self.preprocess.pad_to_max and rows:
            longest = self.preprocess.max_tokens
        ids = torch.full((len(rows), longest), self.pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), longest), dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[index, : len(row)] = True
        return ids, mask

    @property
    def unknown_id(self) -> int | None:
        """What the vocabulary can't spell becomes; None where it spells everything."""
        token = getattr(self._backend.model, "unk_token", None)
        number = None if token is None else self._backend.token_to_id(token)
        # CLIP's names the end token, which every text has
        return None if number in self._backend.encode("").ids else number

    def _check_fit(self) -> None:
        """Refuse a tokenizer that was made for another tower, before anything is computed."""
        wanted = self.preprocess
        added = self._backend.get_added_tokens_decoder()
        highest = max(self._backend.get_vocab_size() - 1, *added, -1)
        if wanted.vocabulary and highest >= wanted.vocabulary:
            raise self._misfit(
                f"has ids up to {highest:,}, the text tower's vocabulary ends at "
                f"{wanted.vocabulary - 1:,}"
            )
        last = self._backend.encode("a").ids[-1:]
        if wanted.end_id >= 0 and last != [wanted.end_id]:
            found = f"with {last[0]:,}" if last else "with nothing"
            raise self._misfit(
                f"ends a text {found}, the text tower waits for the end token {wanted.end_id:,}"
            )

    def _misfit(self, what: str) -> DataError:
        return DataError(
            f"The tokenizer doesn't fit the text tower: it {what}.",
            where=str(self.path),
            next_step="Name the tokenizer that the tower's weights came with, or set the tower's "
            "vocabulary and end_id to those of the tokenizer.",
        )


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
    return text if text.isascii() else whole_characters(text)


def tokenizer_path(name: str) -> Path:
    """The file to read a tokenizer from, by a folder, a file, a weights entry or ``hf:owner/name``.

    Of a folder it is ``tokenizer.json``, or the vocabulary that it has instead.

    Raises:
        DataError: no tokenizer is named.
        FetchError: the entry can't be fetched.
    """
    if not name:
        raise DataError(
            "The text tower names no tokenizer.",
            where="model.towers.text.tower.tokenizer",
            next_step="Name a weights entry (clip-bpe, minilm) or a folder with tokenizer.json.",
        )
    given = Path(name)
    if given.suffix == ".json":
        return given
    if not given.is_dir():
        from interlingua import weights
        from interlingua.catalogue import hub

        given = hub.download(name) if hub.is_address(name) else Path(weights.get(name))
    for file in (FILE_NAME, "vocab.json", "vocab.txt"):
        if (given / file).exists():
            return given / file
    return given / FILE_NAME
