from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.evaluate.run import (
    FIGURES_FILE,
    embed_view,
    evaluate_session,
    measure,
    seen_samples,
    speech_against_length,
)
from interlingua.evaluate.single_queries import QUERIES_FILE, from_json
from interlingua.sample import Text
from interlingua.space import load
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session, open_run, prepare, train_recipe


@pytest.fixture
def session(finished_run: Path, world: Any) -> Session:
    return open_run(finished_run)


def test_the_first_text_stands_for_a_thing_and_everything_else_is_there(session: Session) -> None:
    held_out = session.corpus.held_out
    text = embed_view(session, held_out, "text")
    assert [part.text for part in text.parts] == [f"a {sample.meta.name}" for sample in held_out]
    assert text.sample.tolist() == list(range(6))
    speech = embed_view(session, held_out, "speech")
    assert speech.languages == ["en", "fr", "da"] * 6
    assert speech.component.tolist() == [s.meta.component for s in held_out for _ in range(3)]
    assert text.languages == [None] * 6
    assert np.isnan(text.seconds).all()


def test_seconds_are_those_of_the_clips(session: Session) -> None:
    speech = embed_view(session, session.corpus.held_out, "speech")
    for part, seconds in zip(speech.parts, speech.seconds, strict=True):
        size = Path(part.content.name).stat().st_size
        assert seconds == pytest.approx((size - 44) / 2 / 16_000, abs=1e-3)


def test_vectors_are_those_of_the_space(session: Session, finished_run: Path) -> None:
    space = load(finished_run, device="cpu", precision="fp32")
    for view in session.model.views:
        found = embed_view(session, session.corpus.train, view)
        assert len(found.parts) > 0
        assert np.allclose(found.vectors, space.embed_parts(found.parts), atol=1e-4), view


