"""Costs: counts against hand computation, seconds and memory against what must hold."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn import functional

from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.cost import MEASURES, count_flops, kept_bytes, measure_costs
from interlingua.comparison.methods.plan import plan
from interlingua.nn.attention import AttentionPattern, attend


def test_products_count_a_multiply_add_as_two() -> None:
    layer = nn.Linear(30, 50)
    batch = torch.randn(7, 30)
    assert count_flops(lambda: layer(batch)) == 2 * 7 * 30 * 50


def test_attention_is_counted() -> None:
    """torch's own counter gives 0 for the kernel of the CPU."""
    heads = [torch.randn(2, 4, 5, 8, requires_grad=True) for _ in range(3)]
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[0, 3:] = False
    for pattern in (AttentionPattern(), AttentionPattern(key_mask=mask)):
        forward = 2 * (2 * 4) * (5 * 8 * 5) * 2  # scores, then values
        assert count_flops(lambda pattern=pattern: attend(*heads, pattern)) == forward
        both = count_flops(lambda pattern=pattern: attend(*heads, pattern).sum().backward())
        assert both == forward + 5 * forward // 2  # scores again, and two for each product


def test_attention_of_queries_to_other_keys() -> None:
    query = torch.randn(3, 2, 4, 8)
    key, value = torch.randn(3, 2, 9, 8), torch.randn(3, 2, 9, 8)
    assert count_flops(lambda: functional.scaled_dot_product_attention(query, key, value)) == (
        2 * 3 * 2 * 4 * 9 * (8 + 8)
    )


def test_kept_bytes() -> None:
    layer = nn.Linear(30, 50)
    batch = torch.randn(7, 30)
    # the input for the weight's gradient; the weight itself is a parameter
    assert kept_bytes(lambda: layer(batch), layer) == 4 * 7 * 30
    assert kept_bytes(lambda: layer(batch).relu(), layer) == 4 * 7 * (30 + 50)
    assert kept_bytes(lambda: layer(batch).detach(), layer) == 4 * 7 * 30
    with torch.no_grad():
        assert kept_bytes(lambda: layer(batch).relu(), layer) == 0


@pytest.fixture(scope="module")
def costs(small_tasks: ModuleType):  # type: ignore[no-untyped-def]
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config(batch_size=32))
    methods = plan(task, ("early", "late_average"), (0,)).methods
    return measure_costs(methods, Folds(task), 0)


def test_all_is_measured(costs) -> None:  # type: ignore[no-untyped-def]
    assert list(costs) == ["early", "late_average", "only left", "only right"]
    for one in costs.values():
        assert one.batch_size == 32
        assert all(getattr(one, name) > 0 for name in MEASURES)
        assert one.step_flops > 2.5 * one.answer_flops * 32  # backward is twice forward
        assert one.step_seconds > one.answer_seconds
        assert one.alone_seconds > one.answer_seconds


def test_multiples_are_of_the_dearest_single_modality(costs) -> None:  # type: ignore[no-untyped-def]
    singles = [costs["only left"], costs["only right"]]
    for name in MEASURES:
        assert max(one.times[name] for one in singles) == pytest.approx(1.0)
        dearest = max(getattr(one, name) for one in singles)
        assert costs["early"].times[name] == pytest.approx(getattr(costs["early"], name) / dearest)


def test_an_answer_by_hand(small_tasks: ModuleType) -> None:
    """Late averaging over one modality: entry, two blocks, the head."""
    task = small_tasks.SmallTask(small_tasks.SmallTask.Config())
    method = next(one for one in plan(task, ("early",), (0,)).methods if one.key == "only left")
    width, hidden, tokens = 64, method.fusion.hidden_width, 2
    entry = tokens * 16 * width
    attention = tokens * width * 4 * width + 2 * tokens * tokens * width
    block = attention + tokens * 2 * width * hidden
    by_hand = 2 * (entry + 2 * block + width * 2)
    assert measure_costs([method], Folds(task), 0)["only left"].answer_flops == by_hand
