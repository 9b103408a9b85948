"""Equal parameters: counted on the meta device, searched through a fusion's settings."""

from __future__ import annotations

from types import ModuleType

import pytest

from interlingua import fusion
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.budget import (
    TOLERANCE,
    fusion_parameters,
    knobs_of,
    matched,
    reference_parameters,
)
from interlingua.comparison.methods.plan import fusion_config, key_of, plan, widths_of
from interlingua.errors import ConfigError
from interlingua.fusion.early import EarlyFusion
from interlingua.fusion.late_average import LateAverage

WIDTHS = {
    2: {"view": 32, "words": 64},
    3: {"picture": 320, "speech": 384, "name": 384},
}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", fusion.TABLE)
def test_all_fusions_can_be_matched(name: str, count: int) -> None:
    widths = WIDTHS[count]
    target = reference_parameters(widths, 10)
    config, found = matched(fusion_config(name), widths, 10, target)
    assert found.matched
    assert abs(found.fusion - target) <= TOLERANCE * target
    assert fusion_parameters(config, widths, 10) == found.fusion
    assert config.width == fusion_config(name).width, "the common width need not change"


@pytest.mark.parametrize("name", fusion.TABLE)
def test_a_single_modality_can_be_matched_too(name: str) -> None:
    target = reference_parameters(WIDTHS[3], 10)
    _, found = matched(fusion_config(name), {"picture": 320}, 10, target)
    if name == "late_average":
        assert found.matched


def test_what_is_counted_is_what_is_there(small_tasks: ModuleType) -> None:
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config(modalities=3))
    made = plan(task, tuple(fusion.TABLE), (0,))
    assert not made.failed
    folds = Folds(task)
    for method in made.methods:
        model = method.model(task, folds.open(0, 0).fold).build()
        towers = sum(one.numel() for one in model.towers.parameters())
        everything = sum(one.numel() for one in model.parameters())
        assert method.parameters.trained == everything
        assert method.parameters.fusion == everything - towers


def test_the_reference_is_late_averaging_as_it_is() -> None:
    target = reference_parameters(WIDTHS[2], 10)
    config, found = matched(LateAverage.Config(), WIDTHS[2], 10, target)
    assert config == LateAverage.Config()
    assert found.settings == {}
    assert found.fusion == target


def test_changed_settings_are_told() -> None:
    target = reference_parameters(WIDTHS[3], 10)
    config, found = matched(EarlyFusion.Config(), WIDTHS[3], 10, target)
    assert found.settings == {"hidden_width": config.hidden_width}
    assert config.hidden_width > EarlyFusion.Config().hidden_width


def test_far_targets_are_reached_with_the_width() -> None:
    _, found = matched(LateAverage.Config(), WIDTHS[3], 10, 60_000)
    assert found.matched
    assert found.settings["width"] < 64


def test_what_cannot_be_matched_is_said(small_tasks: ModuleType) -> None:
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config())
    made = plan(task, ("early", "small_tasks:Huge"), (0,), dropout="none")
    row = next(one for one in made.methods if one.key == "Huge")
    assert not row.parameters.matched
    assert any("Huge" in note for note in made.notes)
    assert len(made.methods) == 4


def test_a_knob_that_is_no_setting_is_refused() -> None:
    class Odd(LateAverage.Config):
        knobs = ("hiden_width",)

    with pytest.raises(ConfigError, match="hidden_width"):
        knobs_of(Odd())


def test_keys_name_the_settings_that_differ() -> None:
    assert key_of(EarlyFusion.Config()) == "early"
    assert key_of(EarlyFusion.Config(num_layers=1, width=32)) == "early(width=32, num_layers=1)"


def test_every_fusion_is_called_by_its_name() -> None:
    assert [key_of(fusion_config(name)) for name in fusion.TABLE] == list(fusion.TABLE)
    align = fusion_config("align")
    inner = EarlyFusion.Config(width=32)
    changed = type(align).model_validate({"inner": inner})
    assert key_of(changed) == "align(inner=early(width=32))"


def test_methods(small_tasks: ModuleType) -> None:
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config())
    names = ["early", "late_average", "only left", "only right"]
    with_dropout = ["early+dropout", "late_average+dropout"]
    for dropout, seeds in (("all", (0, 1, 2)), ("some", (0,)), ("none", None)):
        made = plan(task, ("early", "late_average"), (0, 1, 2), dropout=dropout)  # type: ignore[arg-type]
        keys = [one.key for one in made.methods]
        assert keys == names + (with_dropout if seeds else [])
        for one in made.methods[4:]:
            assert one.seeds == seeds
            assert one.dropout == 0.3
    assert [one.single for one in made.methods] == [False, False, True, True]


def test_fusions_are_named_once_and_known(small_tasks: ModuleType) -> None:
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config())
    with pytest.raises(ConfigError, match="twice"):
        plan(task, ("early", "early"), (0,))
    with pytest.raises(ConfigError, match="did you mean 'early'"):
        plan(task, ("erly",), (0,))
    assert widths_of(task).tokens == {"left": 16, "right": 16}
