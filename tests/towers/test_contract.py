"""The contract that every tower of the table keeps, on small ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from interlingua.config import resolve, validate
from interlingua.errors import ConfigError
from interlingua.towers import TABLE
from interlingua.towers.pretrained import build_tower, fingerprint
from interlingua.towers.tower import Tower, frozen_inference

# one case or more for each tower of the table: options and the shape of its input
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {"vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
                      "hidden_width": 32, "max_positions": 20}),
    "bert-cls": ("bert", {"vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
                          "hidden_width": 32, "max_positions": 20, "pooling": "cls",
                          "unit_length": False}),
    "efficientnet-lite0": ("efficientnet", {"width_multiplier": 0.25, "depth_multiplier": 0.3,
                                            "image_size": 32, "num_classes": 7}),
    "efficientnet-b0": ("efficientnet", {"variant": "b0", "width_multiplier": 0.25,
                                         "depth_multiplier": 0.3, "image_size": 33,
                                         "num_classes": 7}),
    "whisper_encoder": ("whisper_encoder", {"width": 16, "num_heads": 2, "num_layers": 2,
                                            "num_mels": 8, "max_tokens": 20}),
    "whisper_encoder-mean_std": (
        "whisper_encoder", {"width": 16, "num_heads": 2, "num_layers": 2, "num_mels": 8,
                            "max_tokens": 20, "pooling": "mean_std", "pooled_layers": (0, 1, -1)}),
    "grid_view": ("grid_view", {"history": 12, "view_size": 3, "reach": 2, "objects": 2,
                                "width": 16, "num_layers": 2, "hidden_width": 32}),
    "gru_text": ("gru_text", {"vocabulary": 50, "embedding_width": 12, "width": 16,
                              "num_layers": 2, "bidirectional": True}),
    "modified_resnet": ("modified_resnet", {"depths": (1, 1, 1, 1), "channels": 4, "num_heads": 2,
                                            "image_size": 64, "output_width": 12}),
    "number_columns": ("number_columns", {
        "mean": (0.5,) * 12, "std": (2.0,) * 12, "width": 16, "num_layers": 2, "num_heads": 2,
        "hidden_width": 32}),
    "text_transformer": ("text_transformer", {
        "vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2, "hidden_width": 32,
        "max_positions": 20, "end_id": 49}),
    "text_transformer-siglip": ("text_transformer", {
        "vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2, "hidden_width": 32,
        "max_positions": 20, "causal": False, "pooling": "last", "pad_to_max": True}),
    "transformers_backbone-dinov2": ("transformers_backbone", {
        "image_size": 28, "settings": {
            "model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 28, "patch_size": 14}}),
    "transformers_backbone-modernbert": ("transformers_backbone", {
        "modality": "text", "pooling": "mean", "settings": {
            "model_type": "modernbert", "hidden_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 50,
            "pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2,
            "eos_token_id": 2, "max_position_embeddings": 20}}),
    "vit": ("vit", {"image_size": 32, "patch_size": 8, "width": 16, "num_layers": 2,
                    "num_heads": 2, "hidden_width": 32, "patch_dropout": 0.25}),
    "vit-siglip": ("vit", {"image_size": 32, "patch_size": 8, "width": 16, "num_layers": 2,
                           "num_heads": 2, "hidden_width": 32, "class_token": False,
                           "pooling": "attention", "pre_norm": False, "patch_bias": True}),
}  # fmt: skip


def make(case: str) -> Tower:
    name, options = CASES[case]
    torch.manual_seed(0)
    return build_tower(resolve("towers", name).Config(name=name, **options))


def batch_for(tower: Tower, size: int = 3) -> tuple[Tensor, Tensor | None]:
    """An input of the kind that the tower's preprocessing gives, the last one padded."""
    generator = torch.Generator().manual_seed(1)
    wanted = tower.preprocess
    if wanted.kind == "image":
        shape = (size, 3, wanted.size, wanted.size)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), None
    if wanted.kind == "values":
        values = torch.randn(size, *wanted.shape, generator=generator)
        values[-1, 8:] = torch.nan  # missing
        return values, None
    if wanted.kind == "audio":
        values = torch.randn(size, wanted.num_mels, 24, generator=generator)
        mask = torch.ones(size, 24, dtype=torch.bool)
    else:
        values = torch.randint(0, 50, (size, 12), generator=generator)
        mask = torch.ones(size, 12, dtype=torch.bool)
    mask[-1, 8:] = False
    return values, mask


def test_every_tower_of_the_table_has_a_case() -> None:
    assert {name for name, _ in CASES.values()} == set(TABLE)


@pytest.mark.parametrize("case", CASES)
def test_forward_gives_what_the_tower_says(case: str) -> None:
    tower = make(case).eval()
    values, mask = batch_for(tower)
    numbers = range(len(tower.blocks) + 1)
    tokens = tower(values, mask, layers=numbers)
    assert tokens.states is not None and tokens.pooled is not None and tokens.layers is not None
    assert tokens.states.shape[0] == 3 and tokens.states.shape[2] == tower.width
    assert tokens.pooled.shape == (3, tower.pooled_width)
    assert tokens.pooled.dtype == torch.float32
    assert list(tokens.layers) == list(numbers)
    assert all(states.dim() == 3 for states in tokens.layers.values())
    num_tokens = tokens.states.shape[1]
    if tokens.grid is not None:
        prefix = getattr(tower, "num_prefix", 0)  # a class token stands before the grid's
        assert tokens.grid[0] * tokens.grid[1] * tokens.grid[2] == num_tokens - prefix
    if mask is not None:
        assert tokens.mask is not None and tokens.mask.shape == (3, num_tokens)
        assert tokens.mask[0].all() and not tokens.mask[-1].all()
    if tokens.time is not None:
        assert tokens.time.shape == (num_tokens,)
    assert tower(values, mask).layers is None


