from __future__ import annotations

from pathlib import Path

import pytest

from interlingua.data import open_source
from interlingua.data.labelled_sources import open_labelled
from interlingua.errors import ConfigError, DataError
from interlingua.sample import Label, OneOf, Text


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_each_folder_is_a_class_and_what_is_below_belongs_to_it(tmp_path: Path) -> None:
    touch(
        tmp_path, "red_panda/b.png", "red_panda/deep/a.JPG", "Cat/1.webp", "Cat/n.txt", ".x/1.png"
    )
    (tmp_path / "dog").mkdir()
    source = open_source("image_folder", path=tmp_path)
    assert [(one.key, one.name) for one in source.classes] == [
        ("Cat", "Cat"),
        ("dog", "dog"),
        ("red_panda", "red panda"),
    ]
    assert [sample.key for sample in source] == [
        "Cat/1.webp",
        "red_panda/b.png",
        "red_panda/deep/a.JPG",
    ]
    sample = source[2]
    assert sample.alternatives("label") == (Label("red_panda"),)
    assert sample.alternatives("text") == (Text("red panda"),)
    assert sorted(p.reason for p in source.problems) == [
        "a class without a picture",
        "the ending .txt is not read",
    ]


def test_names_come_from_a_file_by_key_or_by_order(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "n02/1.png", "n01/1.png")
    keyed, listed = tmp_path / "keyed.txt", tmp_path / "listed.txt"
    keyed.write_text("n02\tdog; hound\nn01\tcat\nn09\towl\n")
    listed.write_text("cat\ndog\n")
    source = open_labelled(root, names=keyed)
    assert [(one.key, one.names) for one in source.classes] == [
        ("n01", ("cat",)),
        ("n02", ("dog", "hound")),
    ]
    assert [one.name for one in open_labelled(root, names=listed).classes] == ["cat", "dog"]
    templated = open_source("image_folder", path=root, names=keyed, templates=["a {}."])
    assert templated[1].parts[1] == OneOf((Text("a dog."), Text("a hound.")))


def test_classes_without_names_are_refused(tmp_path: Path) -> None:
    numbers = touch(tmp_path / "numbers", "0/1.png", "1/1.png")
    with pytest.raises(DataError, match="have no names"):
        open_labelled(numbers)
    synsets = touch(tmp_path / "synsets", "n01440764/1.png")
    with pytest.raises(DataError, match="have no names"):
        open_labelled(synsets)
    names = tmp_path / "names.txt"
    names.write_text("0\tcat\n")
    with pytest.raises(DataError, match="1 classes have no name, '1' first"):
        open_labelled(numbers, names=names)
    names.write_text("cat\ndog\nowl\n")
    with pytest.raises(DataError, match="names 3 classes, there are 2 folders"):
        open_labelled(numbers, names=names)


def test_folders_that_mean_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "red_panda/1.png", "red panda/1.png")
    with pytest.raises(DataError, match="Two classes have the name"):
        open_labelled(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "empty", "flat", "no pictures"])
def test_what_is_no_class_folder(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "set"
    if kind != "missing":
        root.mkdir()
    if kind == "flat":
        touch(root, "a.png")
    if kind == "no pictures":
        touch(root, "cat/a.txt")
    with pytest.raises(DataError):
        open_source("image_folder", path=root)


def test_the_test_part_is_taken_where_a_set_has_parts(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/2.png", "val/dog/2.png")
    assert [sample.key for sample in open_labelled(tmp_path)] == ["cat/2.png", "dog/2.png"]
    assert open_labelled(tmp_path, split="train")[0].key == "cat/1.png"
    with pytest.raises(DataError, match="no such folder"):
        open_labelled(tmp_path, split="test")
    with pytest.raises(ConfigError, match="takes no images"):
        open_labelled(tmp_path, images=tmp_path)
