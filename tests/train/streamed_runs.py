"""Runs that stream, in small: their recipe, what they were given, and their weights."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.log import Silent
from interlingua.train.recipe import Recipe, apply_overrides
from interlingua.train.session import Session

STEPS = 9
STOP = 5


def log_keys(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of each batch that a run in this process will be given, in order."""
    found: list[list[str]] = []
    real = Session.stream_for

    class Logged:
        def __init__(self, inner: Any):
            self.inner = inner

        def next(self) -> Any:
            batch = self.inner.next()
            found.append(batch.keys)
            return batch

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    def stream_for(session: Session) -> Callable[[Any], Any]:
        make = real(session)
        return lambda stage: Logged(make(stage))

    monkeypatch.setattr(Session, "stream_for", stream_for)
    return found


def streaming(world: Any, *sources: Any, held_out: int = 6, **stream: Any) -> Recipe:
    """Pictures and words, both towers trained."""
    recipe: Recipe = world.recipe(
        trained=("image", "text"),
        named=False,
        stages=[{"steps": STEPS, "batch_size": 7, "log_every": 1, "checkpoint_every": STEPS}],
        data={
            "sources": [
                one if "source" in one else {"source": one}
                for one in (
                    {"name": "shards", "paths": [str(one)]} if isinstance(one, Path) else one
                    for one in sources
                )
            ],
            "split": {"source": "things", "held_out": held_out, "seed": 1} if held_out else None,
            "stream": stream or True,
        },
    )
    return apply_overrides(recipe, ["model.views={image: image, text: text}"])


class StopAt(Silent):
    """SIGTERM, as it were, once a step is done."""

    def __init__(self, step: int):
        self.step = step

    def advance(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def weights(run: Path) -> dict[str, Any]:
    return dict(CheckpointStore(run / "steps").load().tensors["model"])


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
