"""Files of every released format version of a comparison can still be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interlingua.comparison.result import read_comparison
from interlingua.comparison.runs.record import read_record
from interlingua.comparison.runs.run import load_run
from interlingua.tokens import Tokens

GOLDEN = Path(__file__).parent / "golden" / "comparison-1"
RUN = GOLDEN / "runs" / "early-f0-s0-399bb56f"


def test_comparison_1() -> None:
    found = read_comparison(GOLDEN / "comparison.json")
    assert [row.key for row in found.rows] == ["late_average", "early", "only left", "only right"]
    assert found.best_single == "only left"
    assert found.task.classes == ["same", "other"]
    assert found.rows[1].accuracy.value == 13 / 24
    difference = found.difference("early", "late_average")
    assert difference is not None
    assert difference.value == pytest.approx(-1 / 24)
    assert found.to_json()["format_version"] == 1


def test_record_1() -> None:
    record = read_record(RUN)
    assert record is not None
    assert (record.key, record.fold, record.seed) == ("early", 0, 0)
    assert record.modalities == ["left", "right"]
    assert record.logits.shape == (24, 2)
    assert record.right().mean() == 13 / 24
    assert record.steps[:3] == [1, 2, 3]
    np.testing.assert_allclose(record.logits[0], [0.2785596, 0.15708826], rtol=1e-6)


def test_model_1() -> None:
    """Its weights give what they gave: settings, names and order of the layers are as they were."""
    model = load_run(RUN)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2124
    assert list(model.fusion.modalities) == ["left", "right"]
    states = torch.linspace(-1, 1, 32).reshape(1, 2, 16)
    tokens = {
        name: Tokens(states=states[:, n : n + 1], mask=torch.ones(1, 1, dtype=torch.bool))
        for n, name in enumerate(("left", "right"))
    }
    with torch.inference_mode():
        fused = model.fusion(tokens)
    assert fused.pooled is not None
    expected = torch.tensor([[-1.2073, -0.6047, 0.5917, 1.2335]])
    torch.testing.assert_close(fused.pooled, expected, rtol=0, atol=1e-3)
