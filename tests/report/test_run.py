from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.data.source import Problem
from interlingua.errors import MediaError
from interlingua.evaluate.run import Evaluation, evaluate_session
from interlingua.report.data import ReportData
from interlingua.report.run import report_data, write_run_report
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session, open_run, prepare, train_recipe


@pytest.fixture
def session(finished_run: Path, world: Any) -> Session:
    return open_run(finished_run)


@pytest.fixture
def data(session: Session, finished_run: Path, tmp_path: Path) -> ReportData:
    session.run = RunFolder(tmp_path)
    evaluation = evaluate_session(session)
    session.run = RunFolder(finished_run)
    return report_data(session, evaluation)


def test_figures_come_back_in_the_report(data: ReportData, finished_run: Path) -> None:
    figures = json.loads((finished_run / "figures.json").read_text("utf-8"))
    shown = {(row.query, row.target): row for row in data.directions if row.held_out}
    assert len(shown) == len(figures["held_out"]) > 12
    for row in figures["held_out"]:
        found = shown[row["query"], row["gallery"]]
        assert {str(k): one.to_json() for k, one in found.recall.items()} == row["r_at"]
        assert {str(k): value for k, value in found.chance.items()} == row["chance"]
        assert found.control == {int(k): one["value"] for k, one in row["control"].items()}
        assert (found.number, found.gallery) == (row["n"], row["gallery_size"])
        assert found.median_rank == row["median_rank"]
    for name, row in figures["speech_against_length"].items():
        found = shown[tuple(name.split(" → "))]
        assert found.baseline_name == "clip length alone"
        assert found.baseline == {int(k): one["value"] for k, one in row["length"].items()}
    seen = {(row.query, row.target): row for row in data.directions if not row.held_out}
    for row in figures["seen"]:
        if "[" not in row["query"]:
            recall = seen[row["query"], row["gallery"]].recall
            assert {str(k): one.to_json() for k, one in recall.items()} == row["r_at"]


def test_the_page_of_a_run_is_one_file_with_its_figures(finished_run: Path) -> None:
    page = (finished_run / "report.html").read_text("utf-8")
    assert "<html" in page and "</html>" in page
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert "clip length alone" in page and "Danish" in page
    assert "data:image/" in page and "data:audio/" in page
    assert str(finished_run) in page  # the command that runs it again


def test_what_was_trained_on_what(data: ReportData, session: Session) -> None:
    (source,) = data.sources
    assert (source.source, source.training, source.held_out) == ("things", 18, 6)
    assert source.licence == "CC0-1.0"
    sounds = sum(len(sample.alternatives("sound")) for sample in session.corpus.train)
    assert source.views == {"image": 18, "text": 36, "speech": 36, "sound": sounds}
    towers = {tower.name: tower for tower in data.towers}
    assert set(towers) == {
        "efficientnet", "bert", "whisper_encoder", "image head", "text head", "audio head",
    }  # fmt: skip
    assert towers["efficientnet"].trained == 0 < towers["efficientnet"].parameters
    assert towers["whisper_encoder"].view == "sound, speech"
    head = towers["image head"]
    assert head.trained == head.parameters == 2 * 1280 + 1280 * 12 + 12
    (stage,) = data.stages
    assert (stage.name, stage.steps, stage.batch_size) == ("heads", 6, 10)
    assert stage.seconds > 0
    assert (data.facts.recipe, data.facts.seed) == ("tiny", 0)
    assert {"python", "torch", "interlingua"} <= set(data.facts.versions)


def test_a_trained_tower_counts_as_trained(world: Any, tmp_path: Path) -> None:
    session = train_recipe(world.recipe(trained=("image",), named=False), tmp_path / "run")
    towers = {t.name: t for t in report_data(session, evaluate_session(session)).towers}
    assert towers["efficientnet"].trained == towers["efficientnet"].parameters > 0
    assert towers["efficientnet"].note == ""
    assert towers["bert"].trained == 0


def test_things_are_shown_as_they_are(data: ReportData, session: Session) -> None:
    things = {thing.key: thing for thing in data.things}
    held_out = {f"things/{sample.key}" for sample in session.corpus.held_out}
    assert {key for key, thing in things.items() if thing.held_out} == held_out
    assert len(things) == 12
    for key in held_out:
        thing = things[key]
        assert thing.name == key.removeprefix("things/")
        assert thing.group in ("animals", "things")
        assert thing.views["image"].pixels.shape == (40, 40, 3)
        assert thing.views["text"].text == f"a {thing.name}"
        assert thing.views["speech"].language == "en"
        assert thing.views["speech"].samples.ndim == 1
        for view in thing.views.values():
            assert np.linalg.norm(view.vector) == pytest.approx(1, abs=1e-5)


def test_questions_about_seen_things_are_marked(data: ReportData) -> None:
    held_out = {thing.key for thing in data.things if thing.held_out}
    assert {strip.held_out for strip in data.strips} == {True, False}
    for strip in data.strips:
        hits = {hit.thing for hit in strip.hits}
        assert hits <= held_out if strip.held_out else not hits & held_out


def test_the_curves_are_those_of_the_metrics(data: ReportData) -> None:
    assert data.panels[0].lines[0].steps == [1, 2, 3, 4, 5, 6]


