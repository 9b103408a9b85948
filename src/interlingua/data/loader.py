"""Parts in batches that a tower takes: decoded in threads, in an order that is always the same.

Which parts make a batch is settled before anything is decoded (``plan``) and depends on the
list of parts alone, not on threads or timing. So a fill that is broken off and resumed gives
the same bits, and batches that are already done can be left out. Decoders release
Python's lock, so threads are enough; a picture stays uint8 until the tower normalises it.

Shape legend: m parts in a batch, S picture side, M mel bands, F frames, N tokens.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interlingua.data.gate import MediaLimits, TextLimits
from interlingua.data.image import decode_pixels
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.sound import (
    Wave,
    decode_wave,
    log_mel,
    padded_length,
    real_frames,
    sound_seconds,
)
from interlingua.data.text import Tokenizer, clean_text
from interlingua.errors import DataError, MediaError
from interlingua.sample import Audio, Image, Part, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, Preprocess, TextPreprocess

DEFAULT_LIMITS = MediaLimits()
OnError = Callable[[int, Part, MediaError], None]


@dataclass(slots=True)
class Chunk:
    """One batch.

    Attributes:
        index: [m] the numbers of its parts in the list that was given.
        values: [m, 3, S, S] uint8 pixels (channels-last memory), [m, M, F] float32 frames,
            or [m, N] int64 ids.
        mask: [m, F] or [m, N] bool, True = real; None for pictures.
        seconds: [m] float32 of real sound; None for pictures and texts.
    """

    index: list[int]
    values: Tensor
    mask: Tensor | None = None
    seconds: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)


def plan(
    parts: Sequence[Part],
    preprocess: Preprocess,
    *,
    batch_size: int = 64,
    threads: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> list[list[int]]:
    """Which parts make a batch: pictures as they come, sounds and texts by length.

    Lengths of sounds are those that the headers declare. A damaged sound is planned as if
    it were short; decoding it tells.

    Returns:
        Batches of up to ``batch_size`` numbers of parts; every part is in exactly one.
    """
    _check_kinds(parts, preprocess)
    order = list(range(len(parts)))
    if isinstance(preprocess, AudioPreprocess):
        lengths = _sound_lengths(parts, preprocess, threads, limits)
    elif isinstance(preprocess, TextPreprocess):
        lengths = [len(part.text) for part in parts if isinstance(part, Text)]
    else:
        lengths = [0] * len(parts)
    order.sort(key=lambda index: lengths[index])  # stable: equal lengths stay in order
    if isinstance(preprocess, AudioPreprocess):
        return [
            batch
            for length in sorted(set(lengths))
            for batch in _cut([i for i in order if lengths[i] == length], batch_size)
        ]
    return _cut(order, batch_size)


def decode(
    parts: Sequence[Part],
    preprocess: Preprocess,
    *,
    batch_size: int = 64,
    threads: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    on_error: OnError | None = None,
    batches: Iterable[Sequence[int]] | None = None,
    isolated: IsolatedDecoder | None = None,
) -> Iterator[Chunk]:
    """Decode parts of one kind into batches.

    Args:
        parts: of the kind that ``preprocess`` takes.
        preprocess: the tower's.
        batch_size: at most this many parts in a batch.
        threads: that decode; None = one per core this process may use.
        limits: see ``MediaLimits``.
        on_error: called with the number of the part, the part and the error, in the batches'
            order, for each part that is left out; may raise. None: the first error is raised.
        batches: only these batches of ``plan``; None = all of them.
        isolated: decode in its processes, for files from strangers; None = in this one.

    Yields:
        The batches in order, without the damaged parts; none for a batch with nothing left.

    Raises:
        MediaError: of the first damaged part, without ``on_error``.
        DataError: parts of another kind.
    """
    _check_kinds(parts, preprocess)
    threads = threads or available_cores()
    if batches is None:
        batches = plan(parts, preprocess, batch_size=batch_size, threads=threads, limits=limits)
    if isinstance(preprocess, TextPreprocess):
        yield from _decode_texts(parts, preprocess, batches, limits, on_error)
        return

    def decode_one(index: int) -> Tensor | Wave | MediaError:
        try:
            return _decode_part(parts[index], preprocess, limits, isolated)
        except MediaError as error:
            return error

    for batch, results in _in_threads(decode_one, batches, threads):
        index, values = [], []
        for number, result in zip(batch, results, strict=True):
            if isinstance(result, MediaError):
                _report(number, parts[number], result, on_error)
            else:
                index.append(number)
                values.append(result)
        if index:
            yield _collate(index, values, preprocess)


def _decode_part(
    part: Part, preprocess: Preprocess, limits: MediaLimits, isolated: IsolatedDecoder | None
) -> Tensor | Wave:
    if isinstance(part, Image) and isinstance(preprocess, ImagePreprocess):
        pixels = isolated.pixels if isolated else decode_pixels
        return pixels(part.content, preprocess, limits.image)
    if isinstance(part, Audio) and isinstance(preprocess, AudioPreprocess):
        wave = isolated.wave if isolated else decode_wave
        return wave(part.content, preprocess, limits.audio)
    raise AssertionError("kinds were checked")


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_threads(
    work: Callable[[int], Tensor | Wave | MediaError],
    batches: Iterable[Sequence[int]],
    threads: int,
) -> Iterator[tuple[list[int], list[Tensor | Wave | MediaError]]]:
    """Each batch with its results, in order, while the next two are being worked on."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[tuple[list[int], list[Future[Tensor | Wave | MediaError]]]] = deque()
    try:
        for batch in batches:
            numbers = list(batch)
            waiting.append((numbers, [pool.submit(work, number) for number in numbers]))
            if len(waiting) > 2:
                ready, futures = waiting.popleft()
                yield ready, [future.result() for future in futures]
        while waiting:
            ready, futures = waiting.popleft()
            yield ready, [future.result() for future in futures]
    finally:  # also when the consumer stops early
        pool.shutdown(wait=True, cancel_futures=True)


