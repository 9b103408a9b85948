from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from interlingua.config import resolve
from interlingua.errors import ConfigError, FetchError, LayoutError
from interlingua.towers.pretrained import build_tower, fingerprint, load_tower

SMALL = {
    "vocabulary": 50,
    "width": 16,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_width": 32,
    "max_positions": 20,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tower = build_tower(resolve("towers", "bert").Config(**SMALL))
    resolve("layouts", "hf_bert").write(tower, tmp_path)
    return tmp_path


def test_a_folder_given_as_text_or_path(folder: Path) -> None:
    first, second = load_tower("bert", str(folder), **SMALL), load_tower("bert", folder, **SMALL)
    assert not first.training
    assert fingerprint(first) == fingerprint(second)
    assert first.token_embedding.weight.device.type == "cpu"


def test_settings_that_do_not_fit_the_weights(folder: Path) -> None:
    with pytest.raises(LayoutError, match="misshapen"):
        load_tower("bert", folder, **{**SMALL, "width": 32})
    with pytest.raises(LayoutError, match=r"missing .*blocks\.2"):
        load_tower("bert", folder, **{**SMALL, "num_layers": 3})


def test_wrong_names_are_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'bert'"):
        load_tower("brt", folder)
    with pytest.raises(ConfigError, match="did you mean 'hf_bert'"):
        load_tower("bert", folder, layout="hfbert", **SMALL)
    with pytest.raises(ConfigError, match="did you mean 'pooling'"):
        load_tower("bert", folder, poling="cls")
    with pytest.raises(FetchError, match="minilm"):
        load_tower("bert", "minilmm")


def test_fingerprint_sees_weights_settings_and_class(folder: Path) -> None:
    tower = load_tower("bert", folder, **SMALL)
    seen = {fingerprint(tower), fingerprint(load_tower("bert", folder, **SMALL, pooling="cls"))}
    with torch.no_grad():
        tower.token_embedding.weight[7, 3] += 1e-6
    seen.add(fingerprint(tower))
    assert len(seen) == 3


def test_the_catalogues_weights_load(real_weights: Callable[[str], Path]) -> None:
    for name, weights, parameters in (
        ("bert", "minilm", 22_565_376),
        ("efficientnet", "efficientnet-lite0", 4_652_008),
        ("whisper_encoder", "whisper-tiny.en", 7_633_920),
    ):
        real_weights(weights)
        tower = load_tower(name, weights)
        assert sum(parameter.numel() for parameter in tower.parameters()) == parameters
