"""Sounds: from bytes to a mono wave at one sampling rate, and from that to log-mel frames.

The log-mel spectrogram is Whisper's (Radford et al. 2022, section 2.2 and its ``audio.py``):
Hann window, power spectrum, Slaney mel filters, log10 with a floor 8 below the loudest value of
the whole clip, then (x + 4) / 4. Because the floor follows the loudest value only, padding with
silence leaves the frames of the sound as they are; so a clip is padded to a bucket of a few
seconds where Whisper pads to 30. The one difference: where a sound ends less than half a window
before the end of its bucket, its last two frames see the mirrored sound instead of silence.

Shape legend: T samples of a wave, F frames, M mel bands.
"""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.content import Content
from interlingua.data.gate import AudioLimits, decoding, read_bytes, require_audio
from interlingua.errors import MediaError, MissingExtraError
from interlingua.towers.tower import AudioPreprocess

DEFAULT_LIMITS = AudioLimits()
Wave = NDArray[np.float32]

_BLOCK_SECONDS = 10.0
_UNKNOWN = 1 << 62  # libsndfile's number of frames where the header has none


def read_sound(
    content: Content,
    sample_rate: int,
    limits: AudioLimits = DEFAULT_LIMITS,
    first_seconds: float | None = None,
) -> Wave:
    """Decode a sound, average its channels, resample.

    Args:
        content: where its bytes are; the file ending is not believed.
        sample_rate: in Hz, of the result.
        limits: what is refused.
        first_seconds: decode no more than this; None: all.

    Returns:
        [T] float32; full scale is 1.0, which compressed sounds may pass a little.

    Raises:
        MediaError: ``missing``, ``unreadable``, ``empty``, ``too_large``, ``too_long``,
            ``not_a_sound``, ``not_finite``, ``too_loud``, ``damaged``.
        MissingExtraError: soundfile or soxr is not installed.
    """
    where = content.name
    data = read_bytes(content, limits.max_bytes)
    kind = require_audio(data, where)
    if kind == "wav":
        _check_wav(data, where)
    with _open(data, where) as file:
        rate = _check_header(file, where, limits)
        if first_seconds is None and limits.max_seconds * rate < file.frames < _UNKNOWN:
            raise _too_long(where, limits)  # what it says itself needs no decoding
        wave = _read_blocks(file, rate, where, limits, first_seconds)
    _check_wave(wave, where, limits)
    if rate != sample_rate:
        wave = _resample(wave, rate, sample_rate)
    return wave


def sound_seconds(content: Content, limits: AudioLimits = DEFAULT_LIMITS) -> float:
    """The length in seconds that the header declares, at little cost; not to be relied on.

    Raises:
        MediaError: as ``read_sound``.
    """
    data = read_bytes(content, limits.max_bytes)
    require_audio(data, content.name)
    with _open(data, content.name) as file:
        seconds: float = file.frames / max(1, file.samplerate)
    return min(seconds, limits.max_seconds)


def to_frames(wave: Wave, preprocess: AudioPreprocess) -> tuple[Tensor, float]:
    """Cut at ``max_seconds``, pad with silence to the next bucket, take the log-mel spectrogram.

    Returns:
        [M, F] float32 frames, and the seconds of real sound in them.
    """
    wave = cut(wave, preprocess)
    padded = np.zeros(padded_length(len(wave), preprocess), dtype=np.float32)
    padded[: len(wave)] = wave
    return log_mel(padded, preprocess), len(wave) / preprocess.sample_rate


def decode_wave(
    content: Content, preprocess: AudioPreprocess, limits: AudioLimits = DEFAULT_LIMITS
) -> Wave:
    """The first ``max_seconds`` of a sound at the tower's sampling rate: [T] float32.

    Raises:
        MediaError: as ``read_sound``.
    """
    seconds = preprocess.max_seconds
    return cut(read_sound(content, preprocess.sample_rate, limits, seconds), preprocess)


def cut(wave: Wave, preprocess: AudioPreprocess) -> Wave:
    """The first ``max_seconds``."""
    return wave[: round(preprocess.max_seconds * preprocess.sample_rate)]


