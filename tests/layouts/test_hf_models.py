"""Whole models of transformers against ours: loaded from their folders, and theirs from ours."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interlingua.errors import LayoutError
from interlingua.models.pretrained import load_pretrained, save_pretrained

_SPEC = importlib.util.spec_from_file_location(
    "whole_models", Path(__file__).with_name("whole_models.py")
)
tiny = importlib.util.module_from_spec(_SPEC)
sys.modules["whole_models"] = tiny
_SPEC.loader.exec_module(tiny)

TOLERANCE = 1e-4
LAYOUTS = {"clip": "hf_clip", "siglip": "hf_siglip", "siglip2": "hf_siglip2", "align": "hf_align"}


@pytest.mark.parametrize("name", tiny.MODELS)
def test_features_and_logits_equal_the_reference_both_ways(name: str, tmp_path: Path) -> None:
    reference, given = tiny.reference(name), tiny.inputs(name)
    ours = load_pretrained(tiny.save(reference, tmp_path / "theirs"))
    expected = tiny.run_reference(reference, given)
    assert tiny.difference(tiny.run_ours(ours, given), expected) <= TOLERANCE
    assert expected.logits.std() > 0.02  # else equality would say little
    with torch.no_grad():
        for parameter in ours.parameters():  # another model, so that nothing is left of theirs
            parameter.add_(torch.randn_like(parameter) * 0.01)
    save_pretrained(ours, tmp_path / "ours", LAYOUTS[reference.config.model_type])
    again, notes = type(reference).from_pretrained(tmp_path / "ours", output_loading_info=True)
    # ALIGN's code makes a pooler that it doesn't use
    assert {key for key in notes["missing_keys"] if "pooler" not in key} == set()
    assert not notes["unexpected_keys"] and not notes["mismatched_keys"]
    given = tiny.inputs(name, seed=5)
    side = ours.preprocess("image").size
    given.pixels = given.pixels[..., :side, :side]
    found = tiny.run_ours(ours, given)
    assert tiny.difference(found, tiny.run_reference(again.eval(), given)) <= TOLERANCE
    assert tiny.difference(found, tiny.run_ours(load_pretrained(tmp_path / "ours"), given)) <= 1e-6


def test_half_precision_and_pieces(tmp_path: Path) -> None:
    reference = tiny.reference("clip_gelu").half()
    reference.save_pretrained(tmp_path, max_shard_size="20kB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) == 2
    ours = load_pretrained(tmp_path)
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    given = tiny.inputs("clip_gelu")
    assert (
        tiny.difference(tiny.run_ours(ours, given), tiny.run_reference(reference.float(), given))
        <= TOLERANCE
    )


def test_a_tensor_of_a_piece_that_is_missing_is_named(tmp_path: Path) -> None:
    tiny.reference("clip_gelu").save_pretrained(tmp_path, max_shard_size="20kB")
    index = tmp_path / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    name = sorted(listed["weight_map"])[3]
    del listed["weight_map"][name]
    index.write_text(json.dumps(listed))
    with pytest.raises(LayoutError, match=f"disagree about '{name}'"):
        load_pretrained(tmp_path)


def test_fp32_weights_stay_mapped_to_their_file(tmp_path: Path) -> None:
    ours = load_pretrained(tiny.save(tiny.reference("clip_gelu"), tmp_path))
    embedding = ours.towers["text"].token_embedding.weight
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert _is_mapped(embedding.data_ptr(), tmp_path / "model.safetensors")
    with torch.no_grad():  # a copy on write: the file stays as it is
        embedding.zero_()
    again = load_pretrained(tmp_path)
    assert again.towers["text"].token_embedding.weight.abs().sum() > 0


@pytest.mark.parametrize("name", ["clip_quick_gelu", "siglip", "siglip2", "align"])
def test_gradients_reach_every_parameter_of_a_loaded_model(name: str, tmp_path: Path) -> None:
    model = load_pretrained(tiny.save(tiny.reference(name), tmp_path)).train()
    given = tiny.inputs(name)
    image = model.projections["image"](model.towers["image"](given.pixels).pooled)
    text = model.projections["text"](model.towers["text"](given.ids, given.mask).pooled)
    total: Tensor = image.square().sum() + text.square().sum()
    total.backward()
    assert _without_gradient(model) <= {"log_scale", "bias", "towers.text.segment_embedding.weight"}


def _is_mapped(address: int, file: Path) -> bool:
    """Whether this address of memory belongs to a mapping of the file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split(" ", 1)[0].split("-"))
        if first <= address < last:
            return str(file) in line
    return False


def _without_gradient(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.grad is None}