def test_limitations_name_the_unseen_languages(data: ReportData) -> None:
    assert any("Speech in da was kept from training" in line for line in data.limitations)


def test_a_run_without_held_out_things_has_a_report(world: Any, tmp_path: Path) -> None:
    recipe = world.recipe(data={"sources": [{"source": world.source()}]})
    session = train_recipe(recipe, tmp_path / "run")
    evaluation = evaluate_session(session)
    shown = report_data(session, evaluation)
    assert not any(row.held_out for row in shown.directions)
    assert not any(thing.held_out for thing in shown.things)
    assert shown.strips and not any(strip.held_out for strip in shown.strips)
    path = write_run_report(session, evaluation)
    assert path == tmp_path / "run" / "report.html"
    assert "</html>" in path.read_text("utf-8")


def test_a_run_of_pictures_and_words_alone_has_a_report(world: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("dog", "cat", "owl", "cow", "hen"):
        (mine / f"{name}.png").write_bytes((world.things / f"{name}.png").read_bytes())
        (mine / f"{name}.txt").write_text(f"a {name}\n")
    data = {"sources": [{"source": {"name": "folder", "path": str(mine)}}],
            "split": {"source": "mine", "held_out": 2}}  # fmt: skip
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    shown = report_data(session, evaluate_session(session))
    assert {view for thing in shown.things for view in thing.views} == {"image", "text"}
    write_run_report(session, evaluate_session(session))
    assert "</html>" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_damaged_file_is_counted_once_however_often_it_was_met(
    world: Any, tmp_path: Path
) -> None:
    data = {"sources": [{"source": world.source(damaged=True)}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    for _ in range(2):
        evaluation = evaluate_session(session)
    (skipped,) = report_data(session, evaluation).skipped
    assert (skipped.reason, skipped.count) == ("damaged", 1)
    assert skipped.example.endswith("broken.png")


def test_what_sources_left_out_is_counted(world: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("dog", "cat", "owl", "cow"):
        (mine / f"{name}.png").write_bytes((world.things / f"{name}.png").read_bytes())
        (mine / f"{name}.txt").write_text(f"a {name}\n")
    for name in ("a.xyz", "b.xyz"):
        (mine / name).write_text("?")
    data = {"sources": [{"source": {"name": "folder", "path": str(mine)}}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    shown = report_data(session, evaluate_session(session))
    (skipped,) = shown.skipped
    assert skipped.reason == "mine: the ending .xyz is not read"
    assert (skipped.count, Path(skipped.example).name) == (2, "a.xyz")
    assert shown.sources[0].note == "2 left out"


def test_what_many_problems_left_out_is_counted_in_full(session: Session) -> None:
    problems = [
        *(Problem("too small", f"{n}.png") for n in range(100)),
        Problem("too small", "", 55),
    ]
    session.corpus.problems = {"things": problems}
    shown = report_data(session, None)
    assert shown.sources[0].note == "155 left out"
    kinds = {one.reason: (one.count, one.example) for one in shown.skipped}
    assert kinds["things: too small"] == (155, "0.png")


def test_without_an_evaluation_what_went_into_a_run_is_told(session: Session) -> None:
    shown = report_data(session, None)
    assert (shown.things, shown.directions, shown.strips) == ([], [], [])
    assert [use.source for use in shown.sources] == ["things"]
    assert len(shown.towers) == 6


def test_a_source_of_several_licences_names_them(session: Session) -> None:
    train = session.corpus.train
    train[0] = replace(train[0], meta=replace(train[0].meta, licence="MIT"))
    assert report_data(session, None).sources[0].licence == "CC0-1.0, MIT"
    for number, sample in enumerate(train[:6]):
        train[number] = replace(sample, meta=replace(sample.meta, licence=f"L{number}"))
    assert report_data(session, None).sources[0].licence.endswith("and 3 more")


def test_a_report_before_the_first_logged_step(world: Any, tmp_path: Path) -> None:
    session = prepare(world.recipe(), RunFolder(tmp_path / "run"))
    session.learn_names()
    session.model.eval()
    evaluation: Evaluation = evaluate_session(session)
    shown = report_data(session, evaluation)
    assert (shown.facts.seconds, shown.panels) == (0.0, [])
    write_run_report(session, evaluation)


def test_a_picture_that_vanished_after_measuring_is_not_shown(
    world: Any, tmp_path: Path, session: Session
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("dog", "cat", "owl", "cow"):
        (mine / f"{name}.png").write_bytes((world.things / f"{name}.png").read_bytes())
        (mine / f"{name}.txt").write_text(f"a {name}\n")
    data = {"sources": [{"source": {"name": "folder", "path": str(mine)}}]}
    session = train_recipe(world.recipe(data=data), tmp_path / "run")
    evaluation = evaluate_session(session)
    (mine / "owl.png").unlink()
    with pytest.raises(MediaError):
        session.corpus.train[3].alternatives("image")[0].content.read()
    things = {thing.key: thing for thing in report_data(session, evaluation).things}
    assert set(things["mine/owl"].views) == {"text"}
    assert set(things["mine/dog"].views) == {"image", "text"}
