"""BERT against transformers: a small random model, and MiniLM's real weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from interlingua.towers.pretrained import load_tower

transformers = pytest.importorskip("transformers")

TEXTS = [
    "a dog",
    "An ostrich: the largest bird that lives, and the fastest on two legs.",
    "",
    "naïve café 日本 🐕 [SEP] <b>1,234.5</b>",
    "word " * 300,
]


def ids_and_mask(batch: int, length: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    ids = torch.randint(1, vocabulary, (batch, length))
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1))
    return ids, mask


def test_small_random_model_of_transformers(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=90, hidden_size=24, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=32, layer_norm_eps=1e-12,
    )  # fmt: skip
    reference = transformers.BertModel(config).eval()
    with torch.no_grad():  # biases and norms that are not zeros and ones
        for parameter in reference.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    reference.save_pretrained(tmp_path)
    tower = load_tower(
        "bert", tmp_path, vocabulary=90, width=24, num_layers=3, num_heads=4, hidden_width=40,
        max_positions=32,
    )  # fmt: skip
    ids, mask = ids_and_mask(6, 32, 90)
    with torch.inference_mode():
        theirs = reference(ids, attention_mask=mask.long(), output_hidden_states=True)
        ours = tower(ids, mask, layers=range(4))
    assert ours.layers is not None
    for number in range(4):
        difference = (ours.layers[number] - theirs.hidden_states[number])[mask]
        assert difference.abs().max() < 1e-5


@pytest.fixture(scope="module")
def minilm(real_weights: Callable[[str], Path]) -> Path:
    return real_weights("minilm")


def test_minilm_hidden_states_and_sentence_vectors(minilm: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    mask = inputs["attention_mask"].bool()
    reference = transformers.BertModel.from_pretrained(minilm).eval()
    tower = load_tower("bert", minilm)
    with torch.inference_mode():
        theirs = reference(**inputs, output_hidden_states=True)
        ours = tower(inputs["input_ids"], mask, layers=range(7))
    assert ours.layers is not None and ours.pooled is not None
    for number in range(7):
        difference = (ours.layers[number] - theirs.hidden_states[number])[mask]
        assert difference.abs().max() <= 1e-5, number
    weights = mask[:, :, None].float()
    mean = (theirs.last_hidden_state * weights).sum(1) / weights.sum(1)
    assert (ours.pooled - torch.nn.functional.normalize(mean, dim=-1)).abs().max() <= 1e-6


def test_minilm_frozen_in_bf16(minilm: Path) -> None:
    tower = load_tower("bert", minilm)
    frozen = tower.for_inference(torch.bfloat16)
    ids, mask = ids_and_mask(64, 16, 30_000)
    with torch.inference_mode():
        cosine = torch.cosine_similarity(frozen(ids, mask).pooled, tower(ids, mask).pooled, dim=-1)
    assert cosine.min() > 0.9995


def test_a_text_longer_than_the_positions_is_refused() -> None:
    from interlingua.towers.bert import Bert

    tower = Bert(Bert.Config(vocabulary=10, width=8, num_heads=2, num_layers=1, max_positions=4))
    with pytest.raises(ValueError, match="5 tokens, but 4 positions"):
        tower(torch.zeros(1, 5, dtype=torch.int64))
