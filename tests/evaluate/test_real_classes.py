"""Zero-shot, probe and neighbours on real pictures: the groups of the stamps, by real towers.

No public CLIP can be had without an account; the picture tower's own class names, read by the
language tower, make a space without any training (ConSE).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlingua.data.component import assign_components
from interlingua.data.labels import ClassName
from interlingua.data.sources.stamps import Stamps
from interlingua.evaluate import probe
from interlingua.evaluate.labelled import embed_labelled
from interlingua.evaluate.zero_shot import zero_shot
from interlingua.sample import Label, Sample

GROUPS = {
    "animals": ("animal", "bird", "fish", "insect"),
    "clothes": ("piece of clothing", "garment"),
    "food": ("food", "fruit", "vegetable"),
    "household": ("household object", "tool"),
    "plants": ("plant", "flower", "tree"),
    "vehicles": ("vehicle", "car", "ship", "aeroplane"),
}


@pytest.fixture(scope="module")
def samples(real_data) -> list[Sample]:
    real_data("stamps")
    chosen = []
    for sample in assign_components(list(Stamps(Stamps.Config()))):
        group = sample.meta.group.split("/")[0]
        if group in GROUPS:
            chosen.append(replace(sample, parts=(*sample.parts, Label(group))))
    return chosen


@pytest.fixture(scope="module")
def session(real_weights, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from interlingua.recipes.shared_space import demo
    from interlingua.train.recipe import apply_overrides
    from interlingua.train.run_folder import RunFolder
    from interlingua.train.session import prepare

    for name in ("efficientnet-lite0", "minilm", "imagenet-names"):
        real_weights(name)
    recipe = apply_overrides(
        demo(tiny=True),
        ["model.named_classes.share=1.0", "device=cpu", "precision=fp32"],
    )
    made = prepare(recipe, RunFolder(tmp_path_factory.mktemp("run")))
    made.learn_names()
    made.model.eval()
    return made


def embed_with(session: Any, model: Any) -> Any:
    from interlingua.data.gate import MediaLimits
    from interlingua.embedding import Embedder

    embedder = Embedder(model, session.device, MediaLimits())
    return lambda parts, on_error: embedder(parts, on_error, session.view_features)


@pytest.mark.slow
def test_stamps_are_told_apart_by_the_names_of_their_groups(
    session: Any, samples: list[Sample], tmp_path: Path
) -> None:
    classes = [ClassName(key, names) for key, names in GROUPS.items()]
    embed = embed_with(session, session.model)
    found = zero_shot(embed, samples, classes, ["a picture of a {}.", "{}"], scale=20.0)
    result = found.result
    assert result.n > 300
    assert result.accuracy[1].low > result.majority
    assert result.balanced.low > 2 / len(GROUPS)
    assert result.control[1].high < 1 / len(GROUPS)
    assert found.blank < result.accuracy[1].low
    print(f"zero-shot {result.accuracy[1]}, balanced {result.balanced}, N {result.n}")


@pytest.mark.slow
def test_probe_and_neighbours_read_the_groups_from_the_pooled_features(
    session: Any, samples: list[Sample]
) -> None:
    from interlingua.embedding import PooledModel

    classes = [ClassName(key, names) for key, names in GROUPS.items()]
    embed = embed_with(session, PooledModel(session.model, "image"))
    pictures = embed_labelled(embed, samples, classes)
    train, test = probe.split(pictures, 0.3)
    assert not set(train.clusters) & set(test.clusters)
    for found in (probe.linear(train, test, strength=100.0), probe.neighbours(train, test)):
        result = found.result
        assert result.accuracy[1].low > max(result.majority, found.shuffled.accuracy[1].value)
        assert result.balanced.low > 2 / len(GROUPS)
        print(f"{found.kind} {result.accuracy[1]}, balanced {result.balanced}, N {result.n}")
