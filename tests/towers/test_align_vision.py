"""ALIGN's EfficientNet against transformers' AlignVisionModel, odd sides included; its training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from interlingua.nn.inverted_bottleneck import drop_samples
from interlingua.towers.efficientnet import EfficientNet
from interlingua.towers.pretrained import build_tower

transformers = pytest.importorskip("transformers")

NAMES = {"embeddings.convolution.": "stem.conv.", "embeddings.batchnorm.": "stem.norm.",
         "encoder.blocks.": "blocks.", "expansion.expand_conv.": "expand.conv.",
         "expansion.expand_bn.": "expand.norm.",
         "depthwise_conv.depthwise_conv.": "depthwise.conv.",
         "depthwise_conv.depthwise_norm.": "depthwise.norm.",
         "projection.project_conv.": "project.conv.",
         "projection.project_bn.": "project.norm."}  # fmt: skip


def ours_from(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    ours = {}
    for name, tensor in theirs.items():
        for a, b in NAMES.items():
            name = name.replace(a, b)
        ours[name] = tensor
    return ours


def shaken(module: torch.nn.Module) -> Any:
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, std=0.1)
    return module.eval()


# 289 is ALIGN's own; on its way down it meets odd sides at most strides
@pytest.mark.parametrize(
    ("size", "symmetric"), [(289, ()), (64, ()), (75, (2, 5)), (90, (2, 4, 6, 12))]
)
def test_equals_transformers(size: int, symmetric: tuple[int, ...]) -> None:
    config = transformers.AlignVisionConfig(
        width_coefficient=0.5, depth_coefficient=0.5, image_size=size, hidden_dim=640,
        depthwise_padding=list(symmetric),
    )  # fmt: skip
    reference = shaken(transformers.AlignVisionModel(config))
    tower = EfficientNet(
        EfficientNet.Config(
            variant="b7",
            width_multiplier=0.5,
            depth_multiplier=0.5,
            image_size=size,
            num_classes=0,
            head=False,
            padding="hf",
            depthwise_padding=symmetric,
        )
    ).eval()
    tower.load_state_dict(ours_from(reference.state_dict()))
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        expected, tokens = reference(pixels), tower(pixels)
        folded = tower.for_inference(torch.float32)(pixels)
    limit = 1e-4 * max(1.0, float(expected.pooler_output.abs().max()))
    map_of = expected.last_hidden_state.flatten(2).transpose(1, 2)
    assert tokens.states is not None and tokens.states.shape == map_of.shape
    assert (tokens.states - map_of).abs().max() < 1e-4 * float(map_of.abs().max())
    assert (tokens.pooled - expected.pooler_output).abs().max() < limit
    assert (folded.pooled - expected.pooler_output).abs().max() < limit


def test_odd_sides_differ_from_tensorflows_padding() -> None:
    shapes = []
    for padding in ("hf", "same"):
        options = {"width_multiplier": 0.25, "depth_multiplier": 0.3, "variant": "b0",
                   "padding": padding, "image_size": 289}  # fmt: skip
        tower = build_tower(EfficientNet.Config.model_validate(options)).eval()
        shapes.append(tower(torch.zeros(1, 3, 289, 289)).grid)
    assert shapes == [(1, 9, 9), (1, 10, 10)]


def test_stochastic_depth_and_dropout_act_in_training_only() -> None:
    tower = build_tower(
        EfficientNet.Config(variant="b0", width_multiplier=0.5, num_classes=0, drop_connect=0.9,
                            dropout=0.5)
    )  # fmt: skip
    drops = [block.drop for block in tower.blocks]  # type: ignore[union-attr]
    assert drops[0] == 0 and drops == sorted(drops) and drops[-1] == pytest.approx(0.9 * 15 / 16)
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(tower.eval()(pixels).pooled, tower(pixels).pooled)
    tower.train()
    assert not torch.equal(tower(pixels).pooled, tower(pixels).pooled)
    assert (tower(pixels).pooled == 0).float().mean() == pytest.approx(0.5, abs=0.1)


def test_dropped_samples_are_whole_and_the_mean_stays() -> None:
    states = torch.ones(4000, 2, 3)
    dropped = drop_samples(states, 0.25)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(dropped.flatten(1).amax(1), dropped.flatten(1).amin(1))
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)


def test_a_stage_sets_the_size_and_the_next_puts_it_back() -> None:
    tower = build_tower(EfficientNet.Config(width_multiplier=0.25, depth_multiplier=0.3))
    tower.enter_stage(image_size=96)  # type: ignore[operator]
    assert tower.preprocess.size == 96
    assert tower.preprocess.crop_fraction == 224 / 256
    tower.enter_stage()  # type: ignore[operator]
    assert tower.preprocess.size == 224


def test_a_classifier_without_a_head_is_refused() -> None:
    with pytest.raises(ValidationError, match="head=false needs num_classes=0"):
        EfficientNet.Config(head=False)
