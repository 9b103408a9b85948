from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlingua import data
from interlingua.data.source import Source, count_reasons
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Sample, Text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Media that manifests may name."""
    for name in ("dog.png", "cat.png", "bark.ogg", "dog_fr.wav"):
        (tmp_path / name).touch()
    return tmp_path


def opened(folder: Path, content: str, name: str = "list.csv") -> Source:
    (folder / name).write_text(content, encoding="utf-8")
    return data.open_source(folder / name)


def words(sample: Sample) -> list[str]:
    return [part.text for part in sample.alternatives("text") if isinstance(part, Text)]


def test_every_column(folder: Path) -> None:
    row = {
        "image": "dog.png",
        "text": ["a dog", "the dog"],
        "sound": "bark.ogg",
        "speech": "dog_fr.wav",
        "transcript": "un chien",
        "label": "animal",
        "key": "d1",
        "group": "pets",
        "language": "fr",
        "component": "dogs",
    }
    (sample,) = opened(folder, json.dumps(row), "list.jsonl")
    assert sample.key == "d1"
    assert [part.view for part in sample.parts] == ["image", "sound", "speech", "text", "label"]
    assert words(sample) == ["a dog", "the dog"]
    (speech,) = sample.alternatives("speech")
    assert isinstance(speech, Audio)
    assert (speech.language, speech.transcript) == ("fr", "un chien")
    (image,) = sample.alternatives("image")
    assert isinstance(image, Image)
    assert image.content.name == str(folder / "dog.png"), "relative to the manifest"
    assert (sample.meta.group, sample.meta.component, sample.meta.source) == ("pets", 0, "list")


@pytest.mark.parametrize(
    "header", ["image,text", "file_name,caption", "Filepath,Title", "path,captions"]
)
def test_other_words_for_the_columns(folder: Path, header: str) -> None:
    (sample,) = opened(folder, f"{header}\ndog.png,a dog\n")
    assert [part.view for part in sample.parts] == ["image", "text"]


def test_a_file_column_goes_by_the_ending(folder: Path) -> None:
    picture, sound = opened(folder, "path,text\ndog.png,a dog\nbark.ogg,a bark\n")
    assert picture.parts[0].view == "image"
    assert sound.parts[0].view == "sound"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_write_other_separators_and_marks(folder: Path, separator: str) -> None:
    text = f'\ufeffimage{separator}text\r\ndog.png{separator}"a ""dog"", big"\r\n'
    (sample,) = opened(folder, text)
    assert words(sample) == ['a "dog", big']


def test_tab_separated(folder: Path) -> None:
    (sample,) = opened(folder, "image\ttext\ndog.png\ta dog, big; old\n", "list.tsv")
    assert words(sample) == ["a dog, big; old"]


def test_a_row_without_its_file_is_said_with_its_line(folder: Path) -> None:
    source = opened(folder, "image,text\ndog.png,a dog\ngone.png,gone\n\ncat.png,a cat\n")
    assert len(source) == 2
    (problem,) = source.problems
    assert problem.reason == "the file is missing"
    assert problem.where == f"{folder / 'list.csv'}:3 (image: gone.png)"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("https://example.org/dog.png,x", "an address: only files are read"),
        ("list.csv,x", "an ending that is not read"),
        (".,x", "not a file"),
        ("dog\0.png,x", "the file is missing"),
        ("a" * 5000 + ".png,x", "the file is missing"),
        ("bark.ogg,x", "an ending that is not read"),
        ("cat.png,x,y,z", "more cells than columns"),
    ],
)
def test_bad_rows_are_left_out_with_a_reason(folder: Path, row: str, reason: str) -> None:
    source = opened(folder, f"image,text\ndog.png,a dog\n{row}\n")
    assert len(source) == 1
    assert [problem.reason for problem in source.problems] == [reason]


def test_when_every_row_is_bad_the_error_says_why(folder: Path) -> None:
    with pytest.raises(DataError, match="2× the file is missing") as caught:
        opened(folder, "image,text\na.png,a\nb.png,b\n")
    assert str(caught.value.where).startswith(f"{folder / 'list.csv'}:2")


def test_unknown_columns_are_said_once(folder: Path) -> None:
    source = opened(folder, "image,captoin,width\ndog.png,x,3\ncat.png,y,4\n")
    (problem,) = source.problems
    assert "'captoin' (did you mean 'caption'?)" in problem.reason
    assert "'width'" in problem.reason


def test_no_known_column_names_them_all(folder: Path) -> None:
    with pytest.raises(DataError, match="'foo', 'bar'"):
        opened(folder, "foo,bar\n1,2\n")


def test_rows_of_the_same_picture_are_one_sample(folder: Path) -> None:
    dog, cat = opened(folder, "image,text\ndog.png,a dog\ncat.png,a cat\ndog.png,the dog\n")
    assert words(dog) == ["a dog", "the dog"]
    assert words(cat) == ["a cat"]


def test_a_key_for_two_things_is_said(folder: Path) -> None:
    source = opened(folder, "key,image,text\nx,dog.png,a dog\nx,cat.png,a cat\n")
    assert len(source) == 1
    assert count_reasons(source.problems) == {"a key that was used before": 1}


def test_components_are_numbered_by_their_names(folder: Path) -> None:
    rows = "text,component\na,red\nb,blue\nc,red\nd,\n"
    assert [s.meta.component for s in opened(folder, rows)] == [0, 1, 0, None]


def test_bad_json_lines_cost_only_themselves(folder: Path) -> None:
    deep = "[" * 100_000
    lines = ['{"text": "a"}', "{", "[1]", deep, "null", '{"text": ["b", 3, null, true]}', ""]
    source = opened(folder, "\n".join(lines), "list.jsonl")
    assert [words(sample) for sample in source] == [["a"], ["b", "3"]]
    assert count_reasons(source.problems) == {"not a JSON object": 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header"),
        (b"image,text\n", "no rows"),
        (b"\xff\xfe\x00i", "UTF-8"),
        (b"image,text\n" + b"x" * (1 << 21), "a million characters"),
    ],
)
def test_a_manifest_that_is_none(folder: Path, content: bytes, message: str) -> None:
    (folder / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        data.open_source(folder / "list.csv")


def test_a_missing_manifest_and_an_unknown_ending(folder: Path) -> None:
    with pytest.raises(DataError, match="no such manifest"):
        data.open_source("manifest", path=folder / "gone.csv")
    with pytest.raises(DataError, match="xlsx"):
        data.open_source("manifest", path=folder / "list.xlsx")


def test_paths_can_start_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.csv").write_text("image,text\ndog.png,a dog\n")
    assert len(data.open_source(tmp_path / "lists" / "list.csv", root=folder)) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=400), ending=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_any_bytes_give_samples_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"list.{ending}"
    for text in (content, b"text,key\n" + content, b'{"text": "' + content):
        path.write_bytes(text)
        try:
            source = data.open_source(path)
        except DataError:
            continue
        assert all(sample.parts for sample in source)
