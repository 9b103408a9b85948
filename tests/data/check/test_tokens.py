from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from interlingua.data.check.tokens import token_facts
from interlingua.data.text import Tokenizer as OurTokenizer
from interlingua.sample import Image, OneOf, Sample, Text
from interlingua.towers.tower import TextPreprocess

WORDS = ("[UNK]", "a", "dog", "cat", "runs")


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    """One token for a word, and one for all that it doesn't know."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path)


def test_lengths_cuts_and_unknown_words(tokenizer: str) -> None:
    samples = [
        Sample("short", (Text("a dog"),)),
        Sample("two", (OneOf((Text("a cat"), Text("a dog runs a dog runs"))),)),
        Sample("long", (Text("dog " * 9),)),
        Sample("other", (Text("a собака"),)),
        Sample("huge", (Text("dog " * 300_000),)),
        Sample("none", (Image(None),)),
    ]
    found = token_facts(samples, TextPreprocess(tokenizer=tokenizer, max_tokens=4))
    assert (found.tokenizer, found.max_tokens) == (tokenizer, 4)
    assert (found.lengths.count, found.lengths.low, found.lengths.high) == (5, 2, 9)
    assert (found.cut, found.refused, found.unknown) == (2, 1, 1)
    assert found.lost == pytest.approx((5 + 2) / (2 + 2 + 6 + 9 + 2), abs=1e-4)
    assert [one.key for one in found.cut_examples] == ["long", "two"]
    assert found.cut_examples[0].note.startswith("9 tokens: dog dog")
    assert [one.key for one in found.unknown_examples] == ["other"]


def test_no_text_has_no_tokens(tokenizer: str) -> None:
    preprocess = TextPreprocess(tokenizer=tokenizer)
    assert token_facts([Sample("a", (Image(None),))], preprocess) is None


def test_real_tokenizers_know_what_they_do_not_know(real_weights) -> None:
    pieces = OurTokenizer(TextPreprocess(tokenizer=str(real_weights("minilm"))))
    (row,) = pieces.encode(["a ዶሮ"])
    assert pieces.unknown_id in row
    whole = OurTokenizer(TextPreprocess(tokenizer=str(real_weights("clip-bpe")), max_tokens=77))
    assert whole.unknown_id is None  # bytes spell everything
