from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest

from interlingua.report.data import View
from interlingua.report.first_batch import (
    FirstBatches,
    FirstMedium,
    FirstSample,
    FirstStage,
    first_batch_page,
    spectrogram,
)

PIXELS = numpy.zeros((8, 8, 3), numpy.uint8)
TONE = View(samples=numpy.sin(numpy.arange(8000) / 5).astype(numpy.float32), sample_rate=16_000)


def page(tmp_path: Path, *samples: FirstSample, warnings: tuple[str, ...] = ()) -> str:
    stage = FirstStage("<heads>", [("step", "0.2 s")], samples, num_samples=9)
    data = FirstBatches("mine: the first batch", [("recipe", "mi\u202ene")], warnings, [stage])
    path = first_batch_page(data, tmp_path / "new" / "page.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def full(tmp_path: Path) -> str:
    media = (
        FirstMedium("image", pixels=PIXELS),
        FirstMedium("text", pieces=("[CLS]", "<script>", "##s"), cut=True),
        FirstMedium("sound", frames=numpy.random.rand(8, 20), sound=TONE),
        FirstMedium("grid", numbers=(1.0, 2.5)),
        FirstMedium("speech"),
    )
    sample = FirstSample("dog\n<b>", media, twins=3)
    return page(tmp_path, sample, warnings=("The checkpoints need 9 GB",))


def test_each_medium_is_shown_as_it_is(full: str) -> None:
    assert full.count("<img ") == 2  # the picture and the frames
    assert re.findall(r"<li><bdi>([^<]*)</bdi></li>", full) == ["[CLS]", "&lt;script&gt;", "##s"]
    assert "as many as fit" in full
    assert "data-sound" in full
    assert "1, 2.5" in full
    assert "not kept for this page" in full
    assert "the same thing as 3 others here" in full
    assert "1 of 9 samples" in full
    assert "The checkpoints need 9 GB" in full


def test_nothing_in_it_is_markup_of_strangers(full: str) -> None:
    assert "<b>" not in full
    assert "&lt;heads&gt;" in full
    assert "\u202e" not in full
    assert "⟨U+202E⟩" in full


def test_a_text_without_tokens_says_so(tmp_path: Path) -> None:
    assert "no token" in page(tmp_path, FirstSample("a", (FirstMedium("text", pieces=()),)))


def test_long_texts_are_cut_on_the_page_only(tmp_path: Path) -> None:
    text = page(tmp_path, FirstSample("a", (FirstMedium("text", pieces=("x",) * 100),)))
    assert "and 40 more" in text
    assert "100 tokens" in text


def test_low_tones_are_at_the_bottom_and_loud_ones_dark() -> None:
    frames = numpy.zeros((4, 2), numpy.float32)
    frames[0, 1] = 5.0
    picture = spectrogram(frames)
    assert picture.shape == (4, 2, 3)
    assert picture[3, 1].tolist() == [0, 0, 0]
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert spectrogram(numpy.full((2, 2), numpy.nan)).max() == 255