def padded_length(length: int, preprocess: AudioPreprocess) -> int:
    """The samples of the bucket that a wave of ``length`` samples falls into.

    A bucket always makes an even number of frames, as Whisper's stride of 2 needs.
    """
    even = 2 * preprocess.hop
    bucket = max(even, round(preprocess.bucket_seconds * preprocess.sample_rate) // even * even)
    longest = max(even, round(preprocess.max_seconds * preprocess.sample_rate) // even * even)
    return min(longest, max(1, -(-length // bucket)) * bucket)


def real_frames(seconds: float, preprocess: AudioPreprocess) -> int:
    """How many frames hold real sound, at least one."""
    return max(1, -(-round(seconds * preprocess.sample_rate) // preprocess.hop))


def log_mel(wave: Wave | Tensor, preprocess: AudioPreprocess) -> Tensor:
    """Whisper's log-mel spectrogram.

    Args:
        wave: [T] or [B, T] samples; padded with silence to an even number of frames.
        preprocess: rate, window, hop and bands.

    Returns:
        [M, F] or [B, M, F] float32, F = T / hop rounded up to an even number.
    """
    samples = torch.as_tensor(wave, dtype=torch.float32)
    even = 2 * preprocess.hop
    length = max(even, -(-samples.shape[-1] // even) * even, preprocess.fft_size // 2 + 1)
    length = -(-length // even) * even
    samples = torch.nn.functional.pad(samples, (0, length - samples.shape[-1]))
    window = torch.hann_window(preprocess.fft_size)
    spectrum = torch.stft(
        samples, preprocess.fft_size, preprocess.hop, window=window, return_complex=True
    )
    power = spectrum[..., :-1].abs().square()  # [..., bins, F]
    filters = mel_filters(preprocess.sample_rate, preprocess.fft_size, preprocess.num_mels)
    logarithm = torch.clamp(filters @ power, min=1e-10).log10()
    loudest = logarithm.amax(dim=(-2, -1), keepdim=True)
    return (torch.maximum(logarithm, loudest - 8.0) + 4.0) / 4.0


@functools.lru_cache(maxsize=8)
def mel_filters(sample_rate: int, fft_size: int, num_mels: int) -> Tensor:
    """[num_mels, fft_size / 2 + 1] triangular filters of equal area on Slaney's mel scale.

    The scale is linear to 1 kHz (15 mels) and logarithmic above (27 mels for a factor of 6.4).
    Source: Slaney, Auditory Toolbox (1998); the filters reach to half the sampling rate.
    """
    step = np.log(6.4) / 27.0
    highest = 15.0 + np.log(sample_rate / 2 / 1000.0) / step
    mels = np.linspace(0.0, highest, num_mels + 2)
    edges = np.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * np.exp(step * (mels - 15.0)))
    bins = np.linspace(0.0, sample_rate / 2, fft_size // 2 + 1)
    slopes = edges[:, None] - bins[None, :]  # [num_mels + 2, bins]
    widths = np.diff(edges)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    triangles *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles.astype(np.float32))


def _open(data: bytes, where: str) -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "audio", "Reading sounds") from error
    with decoding("sound", where):
        return soundfile.SoundFile(io.BytesIO(data))


def _check_wav(data: bytes, where: str) -> None:
    """Refuse a header that promises more data than there is, or none.

    libsndfile would quietly read what there is of a file that was cut off.
    """
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"fmt " and int.from_bytes(data[at + 12 : at + 16], "little") == 0:
            raise _damaged("The sound's header says 0 samples a second.", where)
        if data[at : at + 4] == b"data":
            there = len(data) - at - 8
            if data[:4] != b"RF64" and size > there:
                raise _damaged(
                    f"The sound's header promises {size:,} bytes; {there:,} are there.", where
                )
            return
        at += 8 + size + size % 2
    raise _damaged("The sound has a header but no data.", where)


def _damaged(what: str, where: str) -> MediaError:
    return MediaError(
        what,
        reason="damaged",
        where=where,
        next_step="Record or export it again; `ffmpeg -i old.wav new.wav` writes a true header.",
    )


def _check_header(file: Any, where: str, limits: AudioLimits) -> int:
    rate, channels = int(file.samplerate), int(file.channels)
    if not limits.min_rate <= rate <= limits.max_rate or channels > limits.max_channels:
        raise MediaError(
            f"The sound has {rate:,} samples a second and {channels} channels; read are "
            f"{limits.min_rate:,} to {limits.max_rate:,}, and {limits.max_channels} channels.",
            reason="damaged",
            where=where,
            next_step="Convert it to an ordinary rate, 16,000 or 44,100 for instance.",
        )
    return rate


def _read_blocks(
    file: Any, rate: int, where: str, limits: AudioLimits, first_seconds: float | None
) -> Wave:
    """Block by block, so that what is decoded is counted whatever the header says."""
    wanted = None if first_seconds is None else round(first_seconds * rate)
    most = round(limits.max_seconds * rate)
    blocks: list[Wave] = []
    count = 0
    while wanted is None or count < wanted:
        frames = round(_BLOCK_SECONDS * rate)
        frames = frames if wanted is None else min(frames, wanted - count)
        with decoding("sound", where):
            block = file.read(frames, dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        count += len(block)
        if count > most:
            raise _too_long(where, limits)
        blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1))
    if not count:
        raise MediaError(
            "The sound has a length of 0 seconds.",
            reason="empty",
            where=where,
            next_step="Record or export it again, or leave it out.",
        )
    return np.concatenate(blocks) if len(blocks) > 1 else np.ascontiguousarray(blocks[0])


def _too_long(where: str, limits: AudioLimits) -> MediaError:
    return MediaError(
        f"The sound is longer than {limits.max_seconds:g} seconds.",
        reason="too_long",
        where=where,
        next_step="Cut it into pieces, or raise max_seconds in the limits.",
    )


def _check_wave(wave: Wave, where: str, limits: AudioLimits) -> None:
    if not np.isfinite(wave).all():
        raise MediaError(
            "The sound has samples that are not numbers.",
            reason="not_finite",
            where=where,
            next_step="Export it again, as 16-bit PCM.",
        )
    if np.abs(wave).max() > limits.max_peak:
        raise MediaError(
            f"The sound's samples go beyond {limits.max_peak:g} times full scale.",
            reason="too_loud",
            where=where,
            next_step="Scale it to -1 ... 1, or export it as 16-bit PCM.",
        )


def _resample(wave: Wave, rate: int, sample_rate: int) -> Wave:
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", "audio", "Resampling sounds") from error
    result: Wave = soxr.resample(wave, rate, sample_rate, quality="HQ")
    return result if len(result) else np.zeros(1, dtype=np.float32)
