"""Pairs scored by a real run; a run that saw what is held out is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest

from interlingua.errors import CheckpointError, DataError
from interlingua.sample import Image, Sample, Text
from interlingua.train.corpus import Corpus, open_corpus
from interlingua.train.pair_score import check_unseen, open_scorer, runs_behind
from interlingua.train.recipe import DataConfig, read_yaml, to_yaml

SPLIT = {"source": "things", "held_out": 6, "seed": 1}  # as in the tiny recipe


def opened(world: Any, run: Path, seed: int = 1, **options: Any) -> Corpus:
    filters = ({"name": "pair_score", "run": str(run), "keep": 0.5, **options},)
    return open_corpus(
        DataConfig(
            sources=({"source": world.source()},), split={**SPLIT, "seed": seed}, filters=filters
        ),
        device="cpu",
    )


def pairs_of(samples: list[Sample]) -> list[tuple[Image, Text]]:
    return [
        (sample.alternatives("image")[0], part)
        for sample in samples
        for part in sample.alternatives("text")
    ]


def test_scores_are_the_cosines_of_the_space(world: Any, finished_run: Path) -> None:
    from interlingua.space import load

    pairs = pairs_of(list(world.recipe().data.sources[0].source.build()))
    broken = Image(type(pairs[0][0].content)(world.things / "broken.png"))
    pairs.append((broken, pairs[0][1]))
    scores = open_scorer(finished_run, (), device="cpu")(pairs)
    space = load(finished_run, device="cpu", precision="fp32")
    images = space.embed_parts([image for image, _ in pairs[:-1]])
    texts = space.embed_parts([text for _, text in pairs[:-1]])
    numpy.testing.assert_allclose(scores[:-1], (images * texts).sum(1), atol=1e-5)
    assert numpy.isnan(scores[-1])


def test_the_best_half_of_the_pairs_is_trained_on(world: Any, finished_run: Path) -> None:
    corpus = opened(world, finished_run)
    (step,) = corpus.filtered
    assert (step.given, step.given_texts, step.removed_texts) == (18, 36, 18)
    kept = open_scorer(finished_run, (), device="cpu")(pairs_of(corpus.train))
    gone = [one.value for one in step.removals]
    assert min(kept) >= max(gone) - 1e-4
    assert opened(world, finished_run).identity == corpus.identity


def test_a_run_that_saw_held_out_things_is_refused(world: Any, finished_run: Path) -> None:
    with pytest.raises(
        DataError, match=r"was trained on \d of 6 things that are held out"
    ) as error:
        opened(world, finished_run, seed=2)
    assert error.value.where == str(finished_run)


def test_twins_of_held_out_things_count(world: Any, finished_run: Path) -> None:
    # the same things under another source's name: known by their names and pictures
    data = DataConfig(
        sources=({"source": world.source(called="others")},),
        split={**SPLIT, "source": "others", "seed": 2},
        filters=({"name": "pair_score", "run": str(finished_run), "keep": 0.5},),
    )
    with pytest.raises(DataError, match="things that are held out"):
        open_corpus(data, device="cpu")


def test_without_a_split_any_run_may_score(world: Any, finished_run: Path) -> None:
    data = DataConfig(
        sources=({"source": world.source()},),
        filters=({"name": "pair_score", "run": str(finished_run), "keep": 0.5},),
    )
    assert len(open_corpus(data, device="cpu").filtered[0].removals) == 24


def changed_copy(run: Path, to: Path, **data: Any) -> Path:
    """The run, as if its recipe had had other data settings."""
    shutil.copytree(run, to)
    recipe = read_yaml(to / "recipe.yaml")
    changed = recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})
    (to / "recipe.yaml").write_text(to_yaml(changed))
    return to


def test_a_run_whose_data_changed_is_refused(
    world: Any, finished_run: Path, tmp_path: Path
) -> None:
    recipe = read_yaml(finished_run / "recipe.yaml")
    split = recipe.data.split.model_copy(update={"seed": 2})
    run = changed_copy(finished_run, tmp_path / "run", split=split)
    with pytest.raises(CheckpointError, match="have changed since it was trained"):
        opened(world, run, seed=2)


@pytest.mark.parametrize("how", ["filter", "start", "step", "tower"])
def test_the_runs_behind_a_run_count_too(
    world: Any, finished_run: Path, how: str, tmp_path: Path
) -> None:
    # `front` saw nothing itself; what is behind it was trained on what split 2 holds out
    recipe = world.recipe()
    step = next((finished_run / "steps").iterdir())
    if how == "filter":
        filters = ({"name": "pair_score", "run": str(finished_run), "min_score": -1},)
        data = {"sources": recipe.data.sources, "filters": filters}
        recipe = recipe.model_copy(update={"data": DataConfig(**data)})
    elif how == "tower":
        towers = dict(recipe.model.towers)
        towers["image"] = towers["image"].model_copy(update={"weights": str(step)})
        model = recipe.model.model_copy(update={"towers": towers})
        recipe = recipe.model_copy(update={"model": model})
    else:
        start = finished_run if how == "start" else step
        recipe = recipe.model_copy(update={"start_from": str(start)})
    assert runs_behind(recipe) == [finished_run.resolve()]

    def held_out(seed: int) -> list[Sample]:
        split = {**SPLIT, "seed": seed}
        return open_corpus(DataConfig(sources=recipe.data.sources, split=split)).held_out

    check_unseen(tmp_path / "front", recipe, [], held_out(1))
    with pytest.raises(DataError, match="things that are held out") as error:
        check_unseen(tmp_path / "front", recipe, [], held_out(2))
    assert error.value.where == str(finished_run.resolve())


def test_two_runs_behind_each_other_end(world: Any, finished_run: Path) -> None:
    recipe = world.recipe().model_copy(update={"start_from": str(finished_run)})
    check_unseen(finished_run, recipe, [], open_corpus(world.recipe().data).held_out)


def test_no_run_is_said(world: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no run here"):
        opened(world, tmp_path / "nothing")
