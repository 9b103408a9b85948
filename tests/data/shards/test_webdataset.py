"""Side by side with the webdataset package: what we write it reads, what it writes we read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interlingua.data.shards.write import write_shards
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError

webdataset = pytest.importorskip("webdataset")


def theirs(paths: list[Path]) -> list[dict[str, Any]]:
    """What their reader gives, undecoded."""
    urls = [str(path) for path in paths]
    return list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))


def members(shards: Shards) -> list[dict[str, Any]]:
    """The same of ours, from the indexes."""
    found = []
    for shard in shards.shards:
        for number, key in enumerate(shard.index.all_keys()):
            sample: dict[str, Any] = {"__key__": key}
            for place in shard.index.places(number):
                sample[place.ending.lower()] = shard.file.read(place.offset, place.size)
            found.append(sample)
    return found


def without_place(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours = ("__url__", "__local_path__")
    return [{k: v for k, v in sample.items() if k not in ours} for sample in samples]


def test_they_read_what_we_write(things, tmp_path: Path) -> None:
    write_shards(things(11), tmp_path / "a", samples_per_shard=4)
    shards = Shards(Shards.Config(paths=[str(tmp_path / "a")]))
    found = theirs(sorted((tmp_path / "a").glob("*.tar")))
    assert without_place(found) == members(shards)
    assert found[3]["__key__"] == "some/thing%2E003"
    assert set(found[3]) >= {"png", "txt", "json", "wav"}
    assert (found[3]["txt"], json.loads(found[3]["json"])["key"]) == (b"thing 3", "some/thing.003")


def test_their_decoder_takes_our_members(things, tmp_path: Path) -> None:
    write_shards(things(3), tmp_path / "a")
    [path] = (tmp_path / "a").glob("*.tar")
    decoded = list(webdataset.WebDataset(str(path), shardshuffle=False).decode("rgb8"))
    assert decoded[1]["png"].shape == (12, 12, 3)
    assert (decoded[1]["txt"], decoded[1]["json"]["meta"]["group"]) == ("thing 1", "a/b")


@pytest.mark.parametrize("form", ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
def test_we_read_what_they_write(picture, sound, tmp_path: Path, form: str) -> None:
    with webdataset.TarWriter(str(tmp_path / "x-000000.tar"), format=form) as sink:
        for number in range(9):
            sample = {
                "__key__": f"part{number % 2}/sample{number:06d}",
                "png": picture(number),
                "txt": f"thing {number}",
                "cls": number % 3,
                "seg.PNG": picture(number + 100),
                "json": {"caption": "from the json", "language": "en", "group": "g"},
            }
            if number % 3 == 0:
                sample["wav"] = sound(number)
            sink.write(sample)
    shards = Shards(
        Shards.Config(
            paths=[str(tmp_path / "x-{000000..000000}.tar")],
            classes=["ant", "bee", "cat"],
            members={"image": "png"},
        )
    )
    assert members(shards) == without_place(theirs([tmp_path / "x-000000.tar"]))
    for number, sample in enumerate(shards):
        assert sample.key == f"part{number % 2}/sample{number:06d}"
        assert sample.alternatives("text")[0].text == f"thing {number}"
        assert sample.alternatives("text")[0].language == "en"
        assert sample.alternatives("label")[0].name == ("ant", "bee", "cat")[number % 3]
        assert sample.meta.group == "g"
        [image] = sample.alternatives("image")
        assert image.content.read() == picture(number)
        assert len(sample.alternatives("sound")) == (number % 3 == 0)
    assert len(shards) == 9


def test_a_shard_writer_of_theirs_with_many_shards(picture, tmp_path: Path) -> None:
    pattern = str(tmp_path / "y-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=4, verbose=0) as sink:
        for number in range(10):
            sink.write({"__key__": f"{number:05d}", "png": picture(number), "txt": f"{number}"})
    shards = Shards(Shards.Config(paths=[str(tmp_path / "y-{000..002}.tar")]))
    assert shards.shard_sizes == [4, 4, 2]
    assert members(shards) == without_place(theirs(sorted(tmp_path.glob("y-*.tar"))))


def test_what_they_would_unpickle_we_refuse(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "x.tar")) as sink:
        sink.write({"__key__": "a", "pyd": {"some": "object"}})
        sink.write({"__key__": "b", "pickle": {"some": "object"}, "txt": "words"})
    assert webdataset.WebDataset(str(tmp_path / "x.tar"), shardshuffle=False).decode() is not None
    shards = Shards(Shards.Config(paths=[str(tmp_path / "x.tar")]))
    assert [sample.key for sample in shards] == ["b"]
    assert [one.reason for one in shards.problems] == ["a pickle, which is never read"] * 2
    with pytest.raises(DataError, match="damaged: a pickle"):
        Shards(Shards.Config(paths=[str(tmp_path / "x.tar")], strict=True))
