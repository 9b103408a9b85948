"""open_clip's own outputs and files (fixtures/, written by make_fixtures.py) against ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from interlingua.layouts import timm_siglip
from interlingua.models.pretrained import load_pretrained, save_pretrained

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = ("vit", "vit_quick", "vit_custom", "resnet", "siglip")
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def tiny_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """What timm calls ``base`` is as small as in make_fixtures.py."""
    monkeypatch.setitem(timm_siglip.SIZES, "base", (24, 2, 3, 48))


def outputs(model: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.inference_mode():
        image = model.projections["image"](model.towers["image"](given["pixels"].float()).pooled)
        text = model.projections["text"](model.towers["text"](given["ids"]).pooled)
    logits = functional.normalize(image) @ functional.normalize(text).T * model.log_scale.exp()
    return {
        "image": image,
        "text": text,
        "logits": logits if model.bias is None else logits + model.bias,
    }


def assert_equals_its_outputs(model: nn.Module, folder: Path) -> None:
    given = load_file(folder / "outputs.safetensors")
    for key, found in outputs(model, given).items():
        assert (found - given[key]).abs().max() <= TOLERANCE, key


@pytest.mark.parametrize("name", FOLDERS)
def test_features_and_logits_equal_open_clips(name: str) -> None:
    folder = FIXTURES / f"open_clip_{name}"
    assert_equals_its_outputs(load_pretrained(folder), folder)


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_written_is_what_open_clip_wrote(name: str, tmp_path: Path) -> None:
    folder = FIXTURES / f"open_clip_{name}"
    model = load_pretrained(folder)
    save_pretrained(model, tmp_path / "ours", "open_clip")
    written = load_file(tmp_path / "ours" / "open_clip_model.safetensors")
    original = load_file(folder / "open_clip_model.safetensors")
    if name == "vit_custom":  # the same model under the shorter names
        original = {key.removeprefix("text."): tensor for key, tensor in original.items()}
    assert written.keys() == original.keys()
    for key, tensor in original.items():
        assert torch.equal(written[key], tensor.to(written[key].dtype)), key
    assert_equals_its_outputs(load_pretrained(tmp_path / "ours"), folder)
    theirs, ours = (
        json.loads((place / "open_clip_config.json").read_text())["model_cfg"]
        for place in (folder, tmp_path / "ours")
    )
    for part in ("vision_cfg", "text_cfg"):
        said = {key: value for key, value in theirs[part].items() if key in ours[part]}
        assert {key: ours[part][key] for key in said} == said or name == "siglip"
    assert ours["embed_dim"] == theirs["embed_dim"]
    assert ours.get("quick_gelu", False) == theirs.get("quick_gelu", False)


def test_a_clip_of_open_clip_becomes_one_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = FIXTURES / "open_clip_vit"
    save_pretrained(load_pretrained(folder), tmp_path / "hf", "hf_clip")
    model = transformers.CLIPModel.from_pretrained(tmp_path / "hf").eval()
    given = load_file(folder / "outputs.safetensors")
    with torch.inference_mode():
        logits = model(
            pixel_values=given["pixels"].float(), input_ids=given["ids"]
        ).logits_per_image
    assert (logits - given["logits"]).abs().max() <= TOLERANCE


def test_preprocessing_of_the_folder() -> None:
    preprocess = load_pretrained(FIXTURES / "open_clip_siglip").preprocess("image")
    assert (preprocess.size, preprocess.fit, preprocess.crop_fraction) == (32, "squash", 1.0)
    assert preprocess.mean == (0.4, 0.5, 0.6)
    text = load_pretrained(FIXTURES / "open_clip_siglip").preprocess("text")
    assert (text.clean, text.pad_to_max, text.max_tokens, text.vocabulary) == (
        "siglip", True, 12, 50,
    )  # fmt: skip


def test_the_fixtures_are_small() -> None:
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file()) < 1_000_000
