"""The layouts of ImageNet, on a few pictures of our own: a test of layout, no benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as pillow

from interlingua.data.labelled_sources import open_labelled
from interlingua.data.sources.imagenet import ImageNet
from interlingua.errors import DataError

SYNSETS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish", "n02084071": "dog"}


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new("RGB", (8, 8), colour).save(path, "JPEG")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Kaggle's archive with three synsets, two of which have validation pictures."""
    lines = [f"{synset} {names}" for synset, names in SYNSETS.items()]
    (tmp_path / "LOC_synset_mapping.txt").write_text("\n".join(lines) + "\n")
    rows = ["ImageId,PredictionString"]
    inside = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    for number, synset in enumerate(["n02084071", "n01440764", "n02084071"], 1):
        name = f"ILSVRC2012_val_{number:08d}"
        picture(inside / "val" / f"{name}.JPEG")
        rows.append(f"{name},{synset} 85 1 499 272 {synset} 1 1 2 2 ")
    picture(inside / "val" / "ILSVRC2012_val_00000099.JPEG")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(rows) + "\n")
    picture(inside / "train" / "n01443537" / "n01443537_1.JPEG")
    return tmp_path


def labels(source: ImageNet) -> list[str]:
    return [sample.alternatives("label")[0].name for sample in source]


def test_flat_validation_pictures_are_named_by_the_table(root: Path) -> None:
    source = open_labelled(root)
    assert isinstance(source, ImageNet)
    assert labels(source) == ["n02084071", "n01440764", "n02084071"]
    assert [(one.key, one.names) for one in source.classes] == [
        ("n01440764", ("tench", "Tinca tinca")),
        ("n01443537", ("goldfish",)),
        ("n02084071", ("dog",)),
    ]
    assert [p.reason for p in source.problems] == ["a picture that the table doesn't name"]
    assert source.benchmark == ""  # three classes are not ImageNet


def test_synset_folders_and_present_classes_only(root: Path, tmp_path: Path) -> None:
    source = open_labelled(root, split="train")
    assert labels(source) == ["n01443537"]
    picture(tmp_path / "set" / "val" / "n02084071" / "a.JPEG")
    picture(tmp_path / "set" / "val" / "others" / "a.JPEG")
    (tmp_path / "set" / "LOC_synset_mapping.txt").write_text("n02084071 dog\nn01443537 goldfish\n")
    source = ImageNet(
        ImageNet.Config(root=tmp_path / "set", present_only=True, templates=["a {}."])
    )
    assert [one.key for one in source.classes] == ["n02084071"]
    assert source[0].alternatives("text")[0].text == "a dog."
    assert [p.reason for p in source.problems] == ["a folder that is no synset"]


def test_names_in_class_order(root: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("fish\nfish\nhound\n")  # two of ImageNet's own names are one word
    source = open_labelled(root, names=names)
    assert [one.name for one in source.classes] == ["fish", "fish", "hound"]
    names.write_text("fish\n")
    with pytest.raises(DataError, match="names 1 classes"):
        open_labelled(root, names=names)


def test_the_catalogue_names_the_classes_of_bare_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "names"
    cache.mkdir()
    listed = [
        {"index": n, "synset": synset, "lemmas": names.split(", "), "definition": ""}
        for n, (synset, names) in enumerate(SYNSETS.items())
    ]
    (cache / "imagenet_names.json").write_text(json.dumps(listed))
    monkeypatch.setattr("interlingua.weights.get", lambda name: cache)
    for synset in SYNSETS:
        picture(tmp_path / "set" / "val" / synset / "a.JPEG")
    source = open_labelled(tmp_path / "set")
    assert [one.key for one in source.classes] == sorted(SYNSETS)
    (cache / "imagenet_names.json").write_text("[]x")
    with pytest.raises(DataError, match="can't be read"):
        open_labelled(tmp_path / "set")


def test_what_is_missing_is_said(root: Path) -> None:
    with pytest.raises(DataError, match="no 'train' folder"):
        ImageNet(ImageNet.Config(root=root / "ILSVRC", split="train"))
    (root / "LOC_val_solution.csv").unlink()
    with pytest.raises(DataError, match="no table of their classes"):
        ImageNet(ImageNet.Config(root=root))
    (root / "LOC_synset_mapping.txt").write_text("tench\n")
    with pytest.raises(DataError, match="not a synset"):
        ImageNet(ImageNet.Config(root=root, split="train"))


def test_real_names_of_all_classes(real_weights, tmp_path: Path) -> None:
    real_weights("imagenet-names")
    picture(tmp_path / "val" / "n01440764" / "a.JPEG")
    source = open_labelled(tmp_path)
    assert len(source.classes) == 1000
    assert [one.key for one in source.classes] == sorted(one.key for one in source.classes)
    assert (source.classes[0].name, source.classes[1].name) == ("tench", "goldfish")
    assert (source.benchmark, source.benchmark_size) == ("ImageNet-1k val", 50_000)
