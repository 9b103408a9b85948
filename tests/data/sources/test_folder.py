from __future__ import annotations

import os
from pathlib import Path

import pytest

from interlingua import data
from interlingua.errors import DataError
from interlingua.sample import Audio, Label, Sample, Text


def make(root: Path, **files: str) -> Path:
    """Files by path, with ``__`` for the slash and ``--`` for nothing else."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def words(sample: Sample) -> list[str]:
    return [part.text for part in sample.alternatives("text") if isinstance(part, Text)]


def test_files_of_one_name_are_views_of_one_thing(tmp_path: Path) -> None:
    make(tmp_path, dog_DOT_png="", dog_DOT_ogg="", dog_DOT_txt="a dog\n\n  the   dog \na dog\n")
    (sample,) = data.open_source(tmp_path)
    assert sample.key == "dog"
    assert [part.view for part in sample.parts] == ["image", "sound", "text"]
    assert words(sample) == ["a dog", "the dog"]


def test_without_text_files_the_folder_name_is_text_and_label(tmp_path: Path) -> None:
    make(tmp_path, big_cats__1_DOT_jpg="", dogs__1_DOT_JPG="", loose_DOT_png="")
    source = {sample.key: sample for sample in data.open_source(tmp_path)}
    assert words(source["big_cats/1"]) == ["big cats"]
    assert source["big_cats/1"].alternatives("label") == (Label("big_cats"),)
    assert source["dogs/1"].meta.group == "dogs"
    assert words(source["loose"]) == []
    assert [part.view for part in source["loose"].parts] == ["image"]


def test_with_text_files_a_folder_name_is_a_label_only(tmp_path: Path) -> None:
    make(tmp_path, pets__a_DOT_png="", pets__a_DOT_txt="a cat", pets__b_DOT_png="")
    a, b = data.open_source(tmp_path)
    assert words(a) == ["a cat"]
    assert words(b) == []
    assert b.alternatives("label") == (Label("pets"),)


def test_order_is_sorted_hidden_is_skipped_and_the_rest_is_said(tmp_path: Path) -> None:
    make(
        tmp_path,
        b__x_DOT_png="",
        a__x_DOT_png="",
        _DOT_git__x_DOT_png="",
        a___DOT_hidden_DOT_png="",
        a__clip_DOT_mp4="",
        a__alone_DOT_txt="words only",
    )
    source = data.open_source(tmp_path)
    assert [sample.key for sample in source] == ["a/x", "b/x"]
    assert {problem.reason for problem in source.problems} == {
        "the ending .mp4 is not read",
        "a text without a picture or a sound",
    }


def test_two_pictures_of_one_name_are_two_samples(tmp_path: Path) -> None:
    make(tmp_path, cat_DOT_jpg="", cat_DOT_png="", cat_DOT_PNG="", cat_DOT_txt="a cat")
    samples = list(data.open_source(tmp_path))
    assert (
        len({sample.key for sample in samples}) == len(samples) == len(list(tmp_path.iterdir())) - 1
    )
    assert all(words(sample) == ["a cat"] for sample in samples)


def test_sounds_can_be_speech(tmp_path: Path) -> None:
    make(tmp_path, hello_DOT_wav="", hello_DOT_txt="Hallo!")
    (sample,) = data.open_source(tmp_path, audio="speech", language="de")
    (speech,) = sample.alternatives("speech")
    assert isinstance(speech, Audio)
    assert (speech.language, speech.transcript) == ("de", "Hallo!")


def test_an_empty_folder_says_which_endings_are_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.png") as caught:
        data.open_source(tmp_path)
    assert ".wav" in str(caught.value)
    with pytest.raises(DataError, match="no such folder"):
        data.open_source("folder", path=tmp_path / "nothing")


def test_a_text_that_cannot_be_used_costs_only_the_text(tmp_path: Path) -> None:
    make(tmp_path, a_DOT_png="", b_DOT_png="")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 au lait")
    (tmp_path / "b.txt").write_bytes(b"x" * ((1 << 20) + 1))
    source = data.open_source(tmp_path)
    assert len(source) == 2
    assert words(source[0]) == ["caf\N{REPLACEMENT CHARACTER} au lait"]
    assert [problem.reason for problem in source.problems] == ["a text file over 1 MB"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    make(tmp_path, a_DOT_png="", closed__b_DOT_png="")
    (tmp_path / "closed").chmod(0)
    try:
        source = data.open_source(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [problem.reason for problem in source.problems] == ["a folder that can't be read"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    make(tmp_path, a__x_DOT_png="")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(data.open_source(tmp_path)) == 1
