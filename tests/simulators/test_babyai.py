"""Levels and their expert, as the package minigrid has them."""

from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from interlingua.errors import ConfigError, MissingExtraError
from interlingua.simulators.babyai import (
    ACTIONS,
    expert_episode,
    make_level,
)
from interlingua.simulators.demonstrations import demonstrations

LEVEL = "BabyAI-GoToLocal-v0"


def test_an_episode_is_a_level_and_a_seed() -> None:
    simulator = make_level(LEVEL)
    first, other = expert_episode(simulator, 7), expert_episode(simulator, 8)
    again = expert_episode(make_level(LEVEL), 7)
    assert first is not None and again is not None and other is not None
    assert first.mission == again.mission
    for name in ("views", "directions", "actions"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert first.views.shape == (len(first.actions), 7, 7, 3)
    assert not np.array_equal(first.views[0], other.views[0])
    assert first.mission.startswith("go to ")


def test_actions_are_numbered_as_in_the_simulator() -> None:
    simulator = make_level(LEVEL)
    assert tuple(action.name for action in simulator.actions) == ACTIONS


def test_a_level_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"BabyAI-GoToLokal-v0.*BabyAI-GoToLocal-v0"):
        make_level("BabyAI-GoToLokal-v0")


def test_without_minigrid_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "minigrid":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"interlingua\[simulators\]"):
        make_level(LEVEL)
    with pytest.raises(MissingExtraError, match=r"interlingua\[simulators\]"):
        demonstrations(LEVEL, 5, 0)


def test_nothing_is_printed_and_no_torch_is_loaded() -> None:
    code = (
        "import sys\n"
        "from interlingua.simulators.babyai import begin, make_level\n"
        "level = make_level('BabyAI-GoToLocal-v0')\n"
        "[begin(level, seed) for seed in range(60)]\n"  # some rooms are thrown away
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
