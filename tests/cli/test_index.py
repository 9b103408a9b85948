from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from interlingua.cli import index


def test_nothing_to_search_by(interlingua, tmp_path: Path) -> None:
    ended = interlingua("search", "--index", tmp_path)
    assert ended.code == 2
    assert "--text" in ended.err


def test_an_index_that_is_not_there(interlingua, tmp_path: Path) -> None:
    ended = interlingua("search", "--index", tmp_path / "none", "--text", "a dog")
    assert (ended.code, ended.out) == (1, "")
    assert "There is no index" in ended.err
    assert "interlingua index build" in ended.err


def test_a_query_file_that_is_not_there(interlingua, tmp_path: Path) -> None:
    ended = interlingua("search", "--index", tmp_path, "--image", tmp_path / "no.png")
    assert ended.code == 2
    assert "no.png" in ended.err


def test_a_run_that_is_not_there(interlingua, tmp_path: Path) -> None:
    ended = interlingua(
        "index", "build", "stamps", "--run", tmp_path / "no-run", "--out", tmp_path / "index"
    )
    assert ended.code == 1
    assert "no-run" in ended.err
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("given", "kinds"),
    [(None, None), ("image", ["image"]), ("image, text,", ["image", "text"])],
)
def test_kinds(given, kinds) -> None:
    assert index.split_kinds(given) == kinds


def test_hits_show_their_words_as_they_are(capsys, monkeypatch) -> None:
    from interlingua.index.record import Hit

    monkeypatch.setenv("COLUMNS", "160")
    index.show_hits([Hit("k", "speech", 0.5, text="[bold]chien[/]", language="fr", path="a.ogg")])
    shown = capsys.readouterr().out
    assert "[bold]chien[/] [fr]" in shown
    assert "0.500" in shown
    assert "a.ogg" in shown


def test_build_counts_what_it_took_and_left(interlingua, run, media, tmp_path: Path) -> None:
    path = tmp_path / "index"
    ended = interlingua("index", "build", media, "--run", run, "--out", path, "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == {
        "index": str(path),
        "added": {"image": 3, "sound": 1, "text": 4},
        "left_out": {"damaged": 1},
        "not_known": {},
    }


def test_build_of_pictures_only(interlingua, run, media, tmp_path: Path) -> None:
    path = tmp_path / "index"
    command = ["index", "build", media, "--run", run, "--out", path, "--in", "image"]
    assert "3 image added" in interlingua(*command).out
    assert "2 image added" not in interlingua(*command).out  # made anew, not doubled
    assert (
        len(json.loads(interlingua("search", "--index", path, "--text", "red", "--json").out)) == 3
    )


def test_a_picture_finds_itself(interlingua, index: Path, media: Path) -> None:
    query = ["search", "--index", index, "--image", media / "green.png", "--in", "image"]
    hits = json.loads(interlingua(*query, "--json").out)
    assert Path(hits[0]["path"]).name == "green.png"
    assert hits[0]["score"] == pytest.approx(1, abs=1e-3)
    assert len(hits) == 3
    assert "green.png" in interlingua(*query, "-k", 1).out


def test_words_find_themselves(interlingua, index: Path) -> None:
    query = ["search", "--index", index, "--text", "a blue dog", "--in", "text", "-k", 1, "--json"]
    (hit,) = json.loads(interlingua(*query).out)
    assert hit["text"] == "a blue dog"


def test_sounds_are_searched_and_found(interlingua, index: Path, media: Path) -> None:
    query = ["search", "--index", index, "--audio", media / "tone.wav", "--in", "audio", "--json"]
    (hit,) = json.loads(interlingua(*query).out)
    assert (hit["kind"], Path(hit["path"]).name) == ("sound", "tone.wav")


def test_a_mixed_query_is_between_its_parts(interlingua, index: Path, media: Path) -> None:
    def scores(*query: object) -> dict[str, float]:
        found = interlingua("search", "--index", index, *query, "-k", 50, "--json")
        return {hit["path"] or hit["text"]: hit["score"] for hit in json.loads(found.out)}

    picture, words = scores("--image", media / "red.png"), scores("--text", "a blue dog")
    mixed = scores("--image", media / "red.png", "--text", "a blue dog")
    assert mixed[str(media / "red.png")] > words[str(media / "red.png")]
    assert mixed["a blue dog"] > picture["a blue dog"]


def test_an_unknown_kind_is_named(interlingua, index: Path) -> None:
    ended = interlingua("search", "--index", index, "--text", "a dog", "--in", "imge")
    assert ended.code == 1
    assert "image" in ended.err


def test_an_index_of_another_model_is_refused(
    interlingua, index: Path, run: Path, tmp_path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    recipe = (other / "recipe.yaml").read_text()
    assert "size: 16" in recipe
    (other / "recipe.yaml").write_text(recipe.replace("size: 16", "size: 24"))
    ended = interlingua("search", "--index", index, "--run", other, "--text", "a dog")
    assert (ended.code, ended.out) == (1, "")
    assert "another model" in ended.err
    assert str(run) in ended.err


def test_a_moved_run_is_named_on_the_command_line(interlingua, index: Path, run, tmp_path) -> None:
    shutil.copytree(run, tmp_path / "moved")
    query = ["search", "--index", index, "--run", tmp_path / "moved", "--text", "a dog", "--json"]
    assert interlingua(*query).code == 0


def test_a_damaged_query_is_named(interlingua, index: Path, media: Path) -> None:
    ended = interlingua("search", "--index", index, "--image", media / "broken.png")
    assert (ended.code, ended.out) == (1, "")
    assert "broken.png" in ended.err