def _collate(index: list[int], values: Sequence[Tensor | Wave], preprocess: Preprocess) -> Chunk:
    if isinstance(preprocess, AudioPreprocess):
        return _collate_sounds(index, [np.asarray(value) for value in values], preprocess)
    pictures = [np.asarray(value) for value in values]
    side = pictures[0].shape[-1]
    # Copied by NumPy: torch would wake its own threads for each picture, and these wait actively,
    # on the cores that decode the next ones.
    memory = np.empty((len(pictures), side, side, 3), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        memory[row] = picture.transpose(1, 2, 0)
    return Chunk(index, torch.from_numpy(memory).permute(0, 3, 1, 2))


def _collate_sounds(index: list[int], waves: list[Wave], preprocess: AudioPreprocess) -> Chunk:
    longest = max(padded_length(len(wave), preprocess) for wave in waves)
    padded = torch.zeros((len(waves), longest))
    seconds = torch.empty(len(waves))
    for row, wave in enumerate(waves):
        padded[row, : len(wave)] = torch.from_numpy(wave[:longest])
        seconds[row] = min(len(wave), longest) / preprocess.sample_rate
    frames = log_mel(padded, preprocess)
    real = torch.tensor([real_frames(float(value), preprocess) for value in seconds])
    mask = torch.arange(frames.shape[-1])[None, :] < real[:, None]
    return Chunk(index, frames, mask, seconds)


def _decode_texts(
    parts: Sequence[Part],
    preprocess: TextPreprocess,
    batches: Iterable[Sequence[int]],
    limits: MediaLimits,
    on_error: OnError | None,
) -> Iterator[Chunk]:
    tokenizer = _tokenizer(preprocess, limits.text)
    for batch in batches:
        index, texts = [], []
        for number in batch:
            part = parts[number]
            assert isinstance(part, Text)  # kinds were checked
            try:
                texts.append(_checked_text(part, limits))
                index.append(number)
            except MediaError as error:
                _report(number, part, error, on_error)
        if index:
            ids, mask = tokenizer(texts)
            yield Chunk(index, ids, mask)


@functools.lru_cache(maxsize=8)
def _tokenizer(preprocess: TextPreprocess, limits: TextLimits) -> Tokenizer:
    """Kept, because reading its file takes longer than to encode a query."""
    return Tokenizer(preprocess, limits)


def _checked_text(part: Text, limits: MediaLimits) -> str:
    if not part.text.strip():
        raise MediaError("The text is empty.", reason="empty", next_step="Write some words.")
    return clean_text(part.text, limits.text)


def _report(number: int, part: Part, error: MediaError, on_error: OnError | None) -> None:
    if on_error is None:
        raise error
    on_error(number, part, error)


def _cut(order: list[int], batch_size: int) -> list[list[int]]:
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _sound_lengths(
    parts: Sequence[Part], preprocess: AudioPreprocess, threads: int | None, limits: MediaLimits
) -> list[int]:
    def length(part: Part) -> int:
        if not isinstance(part, Audio):
            return 0
        try:
            seconds = sound_seconds(part.content, limits.audio)
        except MediaError:
            seconds = 0.0
        return padded_length(round(seconds * preprocess.sample_rate), preprocess)

    with ThreadPoolExecutor(threads or available_cores()) as pool:
        return list(pool.map(length, parts))


def _check_kinds(parts: Sequence[Part], preprocess: Preprocess) -> None:
    # no part holds plain numbers: whoever has a table of them gives it to the tower as it is
    expected = {"image": Image, "audio": Audio, "text": Text}.get(preprocess.kind)
    for number, part in enumerate(parts):
        if expected is None or not isinstance(part, expected):
            raise DataError(
                f"A tower for {preprocess.kind} was given a {type(part).__name__.lower()}.",
                where=f"part {number}",
                next_step="Give each tower the parts of its own kind.",
            )
