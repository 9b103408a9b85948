"""Tokenizers from each kind of file, against those that wrote the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua.data.text import Tokenizer, tokenizer_path
from interlingua.data.tokenizer_file import describe_tokenizer, open_tokenizer
from interlingua.errors import DataError
from interlingua.towers.tower import TextPreprocess

TOKENS = Path(__file__).parent / "fixtures" / "clip_tokens.json"


def test_clips_ids_are_open_clips(real_weights: Callable[[str], Path]) -> None:
    path = real_weights("clip-bpe")
    rows = json.loads(TOKENS.read_text("utf-8"))
    assert len(rows) >= 200
    tokenizer = Tokenizer(
        TextPreprocess(
            tokenizer=str(path), max_tokens=77, clean="clip", vocabulary=49_408, end_id=49_407
        )
    )
    found = tokenizer.encode([row["text"] for row in rows])
    assert [row["text"] for row, ids in zip(rows, found, strict=True) if ids != row["ids"]] == []
    long = [ids for ids in found if len(ids) == 77]
    assert len(long) >= 6 and {ids[-1] for ids in long} == {49_407}
    assert tokenizer.pad_id == 0


def test_typed_special_tokens_of_clip_are_words(real_weights: Callable[[str], Path]) -> None:
    tokenizer = Tokenizer(TextPreprocess(tokenizer=str(real_weights("clip-bpe")), clean="clip"))
    (ids,) = tokenizer.encode(["a <|endoftext|> b"])
    assert ids.count(49_407) == 1


def test_vocabulary_and_merges_give_the_same_ids(
    real_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    described = json.loads((real_weights("clip-bpe") / "tokenizer.json").read_bytes())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(described["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in described["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    texts = [row["text"] for row in json.loads(TOKENS.read_text("utf-8"))]
    wanted = TextPreprocess(tokenizer=str(real_weights("clip-bpe")), clean="clip", max_tokens=77)
    ours = wanted.model_copy(update={"tokenizer": str(tmp_path)})
    assert Tokenizer(ours).encode(texts) == Tokenizer(wanted).encode(texts)
    assert tokenizer_path(str(tmp_path)) == tmp_path / "vocab.json"
    assert describe_tokenizer(open_tokenizer(tmp_path)[0]).is_clip


def test_word_pieces_give_the_same_ids(real_weights: Callable[[str], Path], tmp_path: Path) -> None:
    minilm = real_weights("minilm")
    (tmp_path / "vocab.txt").write_bytes((minilm / "vocab.txt").read_bytes())
    texts = ["A dingo.", "Éclair, naïve façade", "an apple — 北京", "", "[SEP] don't!"]
    ours, theirs = (
        Tokenizer(TextPreprocess(tokenizer=str(folder))) for folder in (tmp_path, minilm)
    )
    assert ours.encode(texts) == theirs.encode(texts)
    assert ours.pad_id == theirs.pad_id == 0


def test_flags_beside_the_file_add_the_ends(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    words = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "a": 3, "dog": 4}
    backend = Backend(models.WordLevel(words, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    notes = {
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "pad_token": "<pad>",
        "eos_token": {"content": "<eos>", "special": True},
    }  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(notes))
    preprocess = TextPreprocess(
        tokenizer=str(tmp_path), max_tokens=5, pad_to_max=True, clean="lower", end_id=1
    )
    ids, mask = Tokenizer(preprocess)(["A Dog", "dog dog dog dog dog dog"])
    assert ids.tolist() == [[3, 4, 1, 0, 0], [4, 4, 4, 4, 1]]
    assert mask.sum(1).tolist() == [3, 5]
    notes["eos_token"] = "</s>"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(notes))
    with pytest.raises(DataError, match="no id for"):
        Tokenizer(preprocess)


def test_a_sentencepiece_file_alone_is_named(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(b"\n")
    with pytest.raises(DataError, match=r"spiece\.model only") as caught:
        Tokenizer(TextPreprocess(tokenizer=str(tmp_path)))
    assert "tokenizer.json" in str(caught.value.next_step)


def test_no_tokenizer_at_all() -> None:
    with pytest.raises(DataError, match="names no tokenizer") as caught:
        Tokenizer(TextPreprocess(tokenizer=""))
    assert "clip-bpe" in str(caught.value.next_step)


def test_damaged_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(DataError, match="missing or damaged"):
        Tokenizer(TextPreprocess(tokenizer=str(tmp_path)))
