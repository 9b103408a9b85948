"""The cache of frozen features: the same bits always, every change noticed, nothing twice."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interlingua.content import BytesContent, FileContent, ZipContent
from interlingua.data.errors_log import SkipLog
from interlingua.data.gate import ImageLimits, MediaLimits
from interlingua.data.loader import decode
from interlingua.errors import DataError, TrainingError
from interlingua.sample import Audio, Image, Text
from interlingua.tokens import Tokens
from interlingua.towers.tower import ImagePreprocess, TextPreprocess, Tower
from interlingua.train.feature_cache import FeatureCache, FeatureTable

PREPROCESS = ImagePreprocess(size=32)


@pytest.fixture
def pictures(tiny_media: Path) -> list[Image]:
    return [Image(FileContent(p)) for p in sorted(tiny_media.iterdir()) if p.suffix != ".wav"]


@pytest.fixture
def sounds(tiny_media: Path) -> list[Audio]:
    return [Audio(FileContent(p)) for p in sorted(tiny_media.glob("*.wav"))]


class Counting(Tower):
    """Counts the rows that it computes; every row depends on its batch a little."""

    def __init__(self, batch_matters: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 5, 4, stride=4)
        self.batch_matters = batch_matters
        self.batches: list[int] = []

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        self.batches.append(len(values))
        pooled = self.convolution(values.float() / 255).mean((2, 3))
        if self.batch_matters:
            pooled = pooled + pooled.sum(0)
        return Tokens(pooled=pooled)

    @property
    def rows(self) -> int:
        return sum(self.batches)


def ask(
    cache: FeatureCache, tower: Any, parts: Sequence[Any], key: str = "key", **options: Any
) -> FeatureTable:
    return cache.features(
        tower, key, parts, options.pop("preprocess", PREPROCESS), batch_size=5, **options
    )


def test_features_are_those_of_the_tower(tmp_path: Path, pictures: list[Image]) -> None:
    tower = Counting()
    table = ask(FeatureCache(tmp_path), tower, pictures)
    assert len(table) == table.computed == len(pictures)
    with torch.inference_mode():
        for number in (0, 7, 35):
            [chunk] = decode([pictures[number]], PREPROCESS)
            expected = tower(chunk.values).pooled[0]
            torch.testing.assert_close(table.values[table.row(number)], expected)


def test_a_second_pass_computes_nothing_and_needs_no_tower(
    tmp_path: Path, pictures: list[Image]
) -> None:
    first = ask(FeatureCache(tmp_path), Counting(), pictures)

    def no_tower() -> Tower:
        raise AssertionError("the tower was made")

    second = ask(FeatureCache(tmp_path), no_tower, list(reversed(pictures)))
    assert second.computed == 0
    assert torch.equal(second.values[second.rows], first.values[first.rows].flip(0))


def test_equal_bytes_share_a_row(tmp_path: Path, pictures: list[Image]) -> None:
    tower = Counting()
    copy = Image(BytesContent(pictures[3].content.read(), "copy.gif"))
    table = ask(FeatureCache(tmp_path), tower, [*pictures[:5], copy, pictures[0]])
    assert tower.rows == 5
    assert table.row(5) == table.row(3)
    assert table.row(6) == table.row(0)


def test_a_changed_file_is_computed_again(tmp_path: Path, pictures: list[Image]) -> None:
    path = tmp_path / "picture"
    path.write_bytes(pictures[1].content.read())
    cache = FeatureCache(tmp_path / "cache")
    first = ask(cache, Counting(), [Image(FileContent(path))])
    old = path.stat().st_mtime_ns
    path.write_bytes(pictures[3].content.read())
    os.utime(path, ns=(old + 1, old + 1))
    second = ask(cache, Counting(), [Image(FileContent(path))])
    assert second.computed == 1
    assert not torch.equal(first.values, second.values)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "other weights"},
        {"precision": torch.bfloat16},
        {"preprocess": ImagePreprocess(size=32, trim=True)},
    ],
)
def test_everything_that_matters_is_in_the_key(
    tmp_path: Path, pictures: list[Image], change: dict[str, Any]
) -> None:
    cache, tower = FeatureCache(tmp_path), Counting()
    ask(cache, tower, pictures[:6])
    assert ask(cache, tower, pictures[:6], **change).computed == 6
    assert ask(cache, tower, pictures[:6]).computed == 0


def test_more_parts_cost_only_themselves(tmp_path: Path, pictures: list[Image]) -> None:
    cache, tower = FeatureCache(tmp_path), Counting(batch_matters=True)
    few = ask(cache, tower, pictures[10:20])
    many = ask(cache, tower, pictures)
    assert many.computed == len(pictures) - 10
    assert tower.rows == len(pictures)
    assert torch.equal(many.values[many.rows[10:20]], few.values[few.rows])
    again = ask(FeatureCache(tmp_path), tower, pictures)
    assert torch.equal(again.values[again.rows], many.values[many.rows])


class Interrupted(Exception):
    """Ends a fill."""


@pytest.mark.parametrize("after", [0, 1, 4, 5, 6])
def test_a_broken_off_fill_goes_on_with_the_same_batches(
    tmp_path: Path, pictures: list[Image], after: int
) -> None:
    """The tower's rows depend on their whole batch, so any other composition shows."""
    whole = ask(FeatureCache(tmp_path / "whole", 2), Counting(batch_matters=True), pictures)
    cache = FeatureCache(tmp_path / "broken", 2)
    tower = Counting(batch_matters=True)

    def interrupt(done: int, total: int) -> None:
        assert total == len(pictures)
        if done > after * 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        ask(cache, tower, pictures, on_progress=interrupt)
    # another list in between must not disturb it
    ask(cache, tower, pictures[30:32])
    resumed = ask(cache, tower, pictures)
    kept = torch.ones(len(pictures), dtype=torch.bool)
    kept[30:32] = False  # these two were computed for the list in between, by themselves
    assert torch.equal(resumed.values[resumed.rows][kept], whole.values[whole.rows][kept])
    again = ask(cache, tower, pictures)
    assert torch.equal(again.values[again.rows], resumed.values[resumed.rows])


