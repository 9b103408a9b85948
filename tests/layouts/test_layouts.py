"""One contract for every layout of the table: what it writes, it reads, exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interlingua.config import resolve, validate
from interlingua.errors import LayoutError
from interlingua.layouts import TABLE
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import ModelLayout, layout_of
from interlingua.models.dual_encoder import DualEncoder
from interlingua.models.pretrained import load_pretrained, save_pretrained
from interlingua.towers.pretrained import build_tower, load_tower
from interlingua.towers.tower import Tower

# layout: a tower that it can hold, small
TOWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "hf_bert": ("bert", {"vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
                         "hidden_width": 32, "max_positions": 20}),
    "efficientnet_lite": ("efficientnet", {"width_multiplier": 0.25, "depth_multiplier": 0.3,
                                           "num_classes": 7, "variant": "b0"}),
    "hf_efficientnet": ("efficientnet", {"width_multiplier": 0.25, "depth_multiplier": 0.3,
                                         "num_classes": 0, "variant": "b0"}),
    "ctranslate2_whisper": ("whisper_encoder", {"width": 16, "num_heads": 2, "num_layers": 2,
                                                "num_mels": 8, "max_tokens": 20}),
}  # fmt: skip

VIT = {
    "name": "vit", "image_size": 30, "patch_size": 6, "width": 24, "num_layers": 2, "num_heads": 3,
    "hidden_width": 40,
}  # fmt: skip
MAP_VIT = {
    **VIT, "class_token": False, "pooling": "attention", "pre_norm": False, "patch_bias": True,
    "activation": "gelu_tanh", "fit": "squash",
}  # fmt: skip
TEXT = {
    "name": "text_transformer", "vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
    "hidden_width": 40, "max_positions": 12, "max_tokens": 12, "end_id": 49,
}  # fmt: skip
MAP_TEXT = {
    **{key: value for key, value in TEXT.items() if key != "end_id"},
    "causal": False, "pooling": "last", "pad_to_max": True, "clean": "siglip",
    "activation": "gelu_tanh",
}  # fmt: skip
CLIP = {"width": 10, "towers": {"image": {"tower": VIT}, "text": {"tower": TEXT}}}
SIGLIP = {
    "width": 24,
    "initial_bias": -10.0,
    "towers": {
        "image": {"projection": "none", "tower": MAP_VIT},
        "text": {"bias": True, "tower": MAP_TEXT},
    },
}
ALIGN = {
    "width": 80,
    "towers": {
        "image": {
            "projection": "none",
            "tower": {
                "name": "efficientnet", "variant": "b7", "width_multiplier": 0.25,
                "depth_multiplier": 0.5, "image_size": 64, "num_classes": 0, "head": False,
                "padding": "hf", "mean": (0.5,) * 3, "std": (0.5,) * 3, "fit": "squash",
                "crop_fraction": 64 / 77, "interpolation": "bilinear",
            },
        },
        "text": {
            "bias": True,
            "tower": {
                "name": "bert", "vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
                "hidden_width": 32, "max_positions": 20, "max_tokens": 20, "pooling": "cls",
                "unit_length": False, "tokenizer": "",
            },
        },
    },
}  # fmt: skip
RESNET = {
    "width": 10,
    "towers": {
        "image": {
            "projection": "none",
            "tower": {
                "name": "modified_resnet", "image_size": 64, "depths": (1, 2, 1, 1), "channels": 4,
                "num_heads": 2, "output_width": 10,
            },
        },
        "text": {"tower": TEXT},
    },
}  # fmt: skip

# layout: models that it can hold, small
MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "hf_clip": {"clip": CLIP},
    "hf_siglip": {"siglip": SIGLIP},
    "hf_siglip2": {
        "siglip2": {
            **SIGLIP,
            "towers": {
                **SIGLIP["towers"],
                "image": {
                    "projection": "none",
                    "tower": {**MAP_VIT, "position_interpolation": "bilinear"},
                },
            },
        }
    },
    "hf_align": {"align": ALIGN},
    "open_clip": {"clip": CLIP, "resnet": RESNET},
    "interlingua": {"align": ALIGN},
}
CASES = [(layout, case) for layout, cases in MODELS.items() for case in cases]


def tower_for(layout: str) -> Tower:
    name, options = TOWERS[layout]
    return build_tower(resolve("towers", name).Config(name=name, **options))


def model_for(layout: str, case: str) -> DualEncoder:
    torch.manual_seed(0)
    config = validate(DualEncoder.Config, {"name": "dual_encoder", **MODELS[layout][case]}, case)
    return config.build().eval()


def test_every_layout_has_a_case() -> None:
    assert set(TABLE) == set(TOWERS) | set(MODELS)


@pytest.mark.parametrize("name", TOWERS)
def test_write_and_read_are_exact(name: str, tmp_path: Path) -> None:
    tower = tower_for(name)
    layout: Layout = resolve("layouts", name)
    assert layout.name == name
    layout.write(tower, tmp_path)
    kind, options = TOWERS[name]
    loaded = load_tower(kind, tmp_path, layout=name, **options)
    assert not loaded.training
    assert loaded.state_dict().keys() == tower.state_dict().keys()
    for key, tensor in tower.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key


@pytest.mark.parametrize("name", TOWERS)
def test_every_rule_is_used(name: str) -> None:
    layout: Layout = resolve("layouts", name)
    used = {rule for _, rule, _ in layout._pairs(tower_for(name).state_dict())}
    assert used == set(layout.rules)


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_with_one_block_more_is_told_which_names_are_missing(
    name: str, tmp_path: Path
) -> None:
    tower = tower_for(name)
    layout: Layout = resolve("layouts", name)
    layout.write(tower, tmp_path)
    tower.blocks.append(tower.blocks[-1])
    with pytest.raises(LayoutError, match=rf"missing .*blocks\.{len(tower.blocks) - 1}\."):
        layout.read(tmp_path, tower)
    del tower.blocks[-2:]
    with pytest.raises(LayoutError, match=r"unexpected"):
        layout.read(tmp_path, tower)


def assert_equal(one: nn.Module, two: nn.Module) -> None:
    assert one.state_dict().keys() == two.state_dict().keys()
    for key, tensor in one.state_dict().items():
        # ALIGN's temperature goes through a logarithm
        close = torch.allclose if key == "log_scale" else torch.equal
        assert close(two.state_dict()[key], tensor), key


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_whole_model_is_written_and_read_exactly(name: str, case: str, tmp_path: Path) -> None:
    model = model_for(name, case)
    save_pretrained(model, tmp_path / "model", name)
    assert layout_of(tmp_path / "model") == name
    loaded = load_pretrained(tmp_path / "model")
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert_equal(model, loaded)
    for tower in ("image", "text"):  # settings too, preprocessing with them
        ours, theirs = model.config.towers[tower], loaded.config.towers[tower]
        assert theirs.tower == ours.tower
        assert (theirs.projection, theirs.bias) == (ours.projection, ours.bias)
        assert loaded.preprocess(tower) == model.preprocess(tower)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_every_rule_of_a_whole_model_is_used(name: str, case: str, tmp_path: Path) -> None:
    model = model_for(name, case)
    save_pretrained(model, tmp_path / "model", name)
    layout: ModelLayout = resolve("layouts", name)
    assert layout.name == name
    plain = layout.describe(tmp_path / "model")
    tensors = layout.tensors(plain, tmp_path / "model")
    used = {rule for _, rule, _ in tensors._pairs(model.state_dict())}
    unused = {rule.ours for rule in set(tensors.rules) - used}
    assert unused <= ({"bias"} if name == "open_clip" else set())


@pytest.mark.parametrize(("name", "case"), CASES)
@pytest.mark.parametrize("kind", ["image", "text"])
def test_one_tower_is_read_out_of_a_whole_model(
    name: str, case: str, kind: str, tmp_path: Path
) -> None:
    model = model_for(name, case)
    save_pretrained(model, tmp_path / "model", name)
    config = model.config.towers[kind].tower
    loaded = load_tower(config.name, tmp_path / "model", **config.model_dump(exclude={"name"}))
    assert_equal(model.towers[kind], loaded)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_what_is_missing_or_too_much_in_a_whole_model_is_named(
    name: str, case: str, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    save_pretrained(model_for(name, case), tmp_path / "model", name)
    (file,) = (tmp_path / "model").glob("*.safetensors")
    tensors = load_file(file)
    taken = next(key for key in sorted(tensors) if "1" in key and "bias" in key)
    kept = {key: tensor.clone() for key, tensor in tensors.items() if key != taken}
    save_file({**kept, "visual.nonsense": torch.ones(1)}, file)
    with pytest.raises(LayoutError) as caught:
        load_pretrained(tmp_path / "model")
    assert "missing (1)" in caught.value.what
    assert "unexpected (1): visual.nonsense" in caught.value.what
    assert caught.value.where == str(tmp_path / "model")
    misshapen = {**tensors, taken: torch.ones(*tensors[taken].shape, 2)}
    save_file(misshapen, file)
    with pytest.raises(LayoutError, match=r"misshapen \(1\)"):
        load_pretrained(tmp_path / "model")


def test_a_model_that_a_layout_cannot_express_is_told_every_setting(tmp_path: Path) -> None:
    with pytest.raises(LayoutError) as caught:
        save_pretrained(model_for("hf_siglip", "siglip"), tmp_path / "model", "hf_clip")
    for word in ("initial_bias", "pooling is 'attention'", "causal is False", "fit is 'squash'"):
        assert word in caught.value.what
    assert "interlingua" in str(caught.value.next_step)
    with pytest.raises(LayoutError, match="name is 'modified_resnet', the layout has 'vit'"):
        save_pretrained(model_for("open_clip", "resnet"), tmp_path / "model", "hf_clip")
    with pytest.raises(LayoutError, match=r"hf_clp.*did you mean 'hf_clip'"):
        save_pretrained(model_for("hf_clip", "clip"), tmp_path / "model", "hf_clp")
    assert list(tmp_path.iterdir()) == []


def test_a_tower_with_other_unseen_settings_is_refused(tmp_path: Path) -> None:
    save_pretrained(model_for("hf_clip", "clip"), tmp_path / "model")
    settings = {key: value for key, value in VIT.items() if key != "name"}
    load_tower("vit", tmp_path / "model", **settings, patch_dropout=0.5)
    for key, value in {"activation": "gelu", "num_heads": 2, "norm_eps": 1e-6}.items():
        with pytest.raises(LayoutError, match=rf"{key}=.*its weights were made with"):
            load_tower("vit", tmp_path / "model", **{**settings, key: value})
    with pytest.raises(LayoutError, match="weights of a vit, the tower is a efficientnet"):
        load_tower("efficientnet", tmp_path / "model")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "no object"),
        ("{}", "no 'model_type'"),
        ('{"model_type": 3}', "wrong type"),
        ('{"model_type": "clipp"}', "did you mean 'clip'"),
        ('{"model_type": "blip"}', "'blip'.*can't be loaded"),
        ('{"model_type": "clip"}', "no section 'vision_config'"),
        ('{"model_type": "clip", "vision_config": {}, "txt_config": {}}',
         r"no section 'text_config' \(did you mean 'txt_config'"),
        ('{"model_type": "clip", "text_config": {}, "vision_config": {"hidden_act": "relu"}}',
         "'hidden_act' is 'relu'"),
        ('{"model_type": "clip", "text_config": {}, "vision_config": {"patch_size": "16"}}',
         "'patch_size' is '16', which is of the wrong type"),
        ('{"model_type": "clip", "text_config": {}, "vision_config": {"num_channels": 4}}',
         "'num_channels' is 4; only 3 is supported"),
    ],
)  # fmt: skip
def test_descriptions_that_are_wrong_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(LayoutError, match=complaint) as caught:
        load_pretrained(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value.where)
    assert caught.value.next_step or "object" in complaint


def test_a_folder_without_description_or_weights(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no checkpoint that is known"):
        load_pretrained(tmp_path)
    save_pretrained(model_for("hf_clip", "clip"), tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-4])
    with pytest.raises(LayoutError, match="damaged"):
        load_pretrained(tmp_path / "model")
    file.rename(tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(LayoutError, match="no file of weights") as caught:
        load_pretrained(tmp_path / "model")
    assert "weights convert" in str(caught.value.next_step)


def test_open_clip_names_what_it_does_not_support(tmp_path: Path) -> None:
    save_pretrained(model_for("open_clip", "clip"), tmp_path / "model", "open_clip")
    file = tmp_path / "model" / "open_clip_config.json"
    good = json.loads(file.read_text())
    for path, value, complaint in (
        (("vision_cfg", "attentional_pool"), True, "'attentional_pool' = True"),
        (("vision_cfg", "timm_model_name"), "convnext_base", "'timm_pool' is None|'convnext_base'"),
        (("text_cfg", "hf_model_name"), "roberta-base", "'roberta-base' is not supported"),
        (("text_cfg", "pool_type"), "first", "'pool_type' is 'first'"),
        (("text_cfg", "act_kwargs"), {"approximate": "none"}, "only 'tanh' is supported"),
        (("multimodal_cfg",), {"layers": 2}, "'multimodal_cfg'"),
    ):
        changed = json.loads(json.dumps(good))
        section = changed["model_cfg"]
        for step in path[:-1]:
            section = section[step]
        section[path[-1]] = value
        file.write_text(json.dumps(changed))
        with pytest.raises(LayoutError, match=complaint) as caught:
            load_pretrained(tmp_path / "model")
        assert "open_clip_config.json" in str(caught.value.where)
