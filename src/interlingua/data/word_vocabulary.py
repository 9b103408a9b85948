"""A vocabulary of whole words from the texts of a training set, as a tokenizer's folder.

A text tower that is trained on forty words needs forty vectors, not thirty thousand. Words are
lowered, split at spaces and around punctuation; the commonest come first, equally common ones by
their letters. What training has not seen is one unknown word.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlingua.catalogue.cache import cache_root, install_folder, locked
from interlingua.data.tokenizer_file import FILE_NAME
from interlingua.errors import DataError

PAD, UNKNOWN = "[PAD]", "[UNK]"


@dataclass(frozen=True, slots=True)
class WordVocabulary:
    """A tokenizer on disk.

    Attributes:
        folder: holds its ``tokenizer.json``; what ``TextPreprocess.tokenizer`` takes.
        size: number of ids: the words, ``[PAD]`` (0) and ``[UNK]`` (1).
    """

    folder: Path
    size: int


def word_vocabulary(
    texts: Iterable[str], *, max_words: int = 10_000, least: int = 1
) -> WordVocabulary:
    """The words of some texts, kept in the cache under their own hash.

    Args:
        texts: of the training set, and of nothing else.
        max_words: the commonest.
        least: times that a word must occur.

    Raises:
        DataError: there is no word.
    """
    backend = _tokenizer([])
    counts: Counter[str] = Counter()
    for text in texts:
        lowered = backend.normalizer.normalize_str(text)
        counts.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(lowered))
    common = sorted(counts, key=lambda word: (-counts[word], word))
    words = [word for word in common if counts[word] >= least and word not in (PAD, UNKNOWN)]
    words = words[:max_words]
    if not words:
        raise DataError(
            "The texts have no words to make a vocabulary of.",
            where=f"{len(counts)} different words, each {least} times at least are taken",
            next_step="Give texts with words, or a tokenizer of your own.",
        )
    data = _tokenizer(words).to_str(pretty=True).encode("utf-8")
    name = hashlib.sha256(data).hexdigest()[:16]
    folder = cache_root() / "vocabularies" / name
    with locked(f"vocabularies/{name}"):
        file = folder / FILE_NAME
        if not file.exists() or file.read_bytes() != data:
            install_folder(folder, lambda work: _write(work / FILE_NAME, data))
    return WordVocabulary(folder, len(words) + 2)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _tokenizer(words: list[str]) -> Any:
    """A tokenizer of the ``tokenizers`` package with these words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    numbers = {word: number for number, word in enumerate((PAD, UNKNOWN, *words))}
    backend = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens([PAD, UNKNOWN])
    backend.enable_padding(pad_id=0, pad_token=PAD)
    return backend