def test_a_damaged_chunk_is_computed_again_loudly(
    tmp_path: Path, pictures: list[Image], caplog: pytest.LogCaptureFixture
) -> None:
    cache, tower = FeatureCache(tmp_path, 2), Counting(batch_matters=True)
    first = ask(cache, tower, pictures)
    chunks = sorted(tmp_path.rglob("chunk-*"))
    data = bytearray(chunks[1].read_bytes())
    data[-3] ^= 2
    chunks[1].write_bytes(data)
    chunks[2].write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        second = ask(cache, tower, pictures)
    assert caplog.text.count("are damaged; computing them again") == 2
    assert second.computed == 20
    assert torch.equal(first.values[first.rows], second.values[second.rows])
    third = ask(cache, tower, pictures)
    assert third.computed == 0


def test_a_damaged_plan_costs_time_only(tmp_path: Path, pictures: list[Image]) -> None:
    cache, tower = FeatureCache(tmp_path), Counting()
    first = ask(cache, tower, pictures)
    [plan] = tmp_path.rglob("plan-*.json")
    plan.write_bytes(plan.read_bytes()[:-40])
    second = ask(cache, tower, pictures)
    assert second.computed == len(pictures)
    assert torch.equal(first.values[first.rows], second.values[second.rows])
    assert ask(cache, tower, pictures).computed == 0


# -- media that can't be read ---------------------------------------------------------------------


