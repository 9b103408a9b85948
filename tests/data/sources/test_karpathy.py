"""The Karpathy split's layout, on pictures of our own: a test of layout, no benchmark."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pillow

from interlingua.data import open_source
from interlingua.data.labelled_sources import open_labelled
from interlingua.data.sources.karpathy import Karpathy
from interlingua.errors import DataError


def entry(number: int, split: str, folder: str = "val2014", captions: int = 5) -> dict[str, Any]:
    sentences = [
        {
            "tokens": ["caption"],
            "raw": f"caption {place}  of {number}\n",
            "imgid": number,
            "sentid": 10 * number + place,
        }
        for place in range(captions)
    ]
    found = {
        "sentids": [one["sentid"] for one in sentences],
        "imgid": number,
        "sentences": sentences,
        "split": split,
        "filename": f"COCO_{number:012d}.jpg",
    }
    return {**found, "filepath": folder, "cocoid": 1000 + number} if folder else found


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    entries = [
        entry(0, "test"),
        entry(1, "train", "train2014"),
        entry(2, "restval"),
        entry(3, "test", captions=7),
        entry(4, "val"),
    ]
    for one in entries:
        path = tmp_path / one["filepath"] / one["filename"]
        path.parent.mkdir(exist_ok=True)
        pillow.new("RGB", (8, 8), "red").save(path)
    path = tmp_path / "dataset_coco.json"
    path.write_text(json.dumps({"images": entries, "dataset": "coco"}))
    return path


def test_the_test_split_has_five_captions_per_picture(coco: Path) -> None:
    source = open_labelled(coco)
    assert isinstance(source, Karpathy)
    assert [sample.key for sample in source] == [
        "val2014/COCO_000000000000.jpg",
        "val2014/COCO_000000000003.jpg",
    ]
    texts = [[part.text for part in sample.alternatives("text")] for sample in source]
    assert texts[0] == [f"caption {place} of 0" for place in range(5)]
    assert len(texts[1]) == 5  # of seven
    assert [sample.meta.component for sample in source] == [0, 3]
    assert (source.benchmark, source.benchmark_size) == ("coco test", 5000)


def test_training_takes_restval_too_where_asked(coco: Path) -> None:
    assert len(open_labelled(coco, split="train")) == 1
    source = open_labelled(coco, split="train+restval")
    assert [sample.meta.component for sample in source] == [1, 2]
    assert source.benchmark == ""


def test_pictures_may_stand_elsewhere(coco: Path, tmp_path: Path) -> None:
    flickr = tmp_path / "flickr"
    entries = [entry(number, "test", folder="") for number in range(2)]
    (flickr / "flickr30k-images").mkdir(parents=True)
    for one in entries:
        pillow.new("RGB", (8, 8)).save(flickr / "flickr30k-images" / one["filename"])
    path = tmp_path / "dataset_flickr30k.json"
    path.write_text(json.dumps({"images": entries, "dataset": "flickr30k"}))
    assert len(open_labelled(path, images=flickr)) == 2
    assert len(open_labelled(path, images=flickr / "flickr30k-images")) == 2
    with pytest.raises(DataError, match="a picture that isn't there"):
        open_labelled(path)


def test_equal_names_in_two_folders_are_two_pictures(tmp_path: Path) -> None:
    entries = [entry(0, "test", "a"), entry(0, "test", "b")]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        pillow.new("RGB", (8, 8), "red").save(tmp_path / folder / entries[0]["filename"])
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"images": entries}))
    found = [
        sample.alternatives("image")[0].content.path.parent.name
        for sample in Karpathy(Karpathy.Config(path=path))
    ]
    assert found == ["a", "b"]


def test_the_name_counts_wherever_it_stands(coco: Path) -> None:
    value = json.loads(coco.read_text())
    behind = open_labelled(coco)
    coco.write_text(json.dumps({"dataset": "coco", "info": {"a": [1]}, "images": value["images"]}))
    assert list(open_labelled(coco)) == list(behind)
    assert {sample.meta.source for sample in behind} == {"coco"}
    coco.write_text(json.dumps({"images": value["images"], "dataset": ""}))
    assert {sample.meta.source for sample in open_labelled(coco)} == {"dataset_coco"}


def test_a_large_file_takes_the_memory_of_its_split(coco: Path) -> None:
    """Most of a file is words in pieces and other splits, of which nothing is kept."""
    value = json.loads(coco.read_text())
    value["images"] += [
        {**entry(number, "train"), "padding": "x" * 2000} for number in range(5, 6000)
    ]
    coco.write_text(json.dumps(value))
    del value
    assert coco.stat().st_size > 12_000_000
    tracemalloc.start()
    try:
        source = open_labelled(coco)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(source) == 2
    assert peak < 1_500_000


def test_bad_entries_are_noted_and_paths_stay_inside(coco: Path) -> None:
    value = json.loads(coco.read_text())
    outside = coco.parent.parent / "secret.jpg"
    pillow.new("RGB", (8, 8)).save(outside)
    value["images"] += [
        {**entry(5, "test"), "filename": "../secret.jpg"},
        {**entry(6, "test"), "filepath": "..", "filename": "secret.jpg"},
        {**entry(7, "test"), "filename": None},
        {**entry(3, "test"), "sentences": [{"raw": "  "}, {"tokens": []}, 3]},
    ]
    coco.write_text(json.dumps(value))
    source = open_labelled(coco)
    assert len(source) == 2
    assert sorted(p.reason for p in source.problems) == [
        "a picture that isn't there",
        "a picture that isn't there",
        "a picture without a caption",
        "an entry without a file name",
    ]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"images": 3}', '{"images": [1]}', '{"annotations": []}', '{"images": []}']
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(DataError):
        open_source("karpathy", path=path)
