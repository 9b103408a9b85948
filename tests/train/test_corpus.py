from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlingua.config import NamedConfig, validate
from interlingua.content import FileContent
from interlingua.data.source import ListSource, Problem
from interlingua.errors import ConfigError, DataError
from interlingua.sample import Audio, Image, Meta, Sample, Text
from interlingua.train.corpus import Corpus, open_corpus
from interlingua.train.recipe import DataConfig

SPLIT = {"source": "things", "held_out": 6, "seed": 1}


def opened(*sources: dict[str, Any], **split: Any) -> Corpus:
    """Each source is a ``SourceUse``."""
    return open_corpus(DataConfig(sources=sources, split=split or None))


def languages(samples: list[Sample]) -> set[str | None]:
    return {
        part.language
        for sample in samples
        for part in sample.alternatives("speech")
        if isinstance(part, Audio)
    }


def keys(samples: list[Sample]) -> list[str]:
    return [f"{sample.meta.source}/{sample.key}" for sample in samples]


class Spoken(ListSource):
    """Two samples: one all in Danish; the other with a picture. Its samples name no source."""

    class Config(NamedConfig):
        folder = "data"
        name: str = "spoken"
        path: Path

    def __init__(self, config: Config):
        danish = Audio(FileContent(config.path / "dog_da.wav"), "speech", "da")
        picture = Image(FileContent(config.path / "cat.png"))
        samples = [
            Sample("only da", (danish,), meta=Meta(name="a")),
            Sample("seen", (picture, Text("b")), meta=Meta(name="b")),
        ]
        super().__init__("spoken", samples, [Problem("x", "y")])


def test_no_component_is_on_both_sides(world: Any) -> None:
    # the second source has the same names and the same pictures
    corpus = opened(
        {"source": world.source()}, {"source": world.source(called="more", last=12)}, **SPLIT
    )
    held_out = {sample.meta.component for sample in corpus.held_out}
    assert len(corpus.held_out) == 6
    assert {sample.meta.source for sample in corpus.held_out} == {"things"}
    assert not held_out & {sample.meta.component for sample in corpus.train}
    assert {sample.meta.component for sample in corpus.removed} <= held_out
    assert {s.key for s in corpus.removed} == {s.key for s in corpus.held_out} & {
        s.key for s in corpus.train + corpus.removed if s.meta.source == "more"
    }
    assert corpus.removed, "a split in which nothing shares a component shows nothing"
    assert len(corpus.train) + len(corpus.held_out) + len(corpus.removed) == 24 + 12


def test_every_opening_is_the_same_and_the_seed_chooses(world: Any) -> None:
    first, again, other = (
        opened({"source": world.source()}, **{**SPLIT, "seed": seed}) for seed in (1, 1, 2)
    )
    assert keys(first.held_out) == keys(again.held_out)
    assert keys(first.train) == keys(again.train)
    assert first.identity == again.identity
    assert keys(first.held_out) != keys(other.held_out)
    assert first.identity != other.identity


def test_unseen_languages_are_not_in_training(world: Any) -> None:
    corpus = opened({"source": world.source()}, **SPLIT, unseen_languages=["da", "fr"])
    assert languages(corpus.train) == {"en"}
    assert languages(corpus.unseen_language) == {"da", "fr"}
    assert languages(corpus.held_out) == {"en", "fr", "da"}
    assert keys(corpus.unseen_language) == keys(corpus.train)
    for sample, heard in zip(corpus.train, corpus.unseen_language, strict=True):
        for view in ("image", "text", "sound"):
            assert sample.alternatives(view) == heard.alternatives(view)
        assert sample.meta == heard.meta


def test_unseen_languages_count_where_nothing_is_held_out(world: Any) -> None:
    corpus = opened(
        {"source": world.source()}, source="things", held_out=0, unseen_languages=["da"]
    )
    assert len(corpus.train) == 24 and corpus.held_out == []
    assert languages(corpus.train) == {"en", "fr"}
    assert languages(corpus.unseen_language) == {"da"}


def test_a_sample_of_nothing_but_unseen_speech_leaves_training(world: Any) -> None:
    corpus = opened(
        {"source": {"name": f"{__name__}:Spoken", "path": str(world.things)}},
        source="spoken", held_out=0, unseen_languages=["da"],
    )  # fmt: skip
    assert [sample.key for sample in corpus.train] == ["seen"]
    assert [sample.key for sample in corpus.unseen_language] == ["only da"]


def test_without_a_split_everything_is_trained_on(world: Any) -> None:
    corpus = opened({"source": world.source()})
    assert len(corpus.train) == 24
    assert (corpus.held_out, corpus.removed, corpus.unseen_language) == ([], [], [])
    assert all(sample.meta.component is not None for sample in corpus.train)
    assert corpus.repeats == [1.0] * 24


