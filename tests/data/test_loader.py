"""Batches: the same whatever the threads, nothing lost, damaged parts reported in order."""

from __future__ import annotations

import io
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from interlingua.content import BytesContent
from interlingua.data.errors_log import SkipLog
from interlingua.data.gate import ImageLimits, MediaLimits
from interlingua.data.image import decode_pixels
from interlingua.data.loader import Chunk, available_cores, decode, plan
from interlingua.data.sound import to_frames
from interlingua.errors import DataError, MediaError
from interlingua.sample import Audio, Image, Part, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, TextPreprocess

PIXELS = ImagePreprocess(size=32)
FRAMES = AudioPreprocess()


def picture(number: int, size: tuple[int, int] = (50, 40)) -> Image:
    noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(noise).save(buffer, "PNG")
    return Image(BytesContent(buffer.getvalue(), f"{number}.png"))


def samples(number: int, seconds: float) -> np.ndarray:
    count = round(seconds * 16_000)
    return (np.random.default_rng(number).standard_normal(count) * 3000).astype("<i2")


def sound(number: int, seconds: float) -> Audio:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples(number, seconds).tobytes())
    return Audio(BytesContent(buffer.getvalue(), f"{number}.wav"))


def same(one: list[Chunk], other: list[Chunk]) -> bool:
    return len(one) == len(other) and all(
        a.index == b.index and torch.equal(a.values, b.values)
        for a, b in zip(one, other, strict=True)
    )


