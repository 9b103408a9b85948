"""CLIP's ResNet against open_clip's own outputs (make_modified_resnet.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from interlingua.errors import ConfigError
from interlingua.towers.modified_resnet import ModifiedResNet
from interlingua.towers.pretrained import build_tower

FIXTURE = Path(__file__).with_name("modified_resnet.safetensors")
CASES: dict[str, dict[str, Any]] = {
    "a": {"depths": (1, 2, 1, 1), "channels": 4, "num_heads": 4, "image_size": 64,
          "output_width": 12},
    "b": {"depths": (1, 1, 1, 2), "channels": 4, "num_heads": 2, "image_size": 96,
          "output_width": 8},
}  # fmt: skip
# of the published image towers, in millions
PUBLISHED = {
    "RN50": ((3, 4, 6, 3), 64, 1024, 224, 38.32),
    "RN101": ((3, 4, 23, 3), 64, 512, 224, 56.26),
    "RN50x4": ((4, 6, 10, 6), 80, 640, 288, 87.14),
    "RN50x16": ((6, 8, 18, 8), 96, 768, 384, 167.33),
    "RN50x64": ((3, 15, 36, 10), 128, 1024, 448, 420.38),
}


def ours_from(theirs: dict[str, Tensor], depths: tuple[int, ...]) -> dict[str, Tensor]:
    """open_clip's names as ours."""
    ours: dict[str, Tensor] = {}

    def conv(name: str, conv_name: str, norm_name: str) -> None:
        ours[f"{name}.conv.weight"] = theirs[f"{conv_name}.weight"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            ours[f"{name}.norm.{part}"] = theirs[f"{norm_name}.{part}"]
        ours[f"{name}.norm.num_batches_tracked"] = torch.tensor(0)

    for number in range(3):
        conv(f"stem.{number}", f"conv{number + 1}", f"bn{number + 1}")
    block = 0
    for stage, depth in enumerate(depths, start=1):
        for number in range(depth):
            prefix = f"layer{stage}.{number}"
            for part, name in enumerate(("reduce", "spatial", "expand"), start=1):
                conv(f"blocks.{block}.{name}", f"{prefix}.conv{part}", f"{prefix}.bn{part}")
            if f"{prefix}.downsample.0.weight" in theirs:
                names = (f"{prefix}.downsample.0", f"{prefix}.downsample.1")
                conv(f"blocks.{block}.shortcut", *names)
            block += 1
    for kind in ("weight", "bias"):
        parts = [theirs[f"attnpool.{part}_proj.{kind}"] for part in "qkv"]
        ours[f"attention_pool.qkv.{kind}"] = torch.cat(parts)
        ours[f"attention_pool.out.{kind}"] = theirs[f"attnpool.c_proj.{kind}"]
    ours["attention_pool.position_embedding"] = theirs["attnpool.positional_embedding"]
    return ours


def load(case: str) -> tuple[Any, Tensor, Tensor]:
    stored = {name: tensor.float() for name, tensor in load_file(FIXTURE).items()}
    prefix = f"{case}.weights."
    theirs = {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
    tower = ModifiedResNet(ModifiedResNet.Config(**CASES[case])).eval()
    tower.load_state_dict(ours_from(theirs, CASES[case]["depths"]))
    return tower, stored[f"{case}.pixels"], stored[f"{case}.output"]


@pytest.mark.parametrize("case", CASES)
def test_equals_open_clip(case: str) -> None:
    tower, pixels, expected = load(case)
    with torch.inference_mode():
        tokens = tower(pixels)
        folded = tower.for_inference(torch.float32)(pixels)
    limit = 1e-5 * max(1.0, float(expected.abs().max()))
    assert (tokens.pooled - expected).abs().max() < limit
    assert (folded.pooled - expected).abs().max() < 10 * limit
    assert tokens.grid == (1, pixels.shape[2] // 32, pixels.shape[3] // 32)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_sizes_fit(name: str) -> None:
    depths, channels, output_width, size, millions = PUBLISHED[name]
    config = ModifiedResNet.Config.model_validate(
        {"depths": depths, "channels": channels, "num_heads": channels // 2,
         "output_width": output_width, "image_size": size}
    )  # fmt: skip
    with torch.device("meta"):
        tower = ModifiedResNet(config)
    number = sum(parameter.numel() for parameter in tower.parameters()) / 1e6
    assert number == pytest.approx(millions, abs=0.01)
    assert tower.pooled_width == output_width


def test_other_sizes_pass_and_learn_their_positions() -> None:
    tower = build_tower(ModifiedResNet.Config(**CASES["a"])).train()
    tower.enter_stage(image_size=96)
    assert tower.preprocess.size == 96
    tokens = tower(torch.randint(0, 256, (2, 3, 96, 130), dtype=torch.uint8))
    assert tokens.grid == (1, 3, 4) and tokens.pooled.shape == (2, 12)
    tokens.pooled.sum().backward()
    gradient = tower.attention_pool.position_embedding.grad
    assert gradient is not None and gradient.abs().sum() > 0
    tower.enter_stage()
    assert tower.preprocess.size == 64
    with pytest.raises(ConfigError, match="20 pixels is too small"):
        tower.enter_stage(image_size=20)


def test_settings_that_do_not_fit_are_refused() -> None:
    for options, message in (({"image_size": 31}, "31 is below 32"), ({"num_heads": 3}, "3 heads")):
        with pytest.raises(ValidationError, match=message):
            ModifiedResNet.Config(**{**CASES["a"], **options})
