from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from interlingua.cli import index, search


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
    search.show_hits([Hit("k", "speech", 0.5, text="[bold]chien[/]", language="fr", path="a.ogg")])
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


def test_info_says_what_is_held(interlingua, index: Path, run: Path) -> None:
    told = json.loads(interlingua("index", "info", index, "--json").out)
    assert told["records"] == 8
    assert told["kinds"] == {"image": 3, "sound": 1, "text": 4}
    assert told["run"] == str(run)
    assert told["fields"]["size"] == "number"
    assert told["approximate"] is None
    shown = interlingua("index", "info", index).out
    assert "8 records (3 image, 1 sound, 4 text)" in shown
    assert "search   exact" in shown


def test_a_filter_and_its_mistakes(interlingua, index: Path) -> None:
    def keys(where: str) -> set[str]:
        ended = interlingua(
            "search", "--index", index, "--text", "red", "-k", 50, "--where", where, "--json"
        )
        assert ended.code == 0, ended.err
        return {hit["key"] for hit in json.loads(ended.out)}

    assert keys("kind == image and size > 0") == {"red", "green", "blue"}
    assert keys("text prefix 'a re' or kind == sound") == {"red", "tone"}
    assert keys("modified < 1999-01-01") == set()
    for where, told in (("knd == image", "did you mean 'kind'"), ("kind = x", "== compares")):
        ended = interlingua("search", "--index", index, "--text", "red", "--where", where)
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err


def test_more_like_a_stored_sample(interlingua, index: Path, run: Path) -> None:
    (key,) = {
        hit["key"]
        for hit in json.loads(
            interlingua("search", "--index", index, "--text", "a red dog", "-k", 1, "--json").out
        )
    }
    shutil.move(run, run.with_name("away"))  # no model is needed
    try:
        ended = interlingua("search", "--index", index, "--like", key, "--in", "image", "--json")
    finally:
        shutil.move(run.with_name("away"), run)
    assert ended.code == 0, ended.err
    assert {hit["key"] for hit in json.loads(ended.out)} == {"green", "blue"}
    mixed = ["search", "--index", index, "--like", key, "--text", "blue", "--in", "image", "--json"]
    assert len(json.loads(interlingua(*mixed).out)) == 3
    ended = interlingua("search", "--index", index, "--like", "rde.png")
    assert ended.code == 1
    assert "no key" in ended.err


def test_exact_and_approximate_do_not_go_together(interlingua, index: Path) -> None:
    ended = interlingua("search", "--index", index, "--text", "a", "--exact", "--approximate")
    assert ended.code == 2
    ended = interlingua("search", "--index", index, "--text", "a", "--approximate")
    assert ended.code == 1
    assert "index compact" in ended.err


def test_fields_of_a_table(interlingua, run: Path, media: Path, tmp_path: Path) -> None:
    found = interlingua("index", "build", media, "--run", run, "--out", tmp_path / "a", "--json")
    assert found.code == 0
    hits = json.loads(
        interlingua("search", "--index", tmp_path / "a", "--text", "red", "-k", 50, "--json").out
    )
    red = next(hit["key"] for hit in hits if hit["path"].endswith("red.png"))
    table = tmp_path / "years.csv"
    table.write_text(f"key,year\n{red},1990\n")
    build = ["index", "build", media, "--run", run, "--out", tmp_path / "b", "--fields", table]
    told = json.loads(interlingua(*build, "--json").out)
    assert told["fields"] == {"year": "number"}
    assert told["without_fields"] >= 3
    assert "says nothing of" in interlingua(*build).out
    query = ["search", "--index", tmp_path / "b", "--text", "red", "--where", "year == 1990"]
    assert {hit["fields"]["year"] for hit in json.loads(interlingua(*query, "--json").out)} == {
        1990
    }


