from __future__ import annotations

import math

import numpy as np
import pytest

from interlingua.data import degrade
from interlingua.data.degrade import generator
from interlingua.errors import DataError


def drawing() -> np.ndarray:
    """A disc and a bar on white, [60, 80, 3]."""
    picture = np.full((60, 80, 3), 255, np.uint8)
    row, column = np.mgrid[:60, :80]
    picture[(row - 30) ** 2 + (column - 25) ** 2 < 200] = (200, 30, 30)
    picture[10:50, 60:70] = (10, 10, 90)
    return picture


def tone(seconds: float = 0.5, rate: int = 8_000) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def power(wave: np.ndarray) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64)))


def test_a_generator_depends_on_its_names_alone() -> None:
    first = generator(0, "hide", 0.5, "dog").random(4)
    assert np.array_equal(first, generator(0, "hide", 0.5, "dog").random(4))
    assert not np.array_equal(first, generator(1, "hide", 0.5, "dog").random(4))
    assert not np.array_equal(first, generator(0, "hide", 0.5, "cat").random(4))
    # the same on every machine and in every version
    assert generator("a", 1).integers(1_000_000, size=3).tolist() == [61044, 353833, 538167]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.75, 0.999, 1.0])
def test_the_share_of_what_is_drawn_is_hidden_exactly(share: float) -> None:
    picture = drawing()
    before = degrade.drawn(picture)
    after = degrade.drawn(degrade.hide(picture, share, generator(share)))
    assert before.sum() - after.sum() == round(share * before.sum())
    assert not (after & ~before).any()


def test_what_is_hidden_hangs_together_and_lies_elsewhere_each_time() -> None:
    picture = drawing()
    before = degrade.drawn(picture)
    hidden = [
        before & ~degrade.drawn(degrade.hide(picture, 0.2, generator(number)))
        for number in range(8)
    ]
    for one in hidden:
        rows, columns = np.nonzero(one)
        box = before[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        inside = one[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.sum() >= 0.6 * box.sum(), "but for the last ring all in the square is hidden"
    assert len({one.tobytes() for one in hidden}) > 4


def test_a_whole_picture_hidden_is_paper_and_the_original_stays() -> None:
    picture = drawing()
    picture[0, 0] = 250  # too faint to count as drawn
    kept = picture.copy()
    assert (degrade.hide(picture, 1.0, generator(0)) == 255).all()
    assert np.array_equal(picture, kept)
    blank = np.full((4, 4, 3), 255, np.uint8)
    assert np.array_equal(degrade.hide(blank, 0.5, generator(0)), blank)


def test_levels_are_decibels() -> None:
    assert degrade.signal_to_noise(0.0) == math.inf
    assert degrade.signal_to_noise(1.0) == -math.inf
    assert [degrade.signal_to_noise(level) for level in (0.25, 0.5, 0.75)] == [10.0, 0.0, -10.0]


@pytest.mark.parametrize("snr_db", [20.0, 3.0, 0.0, -15.0])
def test_the_noise_has_the_power_that_was_asked_for(snr_db: float) -> None:
    wave = tone()
    mixed = degrade.drown(wave, snr_db, generator(snr_db))
    ratio = 10 ** (-snr_db / 10)
    noise = mixed * math.sqrt(1 + ratio) - wave
    assert power(wave) / power(noise) == pytest.approx(10 ** (snr_db / 10), rel=1e-4)
    assert power(mixed) == pytest.approx(power(wave), rel=0.1), "the loudness tells nothing"


def test_no_noise_and_nothing_but_noise() -> None:
    wave = tone()
    assert np.array_equal(degrade.drown(wave, math.inf, generator(0)), wave)
    noise = degrade.drown(wave, -math.inf, generator(0))
    assert np.array_equal(noise, degrade.drown(-2 * wave, -math.inf, generator(0)) / 2)
    silence = np.zeros(100, np.float32)
    assert np.array_equal(degrade.drown(silence, 0.0, generator(0)), silence)


def test_noise_fills_a_window_so_that_the_length_is_not_heard() -> None:
    wave = tone(0.25)
    mixed = degrade.drown(wave, -math.inf, generator(0), length=4_000)
    assert len(mixed) == 4_000
    assert power(mixed[2_000:]) == pytest.approx(power(mixed[:2_000]), rel=1.0)
    mixed = degrade.drown(wave, 0.0, generator(0), length=4_000)
    noise = mixed[:2_000] * math.sqrt(2) - wave
    assert power(noise) == pytest.approx(power(wave), rel=1e-4), "measured under the wave"
    assert len(degrade.drown(tone(1.0), math.inf, generator(0), length=4_000)) == 4_000


def test_pink_noise_has_equal_power_in_each_octave() -> None:
    noise = degrade.pink_noise(1 << 15, generator(0))
    assert power(noise) == pytest.approx(1.0)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [spectrum[1 << n : 2 << n].sum() for n in range(6, 13)]
    assert max(octaves) / min(octaves) < 1.8


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_words_are_dropped_exactly(share: float) -> None:
    words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "today"]
    left = degrade.drop_words(" ".join(words), share, generator(share)).split()
    if share == 1.0:
        assert left == [degrade.NOTHING]
    else:
        assert len(left) == 10 - round(10 * share)
        assert [word for word in words if word in left] == left, "in order"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_letters_are_dropped_exactly(share: float) -> None:
    left = degrade.drop_letters("polar bear cub", share, generator(share))
    if share == 1.0:
        assert left == degrade.NOTHING
    else:
        assert len(left.replace(" ", "")) == 12 - round(12 * share)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_numbers_are_dropped_exactly(share: float) -> None:
    values = np.arange(160.0).reshape(5, 32)
    left = degrade.drop_numbers(values, share, generator(share))
    assert (np.isnan(left).sum(1) == round(32 * share)).all()
    assert np.array_equal(left[~np.isnan(left)], values[~np.isnan(left)])
    if 0 < share < 1:
        assert len({row.tobytes() for row in np.isnan(left)}) == 5


def test_jitter_keeps_mean_and_deviation_and_takes_the_correlation() -> None:
    values = generator("values").normal(5.0, 2.0, (20_000, 1))
    for level in (0.0, 0.6, 1.0):
        noisy = degrade.jitter(values, level, 2.0, generator(level), mean=5.0)
        assert noisy.mean() == pytest.approx(5.0, abs=0.06)
        assert noisy.std() == pytest.approx(2.0, abs=0.06)
        correlation = np.corrcoef(values[:, 0], noisy[:, 0])[0, 1]
        assert correlation == pytest.approx(math.sqrt(1 - level**2), abs=0.03)
    assert np.array_equal(degrade.jitter(values, 0.0, 2.0, generator(0), mean=5.0), values)
    missing = degrade.jitter(np.array([1.0, np.nan]), 0.5, 1.0, generator(0))
    assert np.isnan(missing).tolist() == [False, True]


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_level_outside_of_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(DataError, match="between 0"):
        degrade.hide(drawing(), level, generator(0))
    with pytest.raises(DataError, match="between 0"):
        degrade.signal_to_noise(level)
    with pytest.raises(DataError, match="between 0"):
        degrade.drop_words("a b", level, generator(0))