def test_pictures_come_in_their_order_with_the_bits_of_decoding_alone() -> None:
    parts: list[Part] = [picture(number, (40 + number, 60)) for number in range(10)]
    chunks = list(decode(parts, PIXELS, batch_size=4))
    assert [chunk.index for chunk in chunks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [tuple(chunk.values.shape) for chunk in chunks] == [(4, 3, 32, 32)] * 2 + [
        (2, 3, 32, 32)
    ]
    for chunk in chunks:
        assert chunk.values.is_contiguous(memory_format=torch.channels_last)
        for number, values in zip(chunk.index, chunk.values, strict=True):
            assert torch.equal(values, decode_pixels(parts[number].content, PIXELS))


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_threads_change_nothing(kind: str) -> None:
    if kind == "image":
        parts: list[Part] = [picture(number) for number in range(30)]
        preprocess = PIXELS
    else:
        pytest.importorskip("soundfile")
        parts = [sound(number, 0.3 + number % 5) for number in range(30)]
        preprocess = FRAMES
    alone = list(decode(parts, preprocess, batch_size=8, threads=1))
    assert same(alone, list(decode(parts, preprocess, batch_size=8, threads=7)))
    assert sorted(n for chunk in alone for n in chunk.index) == list(range(30))


def test_a_broken_off_fill_goes_on_with_the_same_bits() -> None:
    parts: list[Part] = [picture(number) for number in range(20)]
    batches = plan(parts, PIXELS, batch_size=6)
    whole = list(decode(parts, PIXELS, batch_size=6))
    rest = list(decode(parts, PIXELS, batches=batches[2:]))
    assert same(whole[2:], rest)


def test_sounds_are_bucketed_and_each_batch_has_one_length() -> None:
    pytest.importorskip("soundfile")
    lengths = [0.5, 5.0, 1.0, 3.0, 0.2, 40.0, 1.9]
    parts: list[Part] = [sound(number, seconds) for number, seconds in enumerate(lengths)]
    assert plan(parts, FRAMES, batch_size=3) == [[0, 2, 4], [6], [3], [1], [5]]
    chunks = list(decode(parts, FRAMES, batch_size=3))
    assert [chunk.values.shape[-1] for chunk in chunks] == [200, 200, 400, 600, 3000]
    for chunk in chunks:
        for row, number in enumerate(chunk.index):
            frames, seconds = to_frames(
                samples(number, lengths[number]) / np.float32(32_768), FRAMES
            )
            assert torch.allclose(chunk.values[row], frames, atol=1e-5)
            assert chunk.seconds[row] == pytest.approx(seconds)
            assert int(chunk.mask[row].sum()) == -(-round(min(lengths[number], 30) * 16_000) // 160)


def test_a_plan_that_was_wrong_about_lengths_loses_nothing() -> None:
    pytest.importorskip("soundfile")
    parts: list[Part] = [sound(0, 0.5), sound(1, 5.0)]
    (chunk,) = decode(parts, FRAMES, batches=[[0, 1]])
    assert chunk.values.shape == (2, 80, 600)
    assert chunk.seconds.tolist() == [0.5, 5.0]
    assert chunk.mask.sum(1).tolist() == [50, 500]


def test_damaged_parts_are_reported_in_order_and_left_out() -> None:
    bad = Image(BytesContent(b"<html>", "bad.png"))
    empty = Image(BytesContent(b"", "empty.png"))
    parts: list[Part] = [picture(0), bad, picture(1), empty, bad, bad, picture(2)]
    seen: list[tuple[int, str]] = []

    def on_error(number: int, part: Part, error: MediaError) -> None:
        assert part is parts[number]
        seen.append((number, error.reason))

    chunks = list(decode(parts, PIXELS, batch_size=2, threads=4, on_error=on_error))
    assert [chunk.index for chunk in chunks] == [[0], [2], [6]]  # nothing is left of the third
    assert seen == [(1, "not_an_image"), (3, "empty"), (4, "not_an_image"), (5, "not_an_image")]


def test_without_on_error_the_first_error_is_raised() -> None:
    parts: list[Part] = [picture(0), Image(BytesContent(b"", "empty.png"))]
    with pytest.raises(MediaError, match="empty"):
        list(decode(parts, PIXELS))


def test_on_error_may_stop_the_run() -> None:
    def stop(number: int, part: Part, error: MediaError) -> None:
        raise DataError("Too much is damaged.")

    with pytest.raises(DataError):
        list(decode([Image(BytesContent(b""))], PIXELS, on_error=stop))


def test_errors_in_our_own_code_stop() -> None:
    class Broken:
        name = "broken"
        suffix = ".png"

        def size(self) -> int:
            raise TypeError("a bug")

        def read(self) -> bytes:
            return b""

    with pytest.raises(TypeError):
        list(decode([Image(Broken())], PIXELS, on_error=lambda *_: None))


def test_read_ahead_is_bounded_and_stopping_early_leaves_no_threads() -> None:
    reads: list[int] = []

    class Counting:
        name = "counting"
        suffix = ".png"
        data = picture(0).content.read()

        def size(self) -> int:
            return len(self.data)

        def read(self) -> bytes:
            reads.append(1)
            return self.data

    stream = decode([Image(Counting())] * 1000, PIXELS, batch_size=5, threads=3)
    next(stream)
    stream.close()
    assert 5 <= len(reads) <= 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_limits_reach_the_gate() -> None:
    limits = MediaLimits(image=ImageLimits(max_pixels=10))
    with pytest.raises(MediaError) as caught:
        list(decode([picture(0)], PIXELS, limits=limits))
    assert caught.value.reason == "too_large"


def test_parts_of_another_kind_are_refused() -> None:
    with pytest.raises(DataError, match="was given a text"):
        list(decode([picture(0), Text("a dog")], PIXELS))


def test_no_parts() -> None:
    assert list(decode([], PIXELS)) == []
    assert list(decode([], FRAMES)) == []


def test_texts_are_sorted_by_length_and_blank_ones_reported(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    words = {"[UNK]": 0, "a": 1, "dog": 2}
    backend = Backend(models.WordLevel(words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    parts: list[Part] = [Text("a dog a dog"), Text("dog"), Text("  "), Text("a dog"), Text("a")]
    blank: list[int] = []
    preprocess = TextPreprocess(tokenizer=str(tmp_path))
    chunks = list(
        decode(parts, preprocess, batch_size=2, on_error=lambda number, *_: blank.append(number))
    )
    assert [chunk.index for chunk in chunks] == [[4], [1, 3], [0]]
    assert chunks[1].values.tolist() == [[2, 0], [1, 2]]
    assert chunks[1].mask.tolist() == [[True, False], [True, True]]
    assert blank == [2]


@pytest.mark.slow
def test_all_clipart_is_read_but_what_is_giant(real_data) -> None:
    from interlingua import data

    real_data("clipart")
    parts: list[Part] = [sample.alternatives("image")[0] for sample in data.open_source("clipart")]
    log = SkipLog()
    for chunk in decode(parts, ImagePreprocess(), on_error=lambda _n, _p, error: log.bad(error)):
        log.good(len(chunk))
    assert log.counts == {"too_large": 18}
    assert log.good_count == len(parts) - 18


@pytest.mark.slow
def test_all_stamps_sounds_and_drawings_are_read(real_data) -> None:
    pytest.importorskip("soundfile")
    from interlingua import data

    real_data("stamps")
    every = [part for sample in data.open_source("stamps") for part in sample.all_parts()]
    sounds = [part for part in every if isinstance(part, Audio)]
    pictures = [part for part in every if isinstance(part, Image)]
    assert sum(len(chunk) for chunk in decode(sounds, FRAMES)) == len(sounds) > 5_000
    assert sum(len(chunk) for chunk in decode(pictures, PIXELS)) == len(pictures) > 690


def test_cores_are_counted() -> None:
    assert available_cores() >= 1
