"""What the comparing benchmarks share: seconds without decoding, captions dealt out anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import arms, from_scratch, one_modality_first
from interlingua.evaluate.retrieval import retrieval
from interlingua.sample import Image, Meta, Sample, Text
from interlingua.train.recipe import Recipe


def stages(world: Any, *steps: int) -> Recipe:
    return world.recipe(stages=[{"name": f"s{n}", "steps": s} for n, s in enumerate(steps)])


def test_the_median_step_counts_and_not_the_first_epochs_decoding(world: Any) -> None:
    recipe = stages(world, 40, 10)
    rows = [{"stage": "s0", "step": 10, "seconds": 50.0}]  # decoding
    rows += [{"stage": "s0", "step": n, "seconds": 50.0 + 0.1 * (n - 10)} for n in (20, 30, 40)]
    rows += [{"stage": "s1", "step": 50, "seconds": 55.0}]
    assert arms.seconds_of(rows, recipe) == pytest.approx(0.1 * 40 + 55.0 / 50 * 10)


def test_shuffled_captions_change_the_words_alone() -> None:
    samples = [
        Sample(f"{n}", (Image(None), Text(f"text {n}")), meta=Meta(component=n))  # type: ignore[arg-type]
        for n in range(50)
    ]
    changed = from_scratch.shuffled_captions(0)(samples)
    assert [one.key for one in changed] == [one.key for one in samples]
    assert [one.meta for one in changed] == [one.meta for one in samples]
    texts = [one.parts[1].text for one in changed]  # type: ignore[union-attr]
    assert sorted(texts) == sorted(one.parts[1].text for one in samples)  # type: ignore[union-attr]
    assert sum(text != f"text {n}" for n, text in enumerate(texts)) > 40
    again = from_scratch.shuffled_captions(0)(samples)
    assert [one.parts for one in again] == [one.parts for one in changed]


def test_every_arm_is_a_recipe_that_can_be_built() -> None:
    options = type("Options", (), {"set": [], "steps": 7, "share": 0.1})()
    for name in ("clip", "untrained", "shuffled"):
        recipe = arms.recipe_of("clip", 3, from_scratch.overrides(name, options))
        assert recipe.seed == recipe.data.split.seed == 3 and recipe.stages[0].steps == 7
    for name in one_modality_first.ARMS[1:]:
        recipe = arms.recipe_of("aligned", 1, one_modality_first._steps(name, 9, options))
        assert [stage.steps for stage in recipe.stages] == [9]
        frozen = {key for key, use in recipe.model.towers.items() if use.frozen}
        expected = {
            "scratch": set(),
            "pretrained": {"image", "text"},
            "pretrained-tuned": {"image"},
        }
        assert frozen == expected[name]
    for name in ("picture_patches", "picture_classes", "caption_words", "aligned"):
        arms.recipe_of(name, 1, one_modality_first._changes(name, options))


def test_arms_are_pooled_and_compared_by_query() -> None:
    random = np.random.default_rng(0)
    component = np.arange(40)
    good = random.normal(size=(40, 8))
    bad = random.normal(size=(40, 8))
    near = good + 0.1 * random.normal(size=(40, 8))

    def trained(vectors: Any) -> arms.Trained:
        result = retrieval(vectors, good, component, component, arms.KS)
        return arms.Trained({"text → image": result}, 1.0, 5)

    found = {"good": [trained(near)] * 2, "bad": [trained(bad)] * 2}
    rows = arms.results(found)
    gaps = arms.differences(found, [("good", "bad")])
    assert rows[0]["n"] == 80 and rows[0]["r_at_10"]["value"] == 1.0
    assert rows[0]["times_chance"] == pytest.approx(4.0)
    assert arms.apart(rows[0], rows[1]) and not arms.apart(rows[1], rows[0])
    assert gaps[0]["r_at_10"]["low"] > 0
    assert any("4.0 x chance" in line for line in arms.table(rows, gaps))