@pytest.mark.parametrize("case", CASES)
def test_every_trainable_parameter_gets_a_gradient(case: str) -> None:
    tower = make(case).train()
    for part in tower.modules():  # a block of a ResNet begins as its shortcut, with zeros here
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(part.weight)
    values, mask = batch_for(tower)
    pooled = tower(values, mask).pooled
    outputs = [pooled, tower.classify(pooled)] if hasattr(tower, "classify") else [pooled]
    loss = sum((output * torch.randn_like(output)).sum() for output in outputs)
    loss.backward()  # type: ignore[union-attr]
    for name, parameter in tower.named_parameters():
        if case.startswith("transformers") and not parameter.requires_grad:
            continue  # frozen, as its pooling does not reach it
        assert parameter.requires_grad
        # what no token reaches: BERT's second segment, positions beyond the batch's longest text
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if name == "norm.weight" or name.startswith(("blocks", "conv", "stem", "head")):
            # under pooling="cls" too: the last block's other tokens reach the first by attention
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("case", CASES)
def test_same_seed_gives_the_same_numbers(case: str) -> None:
    first, second = make(case), make(case)
    assert fingerprint(first) == fingerprint(second)
    values, mask = batch_for(first)
    assert torch.equal(first.eval()(values, mask).pooled, second.eval()(values, mask).pooled)
    name, options = CASES[case]
    torch.manual_seed(1)
    other = build_tower(resolve("towers", name).Config(name=name, **options))
    assert fingerprint(other) != fingerprint(first)


@pytest.mark.parametrize("case", CASES)
def test_saving_and_loading_is_exact(case: str, tmp_path: Path) -> None:
    tower = make(case).train()
    values, mask = batch_for(tower)
    tower(values, mask)  # batch norms have moved
    save_file(tower.state_dict(), tmp_path / "tower.safetensors")
    other = make(case)
    other.load_state_dict(load_file(tmp_path / "tower.safetensors"))
    assert fingerprint(other) == fingerprint(tower)
    assert torch.equal(other.eval()(values, mask).states, tower.eval()(values, mask).states)


@pytest.mark.parametrize("case", CASES)
def test_a_tower_is_built_on_the_meta_device_and_filled_whole(case: str) -> None:
    name, options = CASES[case]
    config = resolve("towers", name).Config(name=name, **options)
    with torch.device("meta"):
        tower = config.build()
    assert all(tensor.is_meta for tensor in tower.state_dict().values())
    if not case.startswith("transformers"):  # which fills what it saves nowhere in init_weights
        assert dict(tower.named_buffers()).keys() <= tower.state_dict().keys()
    tower.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in tower.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else 77)
    tower.init_weights()
    for key, tensor in tower.state_dict().items():
        assert tensor.isfinite().all() and not (tensor == 77).any(), key


@pytest.mark.parametrize("case", CASES)
def test_a_padded_input_gives_the_vector_of_the_input_alone(case: str) -> None:
    tower = make(case).eval()
    values, mask = batch_for(tower)
    if mask is None:
        alone = tower(values[-1:]).pooled
    elif getattr(tower.preprocess, "pad_to_max", False):
        pytest.skip("padding is a part of the text, as in training")
    elif tower.preprocess.kind == "audio":
        pytest.skip("the frames next to the padding see it through the convolutions, by design")
    else:
        alone = tower(values[-1:, :8]).pooled
    assert torch.allclose(tower(values, mask).pooled[-1:], alone, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_frozen_use_changes_nothing_but_the_arithmetic(case: str) -> None:
    tower = make(case).eval()
    before = fingerprint(tower)
    values, mask = batch_for(tower, size=11)
    exact = tower(values, mask, layers=(0, 1))
    for precision, closeness in ((torch.float32, 1 - 1e-5), (torch.bfloat16, 0.998)):
        frozen = frozen_inference(tower, precision)
        assert not frozen.training
        assert not any(parameter.requires_grad for parameter in frozen.parameters())
        assert (frozen.width, frozen.pooled_width) == (tower.width, tower.pooled_width)
        assert len(frozen.blocks) == len(tower.blocks)
        with torch.inference_mode():
            tokens = frozen(values, mask, layers=(0, 1))
            assert torch.equal(frozen(values, mask).pooled, tokens.pooled)
        assert tokens.pooled.dtype == torch.float32
        assert tokens.layers[1].shape == exact.layers[1].shape
        cosine = torch.cosine_similarity(tokens.pooled, exact.pooled, dim=-1)
        assert cosine.min() > closeness
    assert fingerprint(tower) == before


@pytest.mark.parametrize("case", CASES)
def test_an_empty_batch_passes(case: str) -> None:
    tower = make(case).eval()
    values, mask = batch_for(tower)
    pooled = tower(values[:0], None if mask is None else mask[:0]).pooled
    assert pooled.shape == (0, tower.pooled_width)


@pytest.mark.parametrize("case", CASES)
def test_a_layer_that_there_is_not_is_refused(case: str) -> None:
    tower = make(case)
    values, mask = batch_for(tower)
    with pytest.raises(ValueError, match="there is no layer 99"):
        tower(values, mask, layers=(99,))


@pytest.mark.parametrize("case", CASES)
def test_settings_survive_as_plain_data_and_misspelt_ones_are_named(case: str) -> None:
    name, options = CASES[case]
    config_class = resolve("towers", name).Config
    config = validate(config_class, {"name": name, **options}, "test")
    assert validate(config_class, json.loads(config.model_dump_json()), "test") == config
    with pytest.raises(ConfigError, match=r"unknown key 'nmae'.*'name'"):
        validate(config_class, {"name": name, "nmae": 1}, "test")
