from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interlingua.batch import Batch
from interlingua.content import FileContent
from interlingua.data.augment import Augment
from interlingua.data.errors_log import SkipLog
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, TextPreprocess
from interlingua.train.feature_fill import FeatureTable
from interlingua.train.view_batches import ViewBatches, ViewTable, collect_parts


def texts_of(*options: tuple[float, ...]) -> list[Sample]:
    """A sample for each, with a text ``s.n`` for each weight; without weights it has no text."""
    return [
        Sample(
            f"{number}",
            (OneOf(tuple(Text(f"{number}.{n}") for n in range(len(weights))), weights),)
            if weights
            else (),
        )
        for number, weights in enumerate(options)
    ]


def cached(table: ViewTable, unreadable: tuple[int, ...] = (), width: int = 3) -> ViewTable:
    """With features: part n, where it can be read, is a vector of n's."""
    readable = [n for n in range(len(table.parts)) if n not in unreadable]
    rows = torch.full((len(table.parts),), -1)
    rows[readable] = torch.arange(len(readable))
    values = torch.tensor(readable, dtype=torch.float32)[:, None].expand(-1, width)
    table.features = FeatureTable(values, torch.full((len(readable),), torch.nan), rows, 0)
    return table


def batches_of(samples: list[Sample], **options: Any) -> ViewBatches:
    return ViewBatches(samples, {"text": cached(collect_parts(samples, "text")[1], **options)})


def drawn(batch: Batch) -> dict[int, int]:
    """Place in the batch -> number of the part."""
    media = batch.media["text"]
    return dict(zip(media.owner.tolist(), media.tokens.pooled[:, 0].int().tolist(), strict=True))


def frequencies(make: ViewBatches, sample: int, count: int = 20_000) -> dict[int, float]:
    found = Counter(drawn(make([sample] * count, np.random.default_rng(0))).values())
    return {part: number / count for part, number in found.items()}


def test_parts_stand_in_the_order_of_the_samples() -> None:
    samples = texts_of((1.0,), (), (2.0, 1.0))
    parts, table = collect_parts(samples, "text")
    assert parts is table.parts
    assert [part.text for part in parts] == ["0.0", "2.0", "2.1"]
    assert table.sample.tolist() == [0, 2, 2]
    assert table.weights.tolist() == [1.0, 2.0, 1.0]


def test_a_label_stands_for_text_only_where_there_is_none() -> None:
    samples = [Sample("a", (Label("dog"),)), Sample("b", (Label("cat"), Text("a tabby")))]
    parts, table = collect_parts(samples, "text")
    assert parts == [Text("dog"), Text("a tabby")]
    assert table.sample.tolist() == [0, 1]
    assert collect_parts(samples, "image")[0] == []


def test_frequencies_follow_the_weights() -> None:
    make = batches_of(texts_of((1.0,), (5.0, 3.0, 2.0), (1.0, 1.0)))
    found = frequencies(make, 1)
    assert found.keys() == {1, 2, 3}
    for part, expected in ((1, 0.5), (2, 0.3), (3, 0.2)):
        assert found[part] == pytest.approx(expected, abs=0.015)


def test_weights_of_one_sample_say_nothing_of_another() -> None:
    make = batches_of(texts_of((1e18,), (1e-18, 3e-18), (1.0, 1e18)))
    found = frequencies(make, 1)
    assert found[1] == pytest.approx(0.25, abs=0.015)
    assert found[2] == pytest.approx(0.75, abs=0.015)
    assert frequencies(make, 2) == {4: 1.0}


def test_what_cant_be_read_is_never_drawn() -> None:
    make = batches_of(texts_of((1.0, 9.0), (1.0,), (5.0, 1.0, 5.0)), unreadable=(1, 2, 5))
    assert frequencies(make, 0, 2000) == {0: 1.0}
    found = frequencies(make, 2)
    assert found[3] == pytest.approx(5 / 6, abs=0.015) and found.keys() == {3, 4}
    batch = make([1, 0, 1], np.random.default_rng(0))
    assert drawn(batch) == {1: 0}  # sample 1 has nothing left
    assert batch.text_id.tolist()[0] == batch.text_id.tolist()[2] == -1


def test_an_alternative_of_weight_zero_is_never_drawn() -> None:
    make = batches_of(texts_of((0.0, 1.0, 0.0), (1.0, 0.0)))
    assert frequencies(make, 0, 2000) == {1: 1.0}
    assert frequencies(make, 1, 2000) == {3: 1.0}


