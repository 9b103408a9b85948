"""Batches straight from shards: those of any number of readers and processes are the same."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from interlingua.batch import Batch
from interlingua.content import BytesContent
from interlingua.data.augment import Augment
from interlingua.data.errors_log import SkipLog
from interlingua.data.joined import Joined
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError
from interlingua.sample import Image, Label, Meta, OneOf, Sample, Text
from interlingua.towers.tower import ImagePreprocess, TextPreprocess
from interlingua.train.prefetch import Prefetched
from interlingua.train.processes import Processes
from interlingua.train.shard_stream import ShardStream
from interlingua.train.source_batches import SourceBatches
from interlingua.train.stream import ShuffledStream
from interlingua.train.view_batches import ViewBatches, collect_parts

NAMES = ("dog", "cat", "owl", "cow", "hen", "pig", "fox")
COUNT = 23


def picture(number: int) -> bytes:
    file = io.BytesIO()
    pillow.new("RGB", (20, 12), (number * 10 % 256, 50, 200)).save(file, "PNG")
    return file.getvalue()


def things() -> ListSource:
    samples = []
    for number in range(COUNT):
        name = NAMES[number % len(NAMES)]
        words = OneOf((Text(f"a {name}"), Text(name)), (3.0, 1.0)) if number % 4 else Label(name)
        parts = (Image(BytesContent(picture(number))), words)
        meta = Meta(component=number // 2 if number % 5 else None)
        samples.append(Sample(f"k{number:02d}", parts, meta=meta))
    return ListSource("things", samples)


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    write_shards(things(), tmp_path / "shards", samples_per_shard=5)
    return Shards(Shards.Config(paths=[str(tmp_path / "shards")]))


@pytest.fixture
def preprocess(world: Any) -> dict[str, Any]:
    return {
        "image": ImagePreprocess(size=16, fit="pad"),
        "text": TextPreprocess(tokenizer=str(world.folder / "tokenizer.json")),
    }


def facts(batch: Batch) -> dict[str, Any]:
    """All that a batch holds, as plain data."""
    media = {
        view: [
            None if tensor is None else tensor.tolist()
            for tensor in (one.owner, one.values, one.mask)
        ]
        for view, one in batch.media.items()
    }
    return {
        "keys": batch.keys, "component": batch.component.tolist(), "media": media,
        "text_id": batch.text_id.tolist(),
    }  # fmt: skip


def test_what_is_in_a_batch(shards: Shards, preprocess: dict[str, Any]) -> None:
    """The pictures and ids are those that ``ViewBatches`` makes of the same alternatives."""
    batch = SourceBatches(shards, preprocess)([3, 8, 22, 4], np.random.default_rng(1))
    assert batch.keys == ["k03", "k08", "k22", "k04"]
    assert batch.component.tolist() == [1, 4, 11, 2]
    samples = list(things())
    tables = {}
    for view, one in preprocess.items():
        _, table = collect_parts(samples, view)
        table.preprocess, tables[view] = one, table
    theirs = ViewBatches(samples, tables)([3, 8, 22, 4], np.random.default_rng(1))
    assert torch.equal(batch.media["image"].values, theirs.media["image"].values)
    assert batch.media["text"].owner.tolist() == [0, 1, 2, 3]
    assert set(batch.media) == {"image", "text"}


def test_alternatives_are_drawn_by_weight(shards: Shards, preprocess: dict[str, Any]) -> None:
    batches = SourceBatches(shards, {"text": preprocess["text"]})
    ids = Counter(batches([1], np.random.default_rng(seed)).text_id.item() for seed in range(200))
    assert sorted(ids.values())[0] / 200 == pytest.approx(0.25, abs=0.08)
    assert len(ids) == 2


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_shares_are_the_batch(
    shards: Shards, preprocess: dict[str, Any], world_size: int
) -> None:
    make, places = SourceBatches(shards, preprocess), [3, 0, 16, 2, 5, 21, 4]
    whole = make(places, np.random.default_rng(4))
    shares = [
        make(places, np.random.default_rng(4), share=Processes(rank, world_size).share(7))
        for rank in range(world_size)
    ]
    assert [key for share in shares for key in share.keys] == whole.keys
    for name in ("component", "text_id"):
        assert torch.equal(torch.cat([getattr(s, name) for s in shares]), getattr(whole, name))
    pictures = torch.cat([share.media["image"].values for share in shares])
    assert torch.equal(pictures, whole.media["image"].values)


def test_readers_and_batches_ahead_change_nothing(
    shards: Shards, preprocess: dict[str, Any]
) -> None:
    augment = Augment(crop_area=(0.5, 1.0), token_dropout=0.3)

    def flow(readers: int, ahead: int) -> Any:
        make = SourceBatches(shards, preprocess, augment=augment, readers=readers)
        inner = ShardStream(shards.shard_sizes, 4, make, window=2, ahead=shards.keep, seed=2)
        return Prefetched(inner, ahead) if ahead else inner

    plain = flow(0, 0)
    expected = [facts(plain.next()) for _ in range(15)]
    for before, after in (((0, 0), (4, 2)), ((4, 2), (0, 0)), ((1, 1), (2, 0)), ((2, 0), (1, 1))):
        first, second = flow(*before), flow(*after)
        found = [facts(first.next()) for _ in range(7)]
        second.restore(json.loads(json.dumps(first.state())))
        found += [facts(second.next()) for _ in range(8)]
        for one in (first, second):
            getattr(one, "close", lambda: None)()
        assert found == expected
    per_epoch = flow(0, 0).batches_per_epoch
    keys = Counter(chain.from_iterable(one["keys"] for one in expected[:per_epoch]))
    assert keys == Counter(f"k{number:02d}" for number in range(COUNT))


def test_damage_is_counted_with_shard_and_key(
    shards: Shards, preprocess: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "shards" / "things-000001.tar"
    data = bytearray(path.read_bytes())
    index = shards.shards[1].index
    for sample, ending in ((0, "png"), (2, "json")):
        [place] = [one for one in index.places(sample) if one.ending == ending]
        data[place.offset + place.size // 2] ^= 1
    path.write_bytes(data)
    log = SkipLog(tmp_path / "errors.jsonl")
    batch = SourceBatches(shards, preprocess, log)([4, 5, 6, 7, 8], np.random.default_rng(0))
    assert batch.keys == ["k04", "k05", "k06", "k08"], "of one not even the words are to be had"
    assert batch.media["image"].owner.tolist() == [0, 2, 3]
    assert batch.media["text"].owner.tolist() == [0, 1, 2, 3]
    records = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert [(one["reason"], one["key"], one["source"]) for one in records] == [
        ("checksum", "k07", "things"), ("checksum", "k05", "things")
    ]  # fmt: skip
    assert [one["where"].rpartition("/")[2] for one in records] == [
        "things-000001.tar::k07.json", "things-000001.tar::k05.png"
    ]  # fmt: skip


def test_too_much_damage_stops(shards: Shards, preprocess: dict[str, Any], tmp_path: Path) -> None:
    for path in (tmp_path / "shards").glob("*.tar"):
        path.write_bytes(b"\0" * path.stat().st_size)
    batches = SourceBatches(shards, preprocess, SkipLog(max_run=10))
    with pytest.raises(DataError, match="10 samples in a row"):
        batches(range(20), np.random.default_rng(0))


def test_a_view_that_a_share_lacks_is_there_and_empty(preprocess: dict[str, Any]) -> None:
    source = ListSource("words", [Sample(f"{n}", (Text(f"t {n}"),)) for n in range(4)])
    batch = SourceBatches(source, preprocess)(range(4), np.random.default_rng(0), share=range(2))
    assert len(batch.media["image"]) == 0
    assert batch.media["image"].values.shape == (0, 3, 16, 16)
    whole = SourceBatches(source, preprocess)(range(4), np.random.default_rng(0))
    assert set(whole.media) == {"text"}


def test_a_weighted_mixture_of_shards(shards: Shards, preprocess: dict[str, Any]) -> None:
    """Two sources as one: exact weights within an epoch, across a resume and processes."""
    other = ListSource("other", [Sample(f"o{n}", (Text(f"other {n}"),)) for n in range(10)])
    joined = Joined([shards, other], weights=[2.0, 0.5])
    assert (len(joined), joined.shard_sizes) == (33, [5, 5, 5, 5, 3, 10])
    assert joined[-1].key == "o9"
    assert [one.key for one in joined] == [joined[n].key for n in range(33)]
    make = SourceBatches(joined, {"text": preprocess["text"]})

    def flow(rank: int, world: int) -> ShuffledStream:
        return ShuffledStream(
            len(joined), 8, make, seed=1, repeats=joined.repeats, processes=Processes(rank, world)
        )

    expected = Counter[str]()
    one = flow(0, 1)
    count = one.batches_per_epoch
    for _ in range(count):
        expected.update(one.next().keys)
    assert all(expected[f"k{number:02d}"] == 2 for number in range(COUNT))
    assert all(expected[f"o{number}"] <= 1 for number in range(10))
    found = Counter[str]()
    state = None
    for world, batches in ((2, 3), (1, 2), (3, count - 5)):
        ranks = [flow(rank, world) for rank in range(world)]
        for rank in ranks:
            if state is not None:
                rank.restore(state)
            for _ in range(batches):
                found.update(rank.next().keys)
        state = ranks[0].state()
    assert found == expected


def test_memory_does_not_grow_with_the_source(preprocess: dict[str, Any]) -> None:
    """No list of the samples is kept: a source of a million that are made when asked for."""

    class Endless:
        name = "endless"
        problems = ()
        asked = 0

        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: int) -> Sample:
            self.asked += 1
            return Sample(str(index), (Text(f"text {index}"),))

    source = Endless()
    stream = ShuffledStream(
        len(source), 4, SourceBatches(source, {"text": preprocess["text"]}), seed=0
    )
    assert len(stream.next().keys) == 4
    assert source.asked == 4
