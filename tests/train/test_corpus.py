from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.source import ListSource, Problem
from interlingua.errors import DataError
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
