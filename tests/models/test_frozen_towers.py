from __future__ import annotations

from typing import Any

import pytest
import torch

from interlingua.errors import ConfigError, FetchError, LayoutError
from interlingua.models.frozen_towers import FrozenTowers
from interlingua.towers.pretrained import load_weights

CPU = torch.device("cpu")


@pytest.fixture
def towers(world: Any) -> FrozenTowers:
    uses = world.recipe().model.towers
    return FrozenTowers({name: (use.tower, use.weights) for name, use in uses.items()})


def pictures(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)


def test_a_shape_has_widths_and_preprocessing_and_no_values(towers: FrozenTowers) -> None:
    shape = towers.shape("image")
    assert all(tensor.is_meta for tensor in shape.state_dict().values())
    assert (shape.pooled_width, shape.preprocess.size) == (1280, 32)
    assert towers.shape("image") is shape
    assert "image" in towers and "eye" not in towers


def test_a_shape_needs_no_weights(towers: FrozenTowers) -> None:
    config, _ = towers.sources["image"]
    assert FrozenTowers({"image": (config, "/nowhere")}).shape("image").pooled_width == 1280


def test_there_is_no_such_tower(towers: FrozenTowers) -> None:
    with pytest.raises(ConfigError, match="no tower 'eye'"):
        towers.shape("eye")


def test_encoding_equals_the_loaded_tower(towers: FrozenTowers) -> None:
    values = pictures()
    with torch.no_grad():
        expected = load_weights(*towers.sources["image"])(values).pooled
    found = towers.encode("image", values, None, CPU).pooled
    assert torch.allclose(found, expected, atol=1e-4)
    ids = torch.tensor([[1, 2, 3], [4, 5, 0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    with torch.no_grad():
        expected = load_weights(*towers.sources["text"])(ids, mask).pooled
    assert torch.allclose(towers.encode("text", ids, mask, CPU).pooled, expected, atol=1e-5)


def test_what_it_gives_can_be_trained_on_and_carries_no_gradient(towers: FrozenTowers) -> None:
    pooled = towers.encode("image", pictures(), None, CPU).pooled
    assert not pooled.requires_grad and not pooled.is_inference()
    head = torch.nn.Linear(pooled.shape[1], 2)
    head(pooled).sum().backward()
    assert head.weight.grad is not None and head.weight.grad.abs().sum() > 0


def test_precision_chooses_the_arithmetic(towers: FrozenTowers) -> None:
    values = pictures()
    exact = towers.encode("image", values, None, CPU).pooled
    towers.precision = torch.bfloat16
    rough = towers.encode("image", values, None, CPU).pooled
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert torch.cosine_similarity(rough, exact).min() > 0.99


def test_it_is_loaded_once(towers: FrozenTowers, monkeypatch: pytest.MonkeyPatch) -> None:
    values = pictures()
    first = towers.encode("image", values, None, CPU).pooled
    config, _ = towers.sources["image"]
    towers.sources["image"] = (config, "/nowhere")  # whoever loads again now fails
    assert torch.equal(towers.encode("image", values, None, CPU).pooled, first)
    with pytest.raises((LayoutError, FetchError)):
        towers.load("image")


def test_loading_gives_the_tower_as_it_is_stored(towers: FrozenTowers) -> None:
    tower = towers.load("text")
    assert not tower.training
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}
    expected = load_weights(*towers.sources["text"]).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in tower.state_dict().items())
