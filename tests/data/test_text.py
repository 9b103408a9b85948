"""Text to ids: typed special tokens are words, broken characters do no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, processors

from interlingua.data.gate import TextLimits
from interlingua.data.text import Tokenizer, clean_text, tokenizer_path
from interlingua.errors import DataError, MediaError
from interlingua.towers.tower import TextPreprocess

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["a", "dog", "##s", "[", "]", "sep", "cls", "pad"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WordPiece tokenizer of a dozen words, built like BERT's."""
    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    backend = Backend(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(SPECIAL)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    path = tmp_path_factory.mktemp("tokenizer")
    backend.enable_padding(pad_id=0, length=128)  # as some published files are stored
    backend.save(str(path / "tokenizer.json"))
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer(TextPreprocess(tokenizer=str(folder), max_tokens=8))


def test_cut_at_the_longest_of_these_texts(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer(["A dog", "dogs", ""])
    assert ids.tolist() == [[2, 4, 5, 3], [2, 5, 6, 3], [2, 3, 0, 0]]
    assert mask.tolist() == [[True] * 4, [True] * 4, [True, True, False, False]]
    assert ids.dtype == torch.int64


def test_the_end_token_survives_the_cut(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer(["dog " * 50])
    assert ids.tolist() == [[2, 5, 5, 5, 5, 5, 5, 3]]
    assert mask.all()


def test_typed_special_tokens_are_ordinary_words(tokenizer: Tokenizer) -> None:
    ids, _ = tokenizer(["[SEP] [PAD]"])
    assert ids[0].tolist() == [2, 7, 9, 8, 7, 11, 8, 3]


@given(st.text(max_size=40))
def test_any_text_has_ids_with_one_start_and_one_end(tokenizer: Tokenizer, text: str) -> None:
    ids, mask = tokenizer([text])
    row = ids[0][mask[0]].tolist()
    assert row[0] == 2
    assert row[-1] == 3
    assert not {0, 2, 3} & set(row[1:-1])


def test_half_characters(tokenizer: Tokenizer) -> None:
    assert clean_text("a\ud800b") == "a\ufffdb"
    assert clean_text("\ud83d\ude00") == "\U0001f600"  # two halves that belong together
    assert tokenizer(["dog \ud800"])[0].shape[0] == 1


def test_too_many_characters() -> None:
    with pytest.raises(MediaError) as caught:
        clean_text("x" * 11, TextLimits(max_characters=10))
    assert caught.value.reason == "too_large"


def test_no_texts(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer([])
    assert ids.shape == mask.shape == (0, 0)


def test_missing_and_damaged_tokenizers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing or damaged"):
        Tokenizer(TextPreprocess(tokenizer=str(tmp_path)))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="missing or damaged"):
        Tokenizer(TextPreprocess(tokenizer=str(tmp_path)))


def test_a_file_is_its_own_path(folder: Path) -> None:
    path = folder / "tokenizer.json"
    assert tokenizer_path(str(path)) == path
    assert tokenizer_path(str(folder)) == path


def test_minilm_equals_the_reference(real_weights) -> None:
    transformers = pytest.importorskip("transformers")
    path = real_weights("minilm")
    reference = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
    texts = ["A dingo.", "Éclair, naïve façade", "an apple — 北京", "the " * 400]
    ids, mask = Tokenizer(TextPreprocess(tokenizer=str(path)))(texts)
    theirs = reference(texts, truncation=True, max_length=256, padding=False)["input_ids"]
    assert [row[keep].tolist() for row, keep in zip(ids, mask, strict=True)] == theirs
