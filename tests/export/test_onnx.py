"""ONNX graphs of a dual encoder, run by onnxruntime, against the model itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from interlingua.batch import Media
from interlingua.config import validate
from interlingua.errors import DataError
from interlingua.export.onnx import export_onnx
from interlingua.models.dual_encoder import DualEncoder

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def model(folder: Path, siglip: bool) -> DualEncoder:
    """Tiny, with CLIP's settings or SigLIP's."""
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text("{}")
    blocks = {"width": 32, "num_layers": 2, "num_heads": 2, "hidden_width": 64}
    blocks["activation"] = "gelu_tanh" if siglip else "quick_gelu"
    image = {"name": "vit", "image_size": 18, "patch_size": 6, **blocks}
    text = {"name": "text_transformer", "vocabulary": 120, "tokenizer": str(tokenizer), **blocks}
    text |= {"max_positions": 12, "max_tokens": 12, "end_id": 119}
    if siglip:
        image |= {"pooling": "attention", "class_token": False, "patch_bias": True}
        text |= {"causal": False, "pooling": "last", "pad_to_max": True}
    towers = {"image": {"tower": image}, "text": {"tower": text, "bias": siglip}}
    described = {"name": "dual_encoder", "width": 16, "towers": towers}
    torch.manual_seed(0)
    return DualEncoder(validate(DualEncoder.Config, described, "test")).eval()


@pytest.mark.parametrize("siglip", [False, True], ids=["clip", "siglip"])
def test_graphs_give_the_models_vectors(tmp_path: Path, siglip: bool) -> None:
    clip = model(tmp_path, siglip)
    folder = tmp_path / "onnx"
    done = {one.view: one for one in export_onnx(clip, folder)}
    assert set(done) == {"image", "text"}
    assert max(one.difference for one in done.values()) <= 1e-5
    described = json.loads((folder / "export.json").read_text())
    assert described["dimension"] == 16
    assert (folder / "tokenizer.json").exists()
    pixels = torch.randint(0, 256, (7, 3, 18, 18), dtype=torch.uint8)
    owner = torch.arange(7)
    with torch.no_grad():
        right = clip.embed_media("image", Media(owner, owner * 0, values=pixels)).numpy()
    session = onnxruntime.InferenceSession(str(done["image"].path))
    (found,) = session.run(None, {"values": pixels.numpy()})
    np.testing.assert_allclose(found, right, atol=1e-5)


def test_a_text_with_an_end_token_in_the_middle(tmp_path: Path) -> None:
    """Pooling is by the graph, not by the lengths that it was traced with."""
    clip = model(tmp_path, False)
    done = {one.view: one for one in export_onnx(clip, tmp_path / "onnx")}
    ids = torch.tensor([[1, 5, 119, 0, 0, 0, 0], [1, 5, 7, 9, 11, 13, 119]])
    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1] * 7]).bool()
    owner = torch.arange(2)
    with torch.no_grad():
        media = Media(owner, owner * 0, values=ids, mask=mask)
        right = clip.embed_media("text", media).numpy()
    session = onnxruntime.InferenceSession(str(done["text"].path))
    names = {one.name for one in session.get_inputs()}
    given = {"values": ids.numpy(), "mask": mask.numpy()}
    (found,) = session.run(None, {name: given[name] for name in names})
    np.testing.assert_allclose(found, right, atol=1e-5)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    clip = model(tmp_path, False)
    with pytest.raises(DataError, match="other things"):
        export_onnx(clip, tmp_path)