def test_unreadable_items_are_left_out(world: Any, tmp_path: Path) -> None:
    data = {"sources": [{"source": world.source(damaged=True)}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    assert session.corpus.train[-1].key == "broken"
    pictures = embed_view(session, session.corpus.train, "image")
    assert len(pictures.parts) == len(pictures.vectors) == 24
    assert np.isfinite(pictures.vectors).all()
    assert len(embed_view(session, session.corpus.train, "text").parts) == 25


def test_a_view_that_nothing_has_gives_nothing(session: Session) -> None:
    samples = [s for s in session.corpus.train if not s.alternatives("sound")][:4]
    assert len(embed_view(session, samples, "sound").parts) == 0
    measured = measure(session, samples)
    assert set(measured.views) == {"image", "text", "speech"}
    assert ("image", "sound") not in {(row.query, row.gallery) for row in measured.table}


def test_directions_are_all_pairs_and_speech_by_language(session: Session) -> None:
    measured = measure(session, session.corpus.train)
    views = ("image", "text", "sound", "speech")
    pairs = {(a, b) for a in views for b in views if a != b}
    pairs |= {(f"speech[{code}]", to) for code in ("en", "fr") for to in ("image", "text")}
    assert {(row.query, row.gallery) for row in measured.table} == pairs
    row = measured.table.get("speech[fr]", "image").result
    assert row.n == row.gallery == len(session.corpus.train)


def test_a_model_that_has_learned_finds_what_it_saw(world: Any, tmp_path: Path) -> None:
    stage = {"steps": 150, "batch_size": 18, "learning_rate": 1e-2}
    session = train_recipe(world.recipe(stages=[stage]), tmp_path / "run")
    figures = evaluate_session(session).figures
    (row,) = (r for r in figures["seen"] if (r["query"], r["gallery"]) == ("text", "image"))
    assert row["r_at"]["1"]["value"] > 0.6 > 2 * row["chance"]["1"]
    assert row["control"]["1"]["value"] < 0.4


def test_seen_samples_are_as_many_of_the_same_source(world: Any, tmp_path: Path) -> None:
    sources = [{"source": world.source(last=18)},
               {"source": world.source(called="more", first=18)}]  # fmt: skip
    split = {"source": "things", "held_out": 5}
    recipe = world.recipe(data={"sources": sources, "split": split})
    session = prepare(recipe, RunFolder(tmp_path))
    seen = seen_samples(session)
    assert len(seen) == 5
    assert {sample.meta.source for sample in seen} == {"things"}
    train = [(sample.meta.source, sample.key) for sample in session.corpus.train]
    places = [train.index((sample.meta.source, sample.key)) for sample in seen]
    assert places == sorted(set(places))
    assert [sample.key for sample in seen_samples(session)] == [sample.key for sample in seen]


def test_figures_are_plain_numbers_in_the_runs_folder(session: Session, tmp_path: Path) -> None:
    session.run = RunFolder(tmp_path)
    done = evaluate_session(session)
    kept = json.loads((tmp_path / FIGURES_FILE).read_text("utf-8"))
    assert kept == json.loads(json.dumps(done.figures))
    assert set(kept) == {
        "format_version", "counts", "held_out", "seen", "unseen_language", "speech_against_length",
    }  # fmt: skip
    assert kept["counts"] == {"train": 18, "held_out": 6, "removed": 0}
    assert all(math.isfinite(row["r_at"]["1"]["value"]) for row in kept["held_out"])
    heard = {row["query"] for row in kept["unseen_language"] if row["query"].startswith("speech[")}
    assert heard == {"speech[da]"}


def test_the_same_run_measures_the_same(session: Session, finished_run: Path) -> None:
    kept = json.loads((finished_run / FIGURES_FILE).read_text("utf-8"))
    session.run = RunFolder(finished_run.parent / "elsewhere")
    assert json.loads(json.dumps(evaluate_session(session).figures)) == kept


def test_how_each_held_out_query_was_answered_is_kept(session: Session, finished_run: Path) -> None:
    kept = from_json(json.loads((finished_run / QUERIES_FILE).read_text("utf-8")))
    figures = json.loads((finished_run / FIGURES_FILE).read_text("utf-8"))
    assert len(kept) == len(figures["held_out"])
    for row in figures["held_out"]:
        asked = kept[row["query"], row["gallery"]]
        assert len(asked.names) == row["n"]
        assert len(set(asked.things)) == row["clusters"]
        for k, one in row["r_at"].items():
            assert asked.hits[int(k)].mean() == pytest.approx(one["value"])
    held_out = [f"things/{sample.key}" for sample in session.corpus.held_out]
    assert list(kept["text", "image"].names) == held_out
    # three recordings of each thing: the first without a number
    assert list(kept["speech", "image"].names)[:3] == [
        f"{held_out[0]}{n}" for n in ("", "#1", "#2")
    ]
    assert list(kept["speech[da]", "text"].names) == [f"{name}#2" for name in held_out]


def test_speech_is_set_beside_clip_length(session: Session) -> None:
    held_out = measure(session, session.corpus.held_out)
    rows = speech_against_length(session, held_out)
    names = ["speech", "speech[da]", "speech[en]", "speech[fr]"]
    assert sorted(rows) == sorted(f"{name} → {to}" for name in names for to in ("image", "text"))
    row = rows["speech[fr] → image"]
    assert row["n"] == 6
    for k in ("1", "2", "3"):
        difference = row["model"][k]["value"] - row["length"][k]["value"]
        assert row["difference"][k]["value"] == pytest.approx(difference)
        direct = held_out.table.get("speech[fr]", "image").result.r_at[int(k)].value
        assert row["model"][k]["value"] == pytest.approx(direct)


def test_length_alone_wins_where_names_are_told_by_length(session: Session) -> None:
    """Clips of four-letter names are longer here, so the baseline must find them."""
    measured = measure(session, session.corpus.train)
    rows = speech_against_length(session, measured)
    assert rows["speech → text"]["length"]["3"]["value"] > 3 / 18 + 0.02


def test_a_trained_speech_tower_is_set_beside_clip_length_too(world: Any, tmp_path: Path) -> None:
    recipe = world.recipe(trained=("audio",))
    session = train_recipe(recipe, tmp_path / "run")
    rows = evaluate_session(session).figures["speech_against_length"]
    assert math.isfinite(rows["speech → text"]["length"]["1"]["value"])
    frozen = train_recipe(world.recipe(), tmp_path / "frozen")
    beside = evaluate_session(frozen).figures["speech_against_length"]
    for name, row in rows.items():
        assert row["length"] == beside[name]["length"]


def test_nothing_held_out_gives_the_seen_figures_alone(world: Any, tmp_path: Path) -> None:
    data = {"sources": [{"source": world.source()}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    done = evaluate_session(session)
    assert done.held_out is None
    assert set(done.figures) == {"format_version", "counts", "seen"}
    assert done.figures["counts"] == {"train": 24, "held_out": 0, "removed": 0}
    assert len(done.seen.samples) == 24


def test_labels_count_as_words(world: Any, tmp_path: Path) -> None:
    for kind, names in (("animal", ("dog", "cat", "owl")), ("tool", ("pot", "pan", "key"))):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for name in names:
            picture = (world.things / f"{name}.png").read_bytes()
            (tmp_path / "mine" / kind / f"{name}.png").write_bytes(picture)
    data = {"sources": [{"source": {"name": "folder", "path": str(tmp_path / "mine")}}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    texts = embed_view(session, session.corpus.train, "text").parts
    assert texts == [Text("animal")] * 3 + [Text("tool")] * 3
    assert evaluate_session(session).figures["seen"]
