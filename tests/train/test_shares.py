"""Each share of a batch: together the shares are what one process would have made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from interlingua.batch import Batch
from interlingua.content import FileContent
from interlingua.errors import TrainingError
from interlingua.sample import Audio, Image, OneOf, Sample, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, TextPreprocess
from interlingua.train.empty_media import empty_media
from interlingua.train.processes import Processes
from interlingua.train.stream import ShuffledStream
from interlingua.train.view_batches import ViewBatches, collect_parts

NAMES = ("dog", "cat", "owl", "cow", "hen", "pig", "fox")


def things(world: Any, deaf: bool = False) -> ViewBatches:
    """Two texts each; the first alone has a sound, unless all are ``deaf``."""
    samples = []
    for number, name in enumerate(NAMES):
        parts: list[Any] = [
            Image(FileContent(world.things / f"{name}.png")),
            OneOf((Text(f"a {name}"), Text(name))),
        ]
        if number == 0 and not deaf:
            parts.append(Audio(FileContent(world.things / "dog.wav"), "sound"))
        samples.append(Sample(name, tuple(parts)))
    preprocess = {
        "image": ImagePreprocess(size=16, fit="pad"),
        "text": TextPreprocess(tokenizer=str(world.folder / "tokenizer.json")),
        "sound": AudioPreprocess(num_mels=8, bucket_seconds=0.5, max_seconds=2),
    }
    tables = {}
    for view, one in preprocess.items():
        parts, table = collect_parts(samples, view)
        if parts:
            table.preprocess, tables[view] = one, table
    return ViewBatches(samples, tables)


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_the_shares_are_the_batch(world: Any, world_size: int) -> None:
    make, places = things(world), [3, 0, 6, 2, 5, 1, 4]
    whole = make(places, np.random.default_rng(4))
    shares = [
        make(places, np.random.default_rng(4), share=Processes(rank, world_size).share(7))
        for rank in range(world_size)
    ]
    assert [key for share in shares for key in share.keys] == whole.keys
    for name in ("component", "text_id"):
        assert torch.equal(torch.cat([getattr(s, name) for s in shares]), getattr(whole, name))
    pictures = [share.media["image"] for share in shares]
    assert torch.equal(torch.cat([one.values for one in pictures]), whole.media["image"].values)
    assert [one.owner.tolist() for one in pictures] == [list(range(len(s))) for s in shares]
    sounds = [share.media["sound"] for share in shares]  # of one thing, known to all
    assert sum(map(len, sounds)) == 1
    assert {one.values.shape[1:] for one in sounds if not len(one)} == {(8, 50)}
    assert {one.mask.shape[1:] for one in sounds if not len(one)} == {(50,)}


def test_a_view_that_no_share_has_is_in_none(world: Any) -> None:
    share = things(world, deaf=True)(range(7), np.random.default_rng(0), share=range(3))
    assert share.media.keys() == {"image", "text"}


@pytest.mark.parametrize("count", [1, 2, 5, 16, 17])
@pytest.mark.parametrize("world_size", [1, 2, 3, 16])
def test_shares_are_contiguous_and_even(count: int, world_size: int) -> None:
    shares = [Processes(rank, world_size).share(count) for rank in range(world_size)]
    assert [place for share in shares for place in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_all_processes_have_one_order() -> None:
    def make(indices: Any, random: np.random.Generator, share: range | None = None) -> Batch:
        chosen = [f"{index}/{random.random():.6f}" for index in indices]
        return Batch(chosen if share is None else chosen[share.start : share.stop])

    one = ShuffledStream(11, 5, make, seed=2)
    three = [ShuffledStream(11, 5, make, seed=2, processes=Processes(r, 3)) for r in range(3)]
    for _ in range(9):
        assert [key for stream in three for key in stream.next().keys] == one.next().keys
    assert all(stream.state() == one.state() for stream in three)


def test_fewer_samples_than_processes_are_refused() -> None:
    stream = ShuffledStream(3, 8, lambda *_, **__: Batch([]), processes=Processes(0, 4))
    with pytest.raises(TrainingError, match="A batch of 3 samples has none"):
        stream.next()


@pytest.mark.parametrize(
    "preprocess",
    [
        ImagePreprocess(size=8),
        AudioPreprocess(bucket_seconds=0.5),
        TextPreprocess(max_tokens=6, pad_to_max=True),
    ],
    ids=lambda one: one.kind,
)
def test_one_stands_in_where_there_is_none(preprocess: Any) -> None:
    media = empty_media(preprocess)
    assert len(media) == 0 and media.values.shape[0] == 0
    one = media.stand_in()
    assert len(one) == 1
    assert one.values.shape == (1, *media.values.shape[1:])
    assert one.values.dtype == media.values.dtype
    assert one.mask is None or (one.mask.all() and one.mask.shape == (1, media.values.shape[-1]))
