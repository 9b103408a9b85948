"""Backbones of transformers as towers, on tiny random models in their own folders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from interlingua.config import validate
from interlingua.errors import ConfigError, DataError, LayoutError, MissingExtraError
from interlingua.towers.pretrained import build_tower, load_tower
from interlingua.towers.transformers_backbone import TransformersBackbone

transformers = pytest.importorskip("transformers")

NAME = "transformers_backbone"
SMALL = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4}
BERT = {"model_type": "bert", **SMALL, "intermediate_size": 40, "vocab_size": 90,
        "max_position_embeddings": 32, "layer_norm_eps": 1e-12}  # fmt: skip
MODERNBERT = {"model_type": "modernbert", **SMALL, "intermediate_size": 40, "vocab_size": 90,
              "pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2,
              "eos_token_id": 2, "max_position_embeddings": 64}  # fmt: skip
DINOV2 = {"model_type": "dinov2", **SMALL, "image_size": 56, "patch_size": 14}


def save(settings: dict[str, Any], folder: Path) -> Any:
    """A random model of these settings, saved in its own layout."""
    described = transformers.AutoConfig.for_model(**settings)
    model = transformers.AutoModel.from_config(described).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return model


def ids_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(3, 90, (4, 20))
    return ids, torch.arange(20) < torch.tensor([20, 7, 13, 1])[:, None]


def test_dinov2_from_its_folder(tmp_path: Path) -> None:
    reference = save(DINOV2, tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "do_center_crop": True,
                "crop_size": {"height": 56, "width": 56},
                "size": {"shortest_edge": 64},
                "image_mean": [0.4, 0.5, 0.6],
                "image_std": [0.2, 0.3, 0.4],
                "resample": 2,
            }
        )
    )
    tower = load_tower(NAME, tmp_path, model=str(tmp_path), pooling="pooler")
    wanted = tower.preprocess
    assert (wanted.size, wanted.crop_fraction, wanted.fit) == (56, 0.875, "crop")
    assert (wanted.mean, wanted.interpolation) == ((0.4, 0.5, 0.6), "bilinear")
    pixels = torch.randint(0, 256, (2, 3, 56, 56), dtype=torch.uint8)
    mean, std = (torch.tensor(x)[:, None, None] for x in (wanted.mean, wanted.std))
    with torch.inference_mode():
        theirs = reference((pixels / 255 - mean) / std, output_hidden_states=True)
        ours = tower(pixels, layers=range(4))
    assert ours.layers is not None and ours.grid == (1, 4, 4)
    assert torch.allclose(ours.states, theirs.last_hidden_state, atol=1e-5)
    assert torch.allclose(ours.pooled, theirs.pooler_output, atol=1e-5)
    assert torch.allclose(ours.layers[2], theirs.hidden_states[2], atol=1e-5)
    assert len(tower.blocks) == 3 and tower.num_prefix == 1
    assert not any("mask_token" in n for n, p in tower.named_parameters() if p.requires_grad)


def test_bert_equals_our_own(tmp_path: Path) -> None:
    save(BERT, tmp_path)
    foreign = load_tower(NAME, tmp_path, model=str(tmp_path), pooling="mean")
    own = load_tower("bert", tmp_path, vocabulary=90, width=24, num_layers=3, num_heads=4,
                     hidden_width=40, max_positions=32, unit_length=False)  # fmt: skip
    ids, mask = ids_and_mask()
    with torch.inference_mode():
        theirs, ours = foreign(ids, mask, layers=range(4)), own(ids, mask, layers=range(4))
    assert (theirs.pooled - ours.pooled).abs().max() < 1e-5
    for number in range(4):
        difference = (theirs.layers[number] - ours.layers[number])[mask]
        assert difference.abs().max() < 1e-5
    assert foreign.preprocess.kind == "text" and foreign.preprocess.max_tokens == 32


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_modernbert_does_not_see_padding(tmp_path: Path, pooling: str) -> None:
    reference = save(MODERNBERT, tmp_path)
    tower = load_tower(NAME, tmp_path, model=str(tmp_path), pooling=pooling)
    ids, mask = ids_and_mask()
    with torch.inference_mode():
        tokens = tower(ids, mask)
        for row, length in enumerate(mask.sum(1).tolist()):
            alone = reference(input_ids=ids[row : row + 1, :length]).last_hidden_state[0]
            exact = alone.mean(0) if pooling == "mean" else alone[0]
            assert (tokens.pooled[row] - exact).abs().max() < 1e-5
        frozen = tower.for_inference(torch.bfloat16)(ids, mask)
    assert torch.cosine_similarity(frozen.pooled, tokens.pooled, dim=-1).min() > 0.999


def test_a_map_of_a_convolutional_model_becomes_tokens() -> None:
    settings = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16],
                "depths": [1, 1], "layer_type": "basic"}  # fmt: skip
    tower: Any = build_tower(TransformersBackbone.Config(settings=settings, pooling="pooler"))
    tokens = tower.eval()(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert tokens.states.shape == (2, 64, 16) and tokens.grid == (1, 8, 8)
    assert torch.allclose(tokens.pooled, tokens.states.mean(1), atol=1e-5)
    assert len(tower.blocks) == 0


def test_settings_are_whole_so_that_the_folder_is_needed_once(tmp_path: Path) -> None:
    save(DINOV2, tmp_path / "model")
    config = validate(
        TransformersBackbone.Config, {"model": str(tmp_path / "model"), "image_size": 28}, "test"
    )
    assert config.settings["model_type"] == "dinov2" and config.image_size == 28
    (tmp_path / "model").rename(tmp_path / "gone")
    again = TransformersBackbone.Config.model_validate_json(config.model_dump_json())
    assert again == config and build_tower(again).width == 24


def test_missing_and_misshapen_weights_are_refused(tmp_path: Path) -> None:
    save(DINOV2, tmp_path)
    (config := json.loads((tmp_path / "config.json").read_text()))["num_hidden_layers"] = 4
    with pytest.raises(LayoutError, match=r"weights lack .*layer\.3"):
        load_tower(NAME, tmp_path, settings=config)
    config |= {"num_hidden_layers": 3, "mlp_ratio": 2}
    with pytest.raises(LayoutError, match="can't be read"):
        load_tower(NAME, tmp_path, settings=config)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(LayoutError, match="can't be read"):
        load_tower(NAME, tmp_path, model=str(tmp_path))
    torch.save({}, tmp_path / "pytorch_model.bin")  # a pickle is no way in
    with pytest.raises(LayoutError, match="can't be read"):
        load_tower(NAME, tmp_path, model=str(tmp_path))


def test_what_can_not_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="settings with a model_type"):
        TransformersBackbone.Config()
    with pytest.raises(LayoutError, match=r"config\.json can't be read"):
        TransformersBackbone.Config(model=str(tmp_path))
    with pytest.raises(ConfigError, match="can't build a 'nothing'"):
        build_tower(TransformersBackbone.Config(settings={"model_type": "nothing"}))
    with pytest.raises(ConfigError, match="'clip' has no single width"):
        build_tower(TransformersBackbone.Config(settings={"model_type": "clip"}))
    tower = build_tower(TransformersBackbone.Config(
        settings=MODERNBERT, modality="text", pooling="pooler"))  # fmt: skip
    with pytest.raises(DataError, match="ModernBertModel gives no pooled vector of 24"):
        tower(*ids_and_mask())
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"interlingua\[hf\]"):
        build_tower(TransformersBackbone.Config(settings=DINOV2))
