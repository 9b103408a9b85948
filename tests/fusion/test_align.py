"""Align, then fuse: unit vectors before the joining, a temperature in its range, what is inner."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from interlingua.config import validate
from interlingua.errors import ConfigError
from interlingua.fusion.align import AlignThenFuse
from interlingua.tokens import Tokens

TokensOf = Callable[..., dict[str, Tokens]]
WidthsOf = Callable[[int], dict[str, int]]

SMALL = {"width": 8, "num_heads": 2, "hidden_width": 12, "dropout": 0.0}


def make(widths: dict[str, int], inner: dict[str, Any] | str, **settings: Any) -> AlignThenFuse:
    config = validate(
        AlignThenFuse.Config, {**SMALL, "vector_width": 5, "inner": inner, **settings}, "test"
    )
    fusion: AlignThenFuse = config.build(widths, 4)
    return fusion.eval()


def vectors_of(fusion: AlignThenFuse, tokens: dict[str, Tokens]) -> SimpleNamespace:
    outputs = SimpleNamespace(vectors={}, owner={}, scale=None)
    fusion.fill_vectors(outputs, tokens)
    return outputs


def test_vectors_are_of_who_is_there(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = make(widths(3), {"name": "late_average", **SMALL})
    outputs = vectors_of(fusion, tokens_of(3, lacking={"a": [0, 2], "c": range(6)}))
    assert outputs.owner["a"].tolist() == [1, 3, 4, 5]
    assert outputs.owner["b"].tolist() == [0, 1, 2, 3, 4, 5]
    assert outputs.owner["c"].tolist() == [] and outputs.vectors["c"].shape == (0, 5)
    for name, vectors in outputs.vectors.items():
        assert vectors.shape == (len(outputs.owner[name]), 5) and vectors.dtype == torch.float32
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-6)
    assert outputs.scale.item() == pytest.approx(1 / 0.07)


def test_a_vector_knows_its_own_modality_alone(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = make(widths(2), {"name": "early", **SMALL})
    before = vectors_of(fusion, tokens_of(2)).vectors["a"]
    other = {**tokens_of(2), "b": tokens_of(2, seed=9)["b"]}
    assert torch.equal(vectors_of(fusion, other).vectors["a"], before)


def test_the_answer_is_the_inner_fusions(tokens_of: TokensOf, widths: WidthsOf) -> None:
    tokens = tokens_of(2, lacking={"a": [0]})
    for inner in ("late_average", "concatenation", "bottleneck"):
        fusion = make(widths(2), {"name": inner, **SMALL})
        own = {name: Tokens(*fusion.streams[name](one)) for name, one in tokens.items()}
        assert torch.equal(fusion(tokens).pooled, fusion.inner(own).pooled)
        assert fusion.decides == (inner == "late_average") == fusion.inner.decides
        assert fusion.pooled_width == (4 if fusion.decides else 8)


def test_the_temperature_stays_in_its_range(widths: WidthsOf) -> None:
    fusion = make(widths(2), "gated", max_scale=50.0)
    for start, end in ((9.0, math.log(50)), (-2.0, 0.0), (1.0, 1.0)):
        with torch.no_grad():
            fusion.log_scale.fill_(start)
        fusion.after_step(1)
        assert fusion.log_scale.item() == pytest.approx(end)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner": "align"}, "not align again"),
        ({"inner": "botleneck"}, r"inner: .*no 'botleneck'.*did you mean 'bottleneck'"),
        ({"inner": {"name": "early", "widht": 3}}, r"inner.widht.*did you mean 'width'"),
        ({"initial_scale": 200.0}, "initial_scale is above max_scale"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(AlignThenFuse.Config, settings, "test")
