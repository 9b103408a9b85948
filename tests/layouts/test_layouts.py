"""One contract for every layout of the table: what it writes, it reads, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.config import resolve
from interlingua.errors import LayoutError
from interlingua.layouts import TABLE
from interlingua.layouts.layout import Layout
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


def tower_for(layout: str) -> Tower:
    name, options = TOWERS[layout]
    return build_tower(resolve("towers", name).Config(name=name, **options))


@pytest.mark.parametrize("name", TABLE)
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


@pytest.mark.parametrize("name", TABLE)
def test_every_rule_is_used(name: str) -> None:
    layout: Layout = resolve("layouts", name)
    used = {rule for _, rule, _ in layout._pairs(tower_for(name).state_dict())}
    assert used == set(layout.rules)


@pytest.mark.parametrize("name", TABLE)
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
