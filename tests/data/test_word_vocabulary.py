"""A vocabulary of whole words: the same texts give the same ids, unknown words one id."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interlingua.data.text import Tokenizer
from interlingua.data.word_vocabulary import word_vocabulary
from interlingua.errors import DataError
from interlingua.towers.tower import TextPreprocess

TEXTS = ["go to the red ball", "go to a Blue box", "go to the grey key, then stop"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path))


def tokenizer(folder: Path, size: int) -> Tokenizer:
    return Tokenizer(TextPreprocess(tokenizer=str(folder), max_tokens=16, vocabulary=size))


def test_words_are_numbered_by_how_common_they_are() -> None:
    made = word_vocabulary(TEXTS)
    words = ["go", "to", "the", ",", "a", "ball", "blue", "box", "grey", "key", "red", "stop"]
    assert made.size == len(words) + 1 + 2  # and "then"
    encode = tokenizer(made.folder, made.size)
    assert encode.encode([" ".join(words)]) == [list(range(2, 2 + len(words)))]
    assert encode.encode(["then"]) == [[made.size - 1]]


def test_unknown_words_are_one_word_and_padding_is_masked() -> None:
    made = word_vocabulary(TEXTS)
    encode = tokenizer(made.folder, made.size)
    ids, mask = encode(["GO to the zebra", "go", "[PAD] [UNK]"])
    assert ids[0].tolist()[:4] == [2, 3, 4, 1] and ids[1, 0] == 2
    assert (ids[~mask] == 0).all() and mask.sum(1).tolist()[:2] == [4, 1]
    assert 0 not in ids[2][mask[2]].tolist()  # what somebody types is no padding
    assert ids.max() < made.size


def test_the_same_texts_in_any_order_give_the_same_folder() -> None:
    first, again = word_vocabulary(TEXTS), word_vocabulary(reversed(TEXTS))
    assert first == again
    other = word_vocabulary([*TEXTS, "turn around"])
    assert other.folder != first.folder and first.folder.exists()


def test_a_damaged_file_is_written_again() -> None:
    made = word_vocabulary(TEXTS)
    file = made.folder / "tokenizer.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    assert word_vocabulary(TEXTS) == made and file.read_bytes() == whole


def test_rare_words_can_be_left_out() -> None:
    assert word_vocabulary(TEXTS, least=2).size == 3 + 2  # go, to, the
    made = word_vocabulary(TEXTS, max_words=2)
    ids, _ = tokenizer(made.folder, made.size)(["go to the"])
    assert ids.tolist() == [[2, 3, 1]]


def test_other_writings_are_words_too() -> None:
    made = word_vocabulary(["красный мяч", "rote Kugel"])
    ids, _ = tokenizer(made.folder, made.size)(["Красный", "ROTE"])
    assert torch.all(ids > 1)


@pytest.mark.parametrize("texts", [[], ["", "  "]])
def test_texts_without_a_word_are_refused(texts: list[str]) -> None:
    with pytest.raises(DataError, match="no words"):
        word_vocabulary(texts)