class AlmostOne(np.random.Generator):
    """Draws the largest number below 1."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, np.nextafter(1.0, 0.0))


def test_rounding_never_leads_to_a_neighbour_or_to_what_cant_be_read() -> None:
    samples = texts_of(*[(0.1, 0.2, 0.7)] * 2000)
    make = batches_of(samples, unreadable=tuple(range(2, 6000, 3)))  # every sample's last
    assert drawn(make(range(2000), AlmostOne())) == {n: 3 * n + 1 for n in range(2000)}


def test_a_batch_names_its_samples_and_their_owners() -> None:
    samples = texts_of((1.0,), (), (1.0,))
    samples[2] = Sample("c", samples[2].parts, meta=Meta(component=7))
    batch = batches_of(samples)([2, 1, 0], np.random.default_rng(0))
    assert batch.keys == ["c", "1", "0"]
    assert batch.component.tolist() == [7, -1, -1]
    assert batch.media["text"].owner.tolist() == [0, 2]
    assert batch.text_id.tolist()[1] == -1


def test_a_view_that_nothing_in_the_batch_has_is_left_out() -> None:
    batch = batches_of(texts_of((1.0,), ()))([1], np.random.default_rng(0))
    assert batch.media == {}
    assert batch.text_id.tolist() == [-1]


def test_the_same_generator_gives_the_same_batch() -> None:
    make = batches_of(texts_of(*[(1.0, 1.0, 1.0)] * 50))
    first, again, other = (
        drawn(make(range(50), np.random.default_rng(seed))) for seed in (3, 3, 4)
    )
    assert first == again != other


def test_equal_texts_have_equal_ids_cached_or_not(world: Any) -> None:
    texts = ["x" * 100, "x" * 100 + "y", "x" * 100, "z"]
    samples = [Sample(f"{number}", (Text(text),)) for number, text in enumerate(texts)]
    _, decoded = collect_parts(samples, "text")
    decoded.preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
    _, kept = collect_parts(samples, "text")
    rows = torch.tensor([0, 1, 0, 2])
    kept.features = FeatureTable(torch.eye(3), torch.full((3,), torch.nan), rows, 0)
    for table in (decoded, kept):
        make = ViewBatches(samples, {"text": table})
        ids = make([3, 2, 1, 0], np.random.default_rng(0)).text_id.tolist()
        assert ids[1] == ids[3] and len(set(ids)) == 3 and min(ids) >= 0


def pictures(world: Any, names: tuple[str, ...], **options: Any) -> ViewBatches:
    samples = [Sample(n, (Image(FileContent(world.things / f"{n}.png")),)) for n in names]
    _, table = collect_parts(samples, "image")
    table.preprocess = ImagePreprocess(size=16, fit="pad")
    return ViewBatches(samples, {"image": table}, **{"skip_log": SkipLog(), **options})


def test_values_of_a_trained_tower_are_decoded_without_damaged_ones(world: Any) -> None:
    make = pictures(world, ("dog", "broken", "cat"))
    media = make([2, 1, 0], np.random.default_rng(0)).media["image"]
    assert media.tokens is None
    assert media.values.shape == (2, 3, 16, 16) and media.values.dtype == torch.uint8
    assert media.owner.tolist() == [0, 2]
    dog = make([0], np.random.default_rng(0)).media["image"].values
    assert torch.equal(media.values[1:], dog)


def test_a_batch_of_nothing_but_damage_is_an_empty_view(world: Any) -> None:
    make = pictures(world, ("broken",))
    media = make([0, 0], np.random.default_rng(0)).media["image"]
    assert len(media) == 0 and media.values is None


def test_damage_is_written_down_and_too_much_of_it_stops(world: Any, tmp_path: Path) -> None:
    log = SkipLog(tmp_path / "errors.jsonl", max_run=5)
    make = pictures(world, ("dog", "broken"), skip_log=log)
    for _ in range(4):
        make([0, 1], np.random.default_rng(0))
    assert log.counts == {"damaged": 4} and log.good_count == 4
    assert "broken.png" in (tmp_path / "errors.jsonl").read_text()
    with pytest.raises(DataError, match="5 samples in a row can't be read"):
        make([1] * 5, np.random.default_rng(0))


AUGMENT = Augment(crop_area=(0.4, 0.9), brightness=0.2)


def test_augmented_batches_come_again_by_their_generator(world: Any) -> None:
    make = pictures(world, ("dog", "cat", "owl"), augment=AUGMENT)
    first, again, other = (
        make([0, 1, 2], np.random.default_rng(seed)).media["image"].values for seed in (3, 3, 4)
    )
    assert first.shape == (3, 3, 16, 16) and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first, other)
    plain = pictures(world, ("dog", "cat", "owl"))([0, 1, 2], np.random.default_rng(3))
    assert not torch.equal(first, plain.media["image"].values)


def test_which_alternative_is_drawn_does_not_depend_on_augmentation(world: Any) -> None:
    files = tuple(Image(FileContent(world.things / f"{n}.png")) for n in ("dog", "cat"))
    texts = (Text("a dog"), Text("a cat"), Text("an owl"))
    samples = [Sample(str(n), (OneOf(texts), OneOf(files))) for n in range(20)]
    found = []
    for augment in (None, AUGMENT):
        tables = {}
        for view in ("text", "image"):  # the drawing of a view comes before its own changes
            _, tables[view] = collect_parts(samples, view)
        tables["text"].preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
        tables["image"].preprocess = ImagePreprocess(size=16, fit="pad")
        make = ViewBatches(samples, tables, augment=augment)
        found.append(make(range(20), np.random.default_rng(0)))
    assert torch.equal(found[0].text_id, found[1].text_id)


def test_a_stage_may_ask_for_another_size(world: Any) -> None:
    make = pictures(world, ("dog", "cat"), augment=AUGMENT)
    for size in (16, 24, 16):
        make.tables["image"].preprocess = ImagePreprocess(size=size, fit="pad")
        values = make([0, 1], np.random.default_rng(0)).media["image"].values
        assert values.shape == (2, 3, size, size)


def test_tokens_are_left_out_where_that_is_wanted(world: Any) -> None:
    samples = [Sample(str(n), (Text("a dog of a cat of a hen"),)) for n in range(30)]
    _, table = collect_parts(samples, "text")
    table.preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
    make = ViewBatches(samples, {"text": table}, augment=Augment(token_dropout=0.5))
    lengths = make(range(30), np.random.default_rng(0)).media["text"].mask.sum(1)
    assert 3 <= int(lengths.min()) < int(lengths.max()) <= 8 and len(lengths.unique()) > 2


def test_labels_come_with_the_batch(world: Any) -> None:
    samples = [
        Sample(name, (Text("a cat"),), meta=Meta(group=group))
        for name, group in (("a", "animals/cats"), ("b", "town"), ("c", "things"))
    ]
    _, table = collect_parts(samples, "text")
    make = ViewBatches(samples, {"text": cached(table)}, classes=("town", "animals"))
    batch = make([2, 1, 0], np.random.default_rng(0))
    assert batch.labels.tolist() == [-1, 0, 1]
    assert batch.to("cpu").labels.tolist() == [-1, 0, 1]
    assert batches_of(samples)([0], np.random.default_rng(0)).labels is None
    with pytest.raises(DataError, match="samples of 1 of the 2 classes"):
        ViewBatches(samples, {"text": cached(table)}, classes=("town", "sea"))


def test_texts_are_padded_to_the_longest(world: Any) -> None:
    samples = [Sample("a", (Text("a dog of a cat"),)), Sample("b", (Text("owl"),))]
    _, table = collect_parts(samples, "text")
    table.preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
    make = ViewBatches(samples, {"text": table})
    media = make([1, 0], np.random.default_rng(0)).media["text"]
    order = media.owner.tolist()
    assert sorted(order) == [0, 1]
    assert media.values.shape == media.mask.shape == (2, 5)
    assert media.mask.sum(1)[order.index(0)] == 1 and media.mask.sum(1)[order.index(1)] == 5


def test_sounds_of_different_buckets_are_padded_with_silence(world: Any) -> None:
    names = ("ant_en", "star_en")  # 0.54 s and 1.09 s
    samples = [
        Sample(name, (Audio(FileContent(world.things / f"{name}.wav"), "speech"),))
        for name in names
    ]
    _, table = collect_parts(samples, "speech")
    table.preprocess = AudioPreprocess(num_mels=8, max_seconds=4.0, bucket_seconds=0.5)
    make = ViewBatches(samples, {"speech": table})
    media = make([0, 1], np.random.default_rng(0)).media["speech"]
    assert media.values.shape == (2, 8, 150) and media.mask.shape == (2, 150)
    row = media.owner.tolist().index(0)
    alone = make([0], np.random.default_rng(0)).media["speech"]
    real = int(alone.mask.sum())
    assert int(media.mask[row].sum()) == real < 60
    assert torch.allclose(media.values[row][:, :real], alone.values[0][:, :real], atol=1e-5)
    silence = media.values[row][:, 110:]
    assert torch.allclose(silence, silence.min().expand_as(silence), atol=1e-5)
    assert silence.max() <= alone.values[0].min() + 1e-5
