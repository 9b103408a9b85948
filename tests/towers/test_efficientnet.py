"""EfficientNet against its reference packages, and the folded bf16 path against fp32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interlingua.data.loader import decode
from interlingua.sample import Image, Part, Text
from interlingua.towers.efficientnet import VARIANTS, EfficientNet, scale_channels
from interlingua.towers.pretrained import build_tower, load_tower

NUM_PARAMETERS = {  # in millions, of the published models
    "lite0": 4.65, "lite1": 5.42, "lite2": 6.09, "lite3": 8.20, "lite4": 13.01,
    "b0": 5.29, "b1": 7.79, "b2": 9.11, "b3": 12.23, "b4": 19.34, "b5": 30.39, "b6": 43.04,
    "b7": 66.35,
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_have_the_published_number_of_parameters(variant: str) -> None:
    with torch.device("meta"):
        tower = EfficientNet(EfficientNet.Config.model_validate({"variant": variant}))
    millions = sum(parameter.numel() for parameter in tower.parameters()) / 1e6
    assert millions == pytest.approx(NUM_PARAMETERS[variant], abs=0.01)
    assert tower.preprocess.size == VARIANTS[variant][2]


def test_channels_go_to_multiples_of_eight_and_never_lose_a_tenth() -> None:
    assert [scale_channels(32, w) for w in (1.0, 1.1, 1.2, 1.4, 2.0)] == [32, 32, 40, 48, 64]
    for channels in (16, 24, 40, 80, 112, 192, 320, 1280):
        for width in (0.25, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0):
            scaled = scale_channels(channels, width)
            assert scaled % 8 == 0 and scaled >= 0.9 * channels * width


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Batch norms that are not at zero and one, as after training."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, std=0.1)
    return module.eval()


def test_b0_equals_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.EfficientNetConfig(
        width_coefficient=0.5, depth_coefficient=1.0, image_size=64, hidden_dim=640
    )
    reference = shaken(transformers.EfficientNetModel(config))
    reference.save_pretrained(tmp_path)
    tower = load_tower(
        "efficientnet", tmp_path, layout="hf_efficientnet", variant="b0", width_multiplier=0.5,
        image_size=64, num_classes=0,
    )  # fmt: skip
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        theirs = reference(pixels).last_hidden_state.flatten(2).transpose(1, 2)
        ours = tower(pixels).states
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_lite_and_b_variants_equal_the_reference_package(tmp_path: Path) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    from interlingua.layouts.safetensors_file import write_safetensors

    for variant, size in (("lite2", 260), ("b3", 75)):
        reference = shaken(
            package.EfficientNet.from_name(f"efficientnet-{variant}", image_size=size)
        )
        write_safetensors(reference.state_dict(), tmp_path)
        tower = load_tower("efficientnet", tmp_path, variant=variant, image_size=size)
        pixels = torch.randn(2, 3, size, size)
        with torch.inference_mode():
            theirs = reference(pixels)
            ours = tower.classify(tower(pixels).pooled)
        assert (ours - theirs).abs().max() <= 1e-4 * max(1.0, theirs.abs().max().item())


def test_a_tower_without_its_classifier() -> None:
    tower = build_tower(
        EfficientNet.Config(width_multiplier=0.25, depth_multiplier=0.3, num_classes=0)
    )
    with pytest.raises(ValueError, match="num_classes=0"):
        tower.classify(torch.zeros(1, tower.width))


def test_uint8_and_normalised_floats_give_the_same() -> None:
    tower = build_tower(EfficientNet.Config(width_multiplier=0.25, depth_multiplier=0.3)).eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    wanted = tower.preprocess
    mean, std = (torch.tensor(x)[:, None, None] for x in (wanted.mean, wanted.std))
    floats = (pixels.float() / 255 - mean) / std
    assert torch.allclose(tower(pixels).pooled, tower(floats).pooled, atol=1e-5)
    # the lite variants' own: (value - 127) / 128
    assert torch.allclose(tower.normalize(pixels), (pixels.float() - 127) / 128, atol=1e-6)


@pytest.fixture(scope="module")
def stamps(real_data: Callable[[str], object]) -> list[Any]:
    from interlingua import data

    real_data("stamps")
    return [
        sample
        for sample in data.open_source("stamps")
        if sample.alternatives("image") and sample.alternatives("text")
        and all(part.content.suffix == ".png" for part in sample.alternatives("image"))
    ]  # fmt: skip


def pixels_of(tower: EfficientNet, samples: list[Any]) -> Tensor:
    parts: list[Part] = [sample.alternatives("image")[0] for sample in samples]
    assert all(isinstance(part, Image) for part in parts)
    pixels = torch.zeros(len(parts), 3, 224, 224, dtype=torch.uint8)
    for chunk in decode(parts, tower.preprocess, batch_size=32):
        pixels[chunk.index] = chunk.values
    return pixels


def test_real_pictures_equal_the_reference_package(
    stamps: list[Any], real_weights: Callable[[str], Path]
) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    tower = load_tower("efficientnet", real_weights("efficientnet-lite0"))
    from safetensors.torch import load_file

    reference = package.EfficientNet.from_name("efficientnet-lite0").eval()
    reference.load_state_dict(
        load_file(real_weights("efficientnet-lite0") / "model.safetensors"), strict=True
    )
    pixels = tower.normalize(pixels_of(tower, stamps[:8]))
    with torch.inference_mode():
        features = reference.extract_features(pixels)
        ours = tower(pixels)
        logits = reference(pixels)
        our_logits = tower.classify(ours.pooled)
    assert (ours.states - features.flatten(2).transpose(1, 2)).abs().max() <= 1e-4
    assert (ours.pooled - features.mean((2, 3))).abs().max() <= 1e-4
    assert (our_logits - logits).abs().max() <= 1e-4


@pytest.mark.slow
def test_the_frozen_path_on_real_pictures(
    stamps: list[Any], real_weights: Callable[[str], Path]
) -> None:
    """cosine per picture, and R@10 of text -> picture through a ridge regression, 200 held out."""
    tower = load_tower("efficientnet", real_weights("efficientnet-lite0"))
    order = torch.randperm(len(stamps), generator=torch.Generator().manual_seed(0)).tolist()
    samples = [stamps[number] for number in order]
    pixels = pixels_of(tower, samples)
    bert = load_tower("bert", real_weights("minilm"))
    texts: list[Part] = [Text(sample.meta.name) for sample in samples]
    words = torch.zeros(len(texts), bert.pooled_width)
    recall, features = {}, {}
    paths = {
        "fp32": tower.for_inference(torch.float32),
        "bf16": tower.for_inference(torch.bfloat16),
    }
    with torch.inference_mode():
        for chunk in decode(texts, bert.preprocess, batch_size=64):
            words[chunk.index] = bert(chunk.values, chunk.mask).pooled
        for path, model in paths.items():
            pooled = torch.cat([model(some).pooled for some in pixels.split(32)])
            features[path] = pooled
            recall[path] = held_out_recall(pooled, words)
        exact = tower(pixels[:32]).pooled
    assert functional.cosine_similarity(features["fp32"][:32], exact).min() >= 1 - 1e-5
    cosine = functional.cosine_similarity(features["bf16"], features["fp32"])
    print(f"{len(samples)} pictures, cosine at least {cosine.min():.6f}, recall {recall}")
    assert cosine.min() >= 0.999
    assert recall["fp32"] > 0.2  # by chance 0.05
    assert abs(recall["bf16"] - recall["fp32"]) <= 0.01


def held_out_recall(pictures: Tensor, words: Tensor, held_out: int = 200) -> float:
    pictures = functional.normalize(pictures - pictures[held_out:].mean(0), dim=-1)
    train, target = pictures[held_out:], words[held_out:]
    gram = train.t() @ train + 0.3 * torch.eye(train.shape[1])
    mapped = pictures[:held_out] @ torch.linalg.solve(gram, train.t() @ target)
    scores = words[:held_out] @ functional.normalize(mapped, dim=-1).t()
    rank = (scores > scores.diagonal()[:, None]).sum(1)
    return float((rank < 10).float().mean())
