"""Known amounts of damage, so that what a modality still tells is in the experimenter's hands.

A *level* is a number from 0 (as it was) to 1 (nothing left). Each damage says what a level means
in its own measure: the share of what is drawn, decibels, the share of the words. The same
generator gives the same damage: take ``generator(seed, key)``, and a thing's damage depends on
nothing but its name.

Shape legend: H height, W width, C channels, T samples of a wave, K numbers.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import DataError

Random = np.random.Generator
Wave = NDArray[np.float32]

PAPER = 255  # drawings stand on white
DRAWN_TOLERANCE = 8  # of 255: what JPEG noise does to plain paper
LOUDEST_DB, QUIETEST_DB = 20.0, -20.0  # signal over noise just above level 0, just below level 1
NOTHING = "?"  # towers take no empty text


def generator(*names: object) -> Random:
    """A generator that depends on these names alone, in every process and on every machine."""
    text = "\0".join(str(name) for name in names)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def hide(
    picture: NDArray[np.uint8], share: float, random: Random, *, paper: int = PAPER
) -> NDArray[np.uint8]:
    """Paint a square over a picture that covers this share of what is *drawn*.

    The empty paper around a drawing tells nothing, so its pixels don't count. The square grows
    from a drawn pixel, each equally likely, until it covers ``round(share * drawn)`` drawn pixels
    exactly (its last ring in part). It has the colour of the paper: with share 1 the paper is
    left, and where the square ends does not betray how large the drawing was.

    Args:
        picture: [H, W, C].
        share: 0 to 1.
        random: chooses where.
        paper: the value of all channels where nothing is drawn.

    Returns:
        [H, W, C], a copy.
    """
    _check(share)
    if share == 1.0:
        return np.full_like(picture, paper)  # what is too faint to count goes too
    result = picture.copy()
    places = np.argwhere(drawn(picture, paper))  # [drawn, 2], row after row
    count = round(share * len(places))
    if not count:
        return result
    centre = places[random.integers(len(places))]
    rings = np.abs(places - centre).max(1)
    covered = places[np.argsort(rings, kind="stable")[:count]]
    result[covered[:, 0], covered[:, 1]] = paper
    return result


def drawn(picture: NDArray[np.uint8], paper: int = PAPER) -> NDArray[np.bool_]:
    """[H, W] which pixels differ from the paper."""
    differs: NDArray[np.bool_] = (
        np.abs(picture.astype(np.int16) - paper).max(axis=2) > DRAWN_TOLERANCE
    )
    return differs


def signal_to_noise(level: float) -> float:
    """The decibels that a level of ``drown`` means: 20 dB near 0, 0 dB at a half, -20 dB near 1.

    A straight line between; at 0 there is no noise (infinity), at 1 nothing else (minus infinity).
    """
    _check(level)
    if level in (0.0, 1.0):
        return math.inf if level == 0.0 else -math.inf
    return LOUDEST_DB + level * (QUIETEST_DB - LOUDEST_DB)


def drown(wave: Wave, snr_db: float, random: Random, *, length: int = 0) -> Wave:
    """Put a wave into pink noise, at this ratio of their powers.

    Pink noise (as much power in each octave) covers speech more evenly than white. The mixture is
    as loud as the wave was, so that its loudness doesn't tell the ratio. With ``length`` the noise
    begins and ends with a window of that many samples, not with the wave, so that not even the
    wave's length can be heard through it.

    Args:
        wave: [T].
        snr_db: power of the wave, over its own T samples, over that of the noise, in decibels;
            infinity = no noise, minus infinity = noise alone. ``signal_to_noise`` gives it of
            a level.
        random: of the noise.
        length: of the result; 0 = T. A longer wave is cut, a shorter one stands at the beginning.

    Returns:
        [T or length] float32; silence stays silence.
    """
    kept = wave[:length] if length else wave
    padded = np.zeros(length or len(wave), np.float32)
    padded[: len(kept)] = kept
    power = float(np.mean(np.square(kept, dtype=np.float64))) if len(kept) else 0.0
    if snr_db == math.inf or power == 0.0:
        return padded
    noise = pink_noise(len(padded), random) * math.sqrt(power)
    if snr_db == -math.inf:
        return noise.astype(np.float32)
    ratio = 10.0 ** (-snr_db / 10.0)  # power of the noise over that of the wave
    # measured, not expected: the noise under the wave has its own power
    under = float(np.mean(np.square(noise[: len(kept)])))
    mixed = padded + noise * math.sqrt(ratio * power / under)
    result: Wave = (mixed / math.sqrt(1.0 + ratio)).astype(np.float32)
    return result


def pink_noise(length: int, random: Random) -> NDArray[np.float64]:
    """[length] of mean power 1, a power in inverse proportion to the frequency."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, length)
    result: NDArray[np.float64] = noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12)
    return result


def drop_words(text: str, share: float, random: Random) -> str:
    """Leave out ``round(share * words)`` of a text's words, each equally likely.

    Returns:
        What is left, in order, or ``?`` where nothing is.
    """
    _check(share)
    words = text.split()
    return " ".join(_left(words, share, random)) or NOTHING


def drop_letters(text: str, share: float, random: Random) -> str:
    """Leave out ``round(share * letters)`` of a text's characters other than spaces.

    For names: of one or two words there is little to drop but all.

    Returns:
        What is left, in order, or ``?`` where nothing is.
    """
    _check(share)
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    kept = set(_left(places, share, random))
    left = "".join(letter for place, letter in enumerate(text) if letter.isspace() or place in kept)
    return " ".join(left.split()) or NOTHING


def drop_numbers(values: NDArray[Any], share: float, random: Random) -> NDArray[np.float64]:
    """Make ``round(share K)`` of each row's numbers missing (NaN), each equally likely.

    Args:
        values: [..., K].
        share: 0 to 1.
        random: chooses which, anew for each row.

    Returns:
        [..., K], a copy.
    """
    _check(share)
    result = np.array(values, np.float64)
    order = random.random(result.shape).argsort(axis=-1)
    gone = order[..., : round(share * result.shape[-1])]
    np.put_along_axis(result, gone, np.nan, axis=-1)
    return result


def jitter(
    values: NDArray[Any],
    level: float,
    std: NDArray[Any] | float,
    random: Random,
    *,
    mean: NDArray[Any] | float = 0.0,
) -> NDArray[np.float64]:
    """Blend numbers with noise that is distributed as they are.

    ``mean + sqrt(1 - level²) (value - mean) + level std noise``: mean and variance of a column
    stay what they are, its correlation with the true value is ``sqrt(1 - level²)``; at 1 there is
    noise alone. Missing values (NaN) stay missing.

    Args:
        values: [..., K].
        level: 0 to 1.
        std, mean: of the columns, [K] or one for all.
        random: of the noise.
    """
    _check(level)
    noise = random.standard_normal(values.shape)
    centred = np.asarray(values, np.float64) - mean
    result: NDArray[np.float64] = mean + math.sqrt(1.0 - level**2) * centred + level * std * noise
    return result


def _left(items: list[Any], share: float, random: Random) -> list[Any]:
    gone = set(random.permutation(len(items))[: round(share * len(items))].tolist())
    return [item for place, item in enumerate(items) if place not in gone]


def _check(level: float) -> None:
    if not 0.0 <= level <= 1.0:
        raise DataError(
            f"A damage of {level:g} is not between 0 (as it was) and 1 (nothing left).",
            next_step="Give a level or share from 0 to 1.",
        )