def test_damaged_media_have_no_row_and_are_counted_each_time(
    tmp_path: Path, pictures: list[Image]
) -> None:
    parts = [
        *pictures[:4],
        Image(BytesContent(pictures[1].content.read()[:200], "cut.png")),
        Image(BytesContent(b"<html>no picture</html>", "page.png")),
        Image(BytesContent(b"", "empty.png")),
        Image(FileContent(tmp_path / "absent.png")),
        *pictures[4:8],
    ]
    for number in range(2):
        skip_log, tower = SkipLog(tmp_path / f"errors{number}.jsonl"), Counting()
        table = ask(FeatureCache(tmp_path / "cache"), tower, parts, skip_log=skip_log)
        assert [table.row(i) for i in range(4, 8)] == [None] * 4
        assert all(table.row(i) is not None for i in (*range(4), *range(8, 12)))
        assert skip_log.bad_count == 4
        assert skip_log.good_count == 8
        assert "missing" in skip_log.counts
        assert "cut.png" in (tmp_path / f"errors{number}.jsonl").read_text()
        assert tower.rows == (8 if number == 0 else 0)


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    parts = [Image(BytesContent(f"no picture {n}".encode())) for n in range(3)]
    for _ in range(2):
        table = ask(FeatureCache(tmp_path), Counting(), parts)
        assert len(table) == 0
        assert [table.row(n) for n in range(3)] == [None] * 3
    assert len(ask(FeatureCache(tmp_path), Counting(), [])) == 0


def test_too_many_damaged_stop_the_fill(tmp_path: Path) -> None:
    parts = [Image(BytesContent(f"no picture {n}".encode())) for n in range(150)]
    with pytest.raises(DataError, match="100 samples in a row"):
        ask(FeatureCache(tmp_path), Counting(), parts)


def test_what_was_too_large_is_tried_again_under_other_limits(
    tmp_path: Path, pictures: list[Image]
) -> None:
    cache = FeatureCache(tmp_path)
    strict = MediaLimits(image=ImageLimits(max_pixels=100))
    assert len(ask(cache, Counting(), pictures[:3], limits=strict)) == 0
    assert ask(cache, Counting(), pictures[:3]).computed == 3
    assert ask(cache, Counting(), pictures[:3]).computed == 0


def test_features_that_are_not_finite_are_left_out(tmp_path: Path, pictures: list[Image]) -> None:
    class Dividing(Counting):
        def forward(self, values: Tensor, mask: Any = None, layers: Any = ()) -> Tokens:
            pooled = super().forward(values).pooled
            pooled[0] = torch.nan
            return Tokens(pooled=pooled)

    skip_log = SkipLog()
    table = ask(FeatureCache(tmp_path), Dividing(), pictures[:10], skip_log=skip_log)
    assert skip_log.counts == {"not_finite": 2}
    assert len(table) == 8
    assert table.values.isfinite().all()


def test_errors_of_the_tower_always_stop(tmp_path: Path, pictures: list[Image]) -> None:
    class Broken(Counting):
        def forward(self, values: Tensor, mask: Any = None, layers: Any = ()) -> Tokens:
            raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        ask(FeatureCache(tmp_path), Broken(), pictures[:10])


def test_a_tower_without_pooled_vectors(tmp_path: Path, pictures: list[Image]) -> None:
    class Unpooled(Counting):
        def forward(self, values: Tensor, mask: Any = None, layers: Any = ()) -> Tokens:
            return Tokens(states=values.float())

    with pytest.raises(TrainingError, match="no pooled vectors"):
        ask(FeatureCache(tmp_path), Unpooled(), pictures[:2])


def test_parts_of_another_kind(tmp_path: Path, sounds: list[Audio]) -> None:
    with pytest.raises(DataError):
        ask(FeatureCache(tmp_path), Counting(), sounds[:2])


# -- other kinds, other processes --------------------------------------------------------------


def test_sounds_know_their_seconds(tmp_path: Path, sounds: list[Audio], tiny: ModuleType) -> None:
    import soundfile

    torch.manual_seed(0)
    tower = tiny.TinySoundTower()
    table = ask(FeatureCache(tmp_path), tower, sounds, preprocess=tower.preprocess)
    for number in (0, 5, 20):
        info = soundfile.info(str(sounds[number].content.path))
        row = table.row(number)
        assert float(table.seconds[row]) == pytest.approx(info.frames / info.samplerate, abs=1e-3)
        [chunk] = decode([sounds[number]], tower.preprocess)
        with torch.inference_mode():
            expected = tower(chunk.values, chunk.mask).pooled[0]
        torch.testing.assert_close(table.values[row], expected, rtol=1e-4, atol=1e-5)


