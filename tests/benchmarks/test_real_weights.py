"""The benchmarks of MiniLM and EfficientNet, as far as they need no peer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

from benchmarks import embed_sentences, files_to_features
from benchmarks.embed_sentences import MAX_TOKENS, WORDS
from interlingua.towers.pretrained import load_tower

Weights = Callable[[str], Path]


def test_texts_of_mixed_lengths_are_distinct_and_evenly_spread(real_weights: Weights) -> None:
    real_weights("imagenet-names")
    real_weights("minilm")
    texts = embed_sentences.passages(200)
    assert len(set(texts)) == 200
    assert texts[:50] == embed_sentences.passages(200)[:50]  # the same in every process
    words = np.array([len(text.split()) for text in texts])
    assert WORDS[0] <= words.min() and words.max() <= WORDS[1]
    middle = np.sqrt(WORDS[0] * WORDS[1])  # half of them on a logarithmic scale
    assert 0.4 < (words < middle).mean() < 0.6
    counts = embed_sentences.token_counts(texts)
    assert max(counts) <= MAX_TOKENS and min(counts) > WORDS[0]


def test_our_side_is_the_tower_and_one_at_a_time_gives_the_same(real_weights: Weights) -> None:
    from interlingua.data.text import Tokenizer

    real_weights("minilm")
    texts = ["a dog", "An ostrich is the largest bird that lives.", "naïve café"]
    ours, alone = (
        embed_sentences.our_space([texts], at_once, "cpu", "fp32").outputs()
        for at_once in (True, False)
    )
    tower = load_tower("bert", "minilm")
    with torch.inference_mode():
        expected = tower(*Tokenizer(tower.preprocess)(texts)).pooled
    assert np.abs(ours - expected.numpy()).max() < 1e-5
    assert np.abs(ours - alone).max() < 1e-5
    assert all(check.passed for check in embed_sentences.compare_numbers(ours, alone))
    wrong = ours.copy()
    wrong[1, 0] += 0.01
    assert not all(check.passed for check in embed_sentences.compare_numbers(wrong, ours))


def test_the_peer_gets_the_published_folder(real_weights: Weights, tmp_path: Path) -> None:
    real_weights("minilm")
    embed_sentences.as_published(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text("utf-8"))
    assert [one["type"].rpartition(".")[2] for one in modules] == [
        "Transformer", "Pooling", "Normalize",
    ]  # fmt: skip
    assert all((tmp_path / one["path"]).is_dir() for one in modules)
    assert (tmp_path / "model.safetensors").stat().st_size > 10_000_000


def test_features_of_the_first_pass_are_those_of_the_cache_and_of_the_tower(
    real_weights: Weights, tmp_path: Path
) -> None:
    real_weights("efficientnet-lite0")
    paths = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (240, 300, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{number}.png")
        Picture.fromarray(pixels).save(paths[-1])
    first = files_to_features.first_pass([paths], "fp32", "cpu")
    again = [first.run(0), first.run(1)]  # a new cache each time
    cached = files_to_features.second_pass(paths, "fp32", "cpu").run(0)
    pixels = files_to_features.pixels_of(files_to_features.our_tower(), paths)
    alone = files_to_features.our_tower_alone(pixels, "fp32", "cpu").run(0)
    assert again[0].shape == (3, 1280)
    for other in (again[1], cached):
        assert torch.equal(again[0], other)
    assert torch.allclose(again[0], alone, atol=1e-4)
