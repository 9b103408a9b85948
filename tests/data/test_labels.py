from __future__ import annotations

from pathlib import Path

import pytest

from interlingua.data.labels import (
    ClassName,
    aliases,
    class_texts,
    classes_of,
    parse_class_names,
    read_class_names,
)
from interlingua.data.source import ListSource
from interlingua.errors import DataError
from interlingua.sample import Label, Sample


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_is_a_class_with_its_other_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "l.txt", "\ufeffdog; puppy\n# no class\n\nn02\ttench, Tinca  tinca\ncat\n"
    )
    assert read_class_names(path) == [
        ClassName("dog", ("dog", "puppy")),
        ClassName("n02", ("tench", "Tinca tinca")),
        ClassName("cat", ("cat",)),
    ]
    assert aliases("one, and a half; two") == ("one, and a half", "two")


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("dog\nn01\t\n", "no name", ":2"),
        ("\tdog\n", "no key", ":1"),
        ("dog\ncat\nDog\n", "Two classes have the name 'Dog'", ""),
        ("n1\tdog\nn1\tcat\n", "Two classes have the key 'n1'", ""),
        ("# nothing\n\n", "no class", ""),
        ("", "no class", ""),
        (";;\n", "no name", ":1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str, line: str) -> None:
    path = write(tmp_path / "l.txt", text)
    with pytest.raises(DataError, match=message) as caught:
        read_class_names(path)
    assert str(caught.value.where) == f"{path}{line}"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"\xff\xfe\x00d")
    for path in (tmp_path / "l.txt", tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match="can't be read as UTF-8"):
            read_class_names(path)


def test_names_may_repeat_where_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "l.txt", "n1\tcrane\nn2\tcrane\n")
    assert len(read_class_names(path, repeats=True)) == 2
    with pytest.raises(DataError, match="Two classes"):
        read_class_names(path)


def test_labels_of_a_command_line() -> None:
    assert parse_class_names("dog;puppy, red  panda") == [
        ClassName("dog", ("dog", "puppy")),
        ClassName("red panda", ("red panda",)),
    ]
    for text in ("dog,,cat", "", "dog,"):
        with pytest.raises(DataError, match="no name"):
            parse_class_names(text)
    with pytest.raises(DataError, match="Two classes"):
        parse_class_names("dog,DOG")


def test_classes_of_a_source_without_a_list_are_its_labels() -> None:
    samples = [Sample(str(n), (Label(name),)) for n, name in enumerate(["red_panda", "a-b", "a-b"])]
    source = ListSource("s", [*samples, Sample("none", ())])
    assert classes_of(source) == [
        ClassName("a-b", ("a b",)),
        ClassName("red_panda", ("red panda",)),
    ]


def test_texts_of_a_class() -> None:
    one = ClassName("k", ("dog", "pup {}"))
    assert [text.text for text in class_texts(one, ())] == ["dog", "pup {}"]
    assert [text.text for text in class_texts(one, ("a {}.",))] == ["a dog.", "a pup {}."]