def test_texts(tmp_path: Path) -> None:
    """With a real tokenizer of whole words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = {word: number for number, word in enumerate(["[UNK]", "a", "dog", "cat", "of"])}

    def preprocess_with(words: dict[str, int], folder: Path) -> TextPreprocess:
        backend = Tokenizer(WordLevel(words, unk_token="[UNK]"))
        backend.pre_tokenizer = Whitespace()
        folder.mkdir()
        backend.save(str(folder / "tokenizer.json"))
        return TextPreprocess(tokenizer=str(folder))

    class Bag(Tower):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.embedding = nn.Embedding(10, 4)

        def forward(self, values: Tensor, mask: Any = None, layers: Any = ()) -> Tokens:
            return Tokens(pooled=(self.embedding(values) * mask[:, :, None]).sum(1))

    texts = [Text("a dog"), Text("cat"), Text("a dog", language="en"), Text(""), Text("a \ud800")]
    one = preprocess_with(words, tmp_path / "one")
    table = ask(FeatureCache(tmp_path / "c"), Bag(), texts, preprocess=one)
    assert table.row(0) == table.row(2)
    assert table.row(3) is None
    assert table.row(4) is not None
    with torch.inference_mode():
        expected = Bag().embedding(torch.tensor([1, 2])).sum(0)
    torch.testing.assert_close(table.values[table.row(0)], expected)
    # the same tokenizer elsewhere is the same; another one in the same place is not
    same = preprocess_with(words, tmp_path / "two")
    assert ask(FeatureCache(tmp_path / "c"), Bag(), texts[:2], preprocess=same).computed == 0
    other = preprocess_with({**words, "cat": 2, "dog": 3}, tmp_path / "three")
    assert ask(FeatureCache(tmp_path / "c"), Bag(), texts[:2], preprocess=other).computed == 2


def test_a_tower_that_prepares_itself_is_not_autocast(
    tmp_path: Path, pictures: list[Image]
) -> None:
    seen: list[tuple[bool, torch.dtype]] = []

    class Preparing(Counting):
        def for_inference(self, precision: torch.dtype) -> Tower:
            seen.append((torch.is_autocast_enabled("cpu"), precision))
            return self

        def forward(self, values: Tensor, mask: Any = None, layers: Any = ()) -> Tokens:
            seen.append((torch.is_autocast_enabled("cpu"), values.dtype))
            return super().forward(values)

    ask(FeatureCache(tmp_path), Preparing(), pictures[:2], precision=torch.bfloat16)
    assert seen == [(False, torch.bfloat16), (False, torch.uint8)]


def test_members_of_an_archive(tmp_path: Path, pictures: list[Image]) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number, part in enumerate(pictures[:6]):
            archive.writestr(str(number), part.content.read())
    old = 1_600_000_000
    os.utime(tmp_path / "a.zip", (old, old))
    parts = [Image(ZipContent(tmp_path / "a.zip", str(number))) for number in range(6)]
    cache = FeatureCache(tmp_path / "cache")
    from_files = ask(cache, Counting(), pictures[:6])
    table = ask(cache, Counting(), parts)
    assert table.computed == 0
    assert torch.equal(table.values[table.rows], from_files.values[from_files.rows])
    remembered = (tmp_path / "cache" / "digests.jsonl").read_text()
    assert remembered.count("a.zip") == 6


def test_two_fills_at_once_compute_everything_once(tmp_path: Path, pictures: list[Image]) -> None:
    towers = [Counting(), Counting()]
    tables: list[FeatureTable] = []

    def work(tower: Counting) -> None:
        tables.append(ask(FeatureCache(tmp_path), tower, pictures))

    threads = [threading.Thread(target=work, args=(tower,)) for tower in towers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(tower.rows for tower in towers) == len(pictures)
    assert torch.equal(*(table.values[table.rows] for table in tables))


def test_leftovers_of_a_killed_fill_go(tmp_path: Path, pictures: list[Image]) -> None:
    cache = FeatureCache(tmp_path)
    ask(cache, Counting(), pictures[:5])
    [chunk] = tmp_path.rglob("chunk-*")
    leftover = chunk.with_name(chunk.name + ".tmp-12345678")
    leftover.touch()
    ask(cache, Counting(), pictures[:7])
    assert not leftover.exists()
