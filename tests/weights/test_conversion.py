"""Pickles and OpenAI's archives become folders that load, in a process that may die."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from interlingua.errors import LayoutError
from interlingua.models.pretrained import load_pretrained, save_pretrained
from interlingua.weights.conversion import clip_config, convert_file, convert_tensors

FIXTURES = Path(__file__).parents[1] / "layouts" / "fixtures"


def assert_equals_its_outputs(folder: Path, outputs: Path) -> None:
    model, given = load_pretrained(folder), load_file(outputs)
    with torch.inference_mode():
        image = model.projections["image"](model.towers["image"](given["pixels"].float()).pooled)
        text = model.projections["text"](model.towers["text"](given["ids"]).pooled)
        logits = functional.normalize(image) @ functional.normalize(text).T * model.log_scale.exp()
    assert (image - given["image"]).abs().max() <= 1e-4
    assert (text - given["text"]).abs().max() <= 1e-4
    # the archive holds its scale in half precision, as OpenAI's do
    assert (logits - given["logits"]).abs().max() <= 1e-2


def test_openais_archive_becomes_a_folder_that_loads(tmp_path: Path) -> None:
    folder = convert_file(FIXTURES / "openai_clip" / "archive.pt", tmp_path / "clip")
    assert {path.name for path in folder.iterdir()} == {
        "open_clip_config.json",
        "open_clip_model.safetensors",
    }
    assert_equals_its_outputs(folder, FIXTURES / "openai_clip" / "outputs.safetensors")
    found = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    made = json.loads((FIXTURES / "openai_clip" / "open_clip_config.json").read_text())
    assert found == made["model_cfg"]


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    tensors = load_file(FIXTURES / name / "open_clip_model.safetensors")
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def test_the_shapes_of_a_resnet_say_what_it_is() -> None:
    found = clip_config(shapes_of("open_clip_resnet"))
    made = json.loads((FIXTURES / "open_clip_resnet" / "open_clip_config.json").read_text())
    expected = {
        key: value
        for key, value in made["model_cfg"]["vision_cfg"].items()
        if key != "head_width"  # 64, open_clip's default
    }
    assert found["vision_cfg"] == expected
    assert found["text_cfg"]["layers"] == 2


def pickled(name: str, path: Path, wrap: Any = None) -> Path:
    tensors = load_file(FIXTURES / name / "open_clip_model.safetensors")
    torch.save(tensors if wrap is None else wrap(tensors), path)
    return path


def test_a_resnets_state_dict_without_description(tmp_path: Path) -> None:
    source = pickled(
        "open_clip_resnet",
        tmp_path / "epoch_3.pt",
        lambda tensors: {
            "epoch": 3,
            "state_dict": {f"module.{key}": tensor for key, tensor in tensors.items()},
        },
    )
    with pytest.raises(LayoutError, match="which activation") as caught:
        convert_file(source, tmp_path / "clip")
    assert "--activation quick_gelu" in str(caught.value.next_step)
    assert not (tmp_path / "clip").exists()
    folder = convert_file(source, tmp_path / "clip", "quick_gelu")
    config = folder / "open_clip_config.json"
    found = json.loads(config.read_text())
    found["model_cfg"]["text_cfg"]["heads"] = 2  # of 8; OpenAI's are 64 wide
    config.write_text(json.dumps(found))
    assert_equals_its_outputs(folder, FIXTURES / "open_clip_resnet" / "outputs.safetensors")


@pytest.mark.parametrize("name", ["open_clip_vit", "open_clip_vit_quick"])
def test_a_description_beside_the_file_is_kept(name: str, tmp_path: Path) -> None:
    shutil.copy(FIXTURES / name / "open_clip_config.json", tmp_path)
    source = pickled(name, tmp_path / "open_clip_pytorch_model.bin")
    folder = convert_file(source, tmp_path / "out")
    assert_equals_its_outputs(folder, FIXTURES / name / "outputs.safetensors")


def test_transformers_bin_keeps_its_layout(tmp_path: Path) -> None:
    saved = tmp_path / "hf"
    save_pretrained(load_pretrained(FIXTURES / "open_clip_vit"), saved)
    state = load_file(saved / "model.safetensors")
    torch.save(state, saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(LayoutError) as caught:
        load_pretrained(saved)
    assert "interlingua weights convert" in str(caught.value.next_step)
    folder = convert_file(saved / "pytorch_model.bin", tmp_path / "out")
    assert_equals_its_outputs(folder, FIXTURES / "open_clip_vit" / "outputs.safetensors")


def test_a_state_dict_of_something_else(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(LayoutError, match=r"isn't a CLIP.*visual\.conv1\.weight") as caught:
        convert_file(tmp_path / "other.pt", tmp_path / "out", "gelu")
    assert "config.json" in str(caught.value.next_step)
    assert not (tmp_path / "out").exists()


class RunsCode:
    """What a malicious file holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    torch.save({"a": RunsCode(mark)}, tmp_path / "code.pt")
    archive = (FIXTURES / "openai_clip" / "archive.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(archive[: len(archive) // 2])
    for name in ("code", "cut"):  # garbage and lists: test_weights.py
        with pytest.raises(LayoutError, match="can't be converted") as caught:
            convert_tensors(tmp_path / f"{name}.pt", tmp_path / "out.safetensors")
        assert caught.value.where == str(tmp_path / f"{name}.pt")
    assert not mark.exists()