def test_verify_tells_what_became_of_the_files(
    interlingua, run: Path, media: Path, tmp_path: Path
) -> None:
    mine, path = tmp_path / "mine", tmp_path / "index"
    shutil.copytree(media, mine)
    build = ["index", "build", mine, "--run", run, "--out", path, "--digests"]
    assert interlingua(*build).code == 0
    whole = interlingua("index", "verify", path, "--files", "--run", run)
    assert whole.code == 0
    assert "files: 4 unchanged." in whole.out
    assert "Nothing is wrong." in whole.out
    (mine / "red.png").unlink()
    (mine / "blue.png").touch()
    (mine / "green.png").write_bytes((mine / "blue.png").read_bytes())
    ended = interlingua("index", "verify", path, "--files")
    assert ended.code == 1
    assert "file missing" in ended.out
    told = json.loads(interlingua("index", "verify", path, "--digests", "--json").out)
    assert told["files"] == {"changed": 1, "missing": 1, "touched": 1, "unchanged": 1}
    assert told["passed"] is False


def test_appending_drops_what_was_deleted_and_says_so(
    interlingua, run: Path, media: Path, tmp_path: Path
) -> None:
    mine, path = tmp_path / "mine", tmp_path / "index"
    shutil.copytree(media, mine)
    build = ["index", "build", mine, "--run", run, "--out", path]
    assert interlingua(*build).code == 0
    for file in (*mine.glob("red.*"), *mine.glob("tone.*")):
        file.unlink()
    shown = interlingua(*build, "--append")
    assert shown.code == 0, shown.err
    assert "removed, their files are gone: 1 image, 1 sound, 1 text." in shown.out
    told = json.loads(interlingua(*build, "--append", "--json").out)
    assert (told["removed"], told["gone_elsewhere"]) == ({}, 0)
    assert json.loads(interlingua("index", "info", path, "--json").out)["kinds"] == {
        "image": 2,
        "text": 3,
    }


def test_a_damaged_index_is_not_verified(interlingua, index: Path) -> None:
    data = next(index.glob("records-*/data/*.lance"))
    data.write_bytes(data.read_bytes()[:-9])
    ended = interlingua("index", "verify", index)
    assert (ended.code, ended.out) == (1, "")
    assert "damaged" in ended.err


def test_removing_and_compacting(interlingua, index: Path) -> None:
    ended = interlingua("index", "remove", index, "--where", "kind == text", "--json")
    assert json.loads(ended.out) == {"index": str(index), "removed": 4, "records": 4}
    assert interlingua("index", "remove", index).code == 2
    assert "0 records removed, 4 left" in interlingua("index", "remove", index, "nothing").out
    told = json.loads(interlingua("index", "compact", index, "--json").out)
    assert (told["records"], told["files_after"]) == (4, 1)
    assert told["freed"] > 0
    assert "4 records in 1 of 1 files" in interlingua("index", "compact", index).out
    assert interlingua("index", "compact", index, "--lists", "--no-lists").code == 2


@pytest.mark.parametrize("name", ["vectors", "vectors.lance"])
def test_vectors_made_in_bulk_become_an_index(interlingua, run, media, tmp_path, name) -> None:
    out, path = tmp_path / name, tmp_path / "index"
    embed = ["embed", media, "--run", run, "--out", out, "--block-size", 3]
    assert interlingua(*embed).code == 0
    ended = interlingua("index", "build", out, "--out", path, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["added"] == {"image": 3, "sound": 1, "text": 4}
    query = ["search", "--index", path, "--text", "a blue dog", "--in", "text", "-k", 1, "--json"]
    (hit,) = json.loads(interlingua(*query).out)  # the model is the one that embedded
    assert (hit["text"], hit["score"]) == ("a blue dog", pytest.approx(1, abs=1e-3))
    assert interlingua("index", "build", out, "--out", path, "--run", run).code == 2
    assert interlingua("index", "build", media, "--out", path).code == 2
    if name == "vectors":
        sorted(out.glob("part-*.parquet"))[0].unlink()
        ended = interlingua("index", "build", out, "--out", path)
        assert ended.code == 1
        assert "not there yet: 0" in ended.err
        (out / "part-00000.parquet").write_bytes(b"no")
        assert "damaged" in interlingua("index", "build", out, "--out", path).err
    (out / "_vectors.json").write_text("{}")
    assert "holds no vectors" in interlingua("index", "build", out, "--out", path).err
    assert len(json.loads(interlingua(*query).out)) == 1  # the old one is still there
