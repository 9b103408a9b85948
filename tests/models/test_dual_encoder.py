"""The dual encoder: its contract, its settings, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from interlingua.batch import Batch, Media
from interlingua.config import to_plain, validate
from interlingua.errors import ConfigError, DataError
from interlingua.models.dual_encoder import DualEncoder
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.objectives.sigmoid import SigmoidContrastive

BLOCKS = {"width": 32, "num_layers": 2, "num_heads": 2, "hidden_width": 64}
VIT = {"name": "vit", "image_size": 16, "patch_size": 8, **BLOCKS}
TEXT = {"name": "text_transformer", "vocabulary": 50, "end_id": 49, "tokenizer": "minilm", **BLOCKS}
GRU = {"name": "gru_text", "vocabulary": 50, "width": 24, "tokenizer": "minilm"}
EFFICIENTNET = {"name": "efficientnet", "variant": "b0", "num_classes": 0, "image_size": 32}
BERT = {"name": "bert", "vocabulary": 50, **BLOCKS}


def described(image: dict[str, Any] = VIT, text: dict[str, Any] = TEXT, **more: Any) -> Any:
    towers = {"image": {"tower": image}, "text": {"tower": text}}
    plain = {"name": "dual_encoder", "width": 16, "towers": towers, **more}
    return validate(DualEncoder.Config, plain, "test")


def batch_of(size: int = 5, side: int = 16) -> Batch:
    generator = torch.Generator().manual_seed(0)
    owner = torch.arange(size)
    pixels = torch.randint(0, 256, (size, 3, side, side), generator=generator, dtype=torch.uint8)
    ids = torch.randint(1, 48, (size, 6), generator=generator)
    ids[:, -1] = 49
    mask = torch.ones_like(ids, dtype=torch.bool)
    return Batch(
        keys=[str(number) for number in range(size)],
        media={
            "image": Media(owner, owner * 0, values=pixels),
            "text": Media(owner, owner * 0, values=ids, mask=mask),
        },
    )


FAMILIES = {
    "clip": (VIT, TEXT, {}),
    "siglip": (VIT, TEXT, {"initial_bias": -10.0}),
    "align": (EFFICIENTNET, BERT, {}),
    "cnn_gru": (EFFICIENTNET, GRU, {}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_settings_of_one_model(family: str) -> None:
    image, text, more = FAMILIES[family]
    torch.manual_seed(0)
    model = DualEncoder(described(image, text, **more)).train()
    batch = batch_of(side=32 if image is EFFICIENTNET else 16)
    outputs = model(batch)
    for view, vectors in outputs.vectors.items():
        assert vectors.shape == (5, 16)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
        assert torch.equal(outputs.owner[view], torch.arange(5))
    assert (outputs.bias is not None) == (family == "siglip")
    kind = SigmoidContrastive if family == "siglip" else PairwiseContrastive
    kind(kind.Config())(outputs, batch).total.backward()
    unused = ("classifier", "pooler")
    for name, parameter in model.named_parameters():
        if not any(part in name for part in unused):
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_the_settings_build_the_same_model_again() -> None:
    config = described(initial_bias=-10.0)
    torch.manual_seed(0)
    model = DualEncoder(config).eval()
    again = DualEncoder(validate(DualEncoder.Config, to_plain(config), "again")).eval()
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        for view, vectors in model(batch_of()).vectors.items():
            assert torch.equal(vectors, again(batch_of()).vectors[view])


def test_one_seed_gives_one_model() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(DualEncoder(described()).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_the_scale_is_clamped_after_each_step() -> None:
    model = DualEncoder(described(max_scale=50.0))
    with torch.no_grad():
        model.log_scale.fill_(9.0)
    model.after_step(1)
    assert float(model.log_scale.detach().exp()) == pytest.approx(50.0)


def test_a_stage_sets_the_picture_size_and_an_empty_one_puts_it_back() -> None:
    model = DualEncoder(described()).train()
    model.enter_stage({"image": {"image_size": 8, "patch_dropout": 0.5}})
    assert model.preprocess("image").size == 8
    model.enter_stage({})
    assert model.preprocess("image").size == 16


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sound": {}}, "sound"),
        ({"image": {"patch_dropuot": 0.5}}, "did you mean 'patch_dropout'"),
        ({"text": {"image_size": 8}}, "no setting 'image_size'"),
        ({"image": {"image_size": 9}}, "can't be cut"),
    ],
)
def test_settings_of_a_stage_that_make_no_sense(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DualEncoder(described()).enter_stage(settings)


def test_what_it_refuses() -> None:
    with pytest.raises(ConfigError, match="two towers"):
        validate(
            DualEncoder.Config,
            {"name": "dual_encoder", "towers": {"image": {"tower": VIT}}},
            "test",
        )
    towers = {"image": {"tower": VIT, "projection": "none"}, "text": {"tower": TEXT}}
    plain = {"name": "dual_encoder", "width": 16, "towers": towers}
    with pytest.raises(ConfigError, match="gives 32 numbers, the space has 16"):
        DualEncoder(validate(DualEncoder.Config, plain, "test"))
    with pytest.raises(DataError, match="no tower for 'sound'"):
        DualEncoder(described()).preprocess("sound")