def test_weights_are_repeats_and_weight_zero_is_not_trained_on(world: Any) -> None:
    corpus = opened(
        {"source": world.source(last=10), "weight": 2.5},
        {"source": world.source(called="more", first=10), "weight": 0},
        source="more", held_out=3, unseen_languages=["da"],
    )  # fmt: skip
    assert {sample.meta.source for sample in corpus.train} == {"things"}
    assert corpus.repeats == [2.5] * len(corpus.train)
    assert len(corpus.held_out) == 3
    assert {sample.meta.source for sample in corpus.unseen_language} == {"things"}


def test_what_sources_left_out_is_kept(world: Any, tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        (tmp_path / f"{name}.png").write_bytes((world.things / f"{name}.png").read_bytes())
        (tmp_path / f"{name}.txt").write_text(f"a {name}")
    (tmp_path / "list.xyz").write_text("?")
    corpus = opened({"source": {"name": "folder", "path": str(tmp_path)}})
    (problem,) = corpus.problems[tmp_path.name]
    assert problem.where.endswith("list.xyz")


def test_a_source_that_is_silent_of_itself_is_named_after_the_source(world: Any) -> None:
    corpus = opened({"source": {"name": f"{__name__}:Spoken", "path": str(world.things)}})
    assert {sample.meta.source for sample in corpus.train} == {"spoken"}


def test_one_source_twice_is_refused(world: Any) -> None:
    with pytest.raises(DataError, match="'things' is used twice"):
        opened({"source": world.source()}, {"source": world.source()})


def test_nothing_left_to_train_on_is_said(world: Any) -> None:
    with pytest.raises(DataError, match="Nothing is left to train on"):
        opened({"source": world.source()}, source="things", held_out=24)


def test_too_few_to_hold_out_is_said(world: Any) -> None:
    with pytest.raises(DataError, match="25 samples are to be held out; 24 have"):
        opened({"source": world.source()}, source="things", held_out=25)


def test_notes_tell_what_was_opened(world: Any) -> None:
    notes: list[str] = []
    open_corpus(DataConfig(sources=({"source": world.source()},)), notes.append)
    assert notes[0] == "things: 24 samples"


def filtered(world: Any, *filters: dict[str, Any], **options: Any) -> Corpus:
    """The tiny world with twelve things once more, as pictures and words of another source."""
    sources = ({"source": world.source()}, {"source": world.source(called="more", last=12)})
    return open_corpus(DataConfig(sources=sources, split=SPLIT, filters=filters), **options)


def test_filters_touch_training_samples_alone(world: Any) -> None:
    plain = filtered(world)
    corpus = filtered(world, {"name": "text_length", "min_words": 2}, {"name": "exact_duplicates"})
    assert keys(corpus.held_out) == keys(plain.held_out)
    assert corpus.held_out == plain.held_out and corpus.removed == plain.removed
    assert all(len(s.alternatives("text")) == 2 for s in corpus.held_out)
    assert all(len(s.alternatives("text")) == 1 for s in corpus.train)
    # what "more" repeats of "things" goes; twins of held-out things left with the split
    assert {sample.meta.source for sample in corpus.train} == {"things"}
    twins = sum(sample.meta.source == "more" for sample in plain.train)
    assert [(step.name, step.removed, step.removed_texts) for step in corpus.filtered] == [
        ("text_length", 0, len(plain.train)),
        ("exact_duplicates", twins, twins),
    ]
    assert corpus.identity != plain.identity
    assert corpus.repeats == [1.0] * len(corpus.train)


def test_a_filter_for_one_source(world: Any) -> None:
    corpus = filtered(world, {"name": "random_thin", "number": 3, "sources": ["more"]})
    kept = [sample.meta.source for sample in corpus.train]
    assert kept.count("more") == 3
    assert kept.count("things") == 18


def test_filters_are_told_in_notes(world: Any) -> None:
    notes: list[str] = []
    filtered(world, {"name": "random_thin", "number": 5}, note=notes.append)
    assert notes[-1].startswith("filter random_thin: ") and "(by chance " in notes[-1]


def test_a_filter_for_no_source_is_said(world: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean 'things'"):
        filtered(world, {"name": "random_thin", "number": 5, "sources": ["thing"]})


def test_filters_that_take_everything_are_said(world: Any) -> None:
    with pytest.raises(DataError, match="The filters took all of the"):
        filtered(world, {"name": "size", "min_side": 900})


def test_an_unknown_filter_names_the_nearest() -> None:
    plain = {"sources": [{"source": {"name": "stamps"}}], "filters": [{"name": "sizes"}]}
    with pytest.raises(ConfigError, match="did you mean 'size'"):
        validate(DataConfig, plain, "test")
    plain["filters"] = [{"name": "size", "min_width": 3}]
    with pytest.raises(ConfigError, match=r"unknown key 'filters\.0\.min_width'"):
        validate(DataConfig, plain, "test")
