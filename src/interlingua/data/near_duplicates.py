"""Pictures that are the same drawing: rescaled, mirrored, on another ground, slightly redrawn.

A picture's fingerprint is its content, cut off its plain border and shrunk to 32 x 32 grey
values. Two pictures are near-duplicates if their perceptual hashes (the signs of the 256 lowest
frequencies against their median; Zauner 2010, section 3.2) differ in few bits *and* their grey
values and their shapes agree. The hash alone takes a tennis ball for a globe.

The bounds were chosen by looking at the pairs of stamps and clip art: see ``MAX_BITS``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from interlingua.catalogue.cache import cache_root, write_whole
from interlingua.content import Content, FileContent, ZipContent
from interlingua.data.gate import ImageLimits
from interlingua.data.shards.member import MemberContent
from interlingua.errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMAT_VERSION = 1
SIDE = 32
DECODED_SIDE = 4 * SIDE  # near this size a picture is decoded
FREQUENCIES = 16
# Of the 78 pairs of stamps and clip art with at most 44 differing bits one was not the same
# drawing (an egg and a flag's red disc, of another shape: MAX_ASPECT); between 46 and 66
# bits the same drawings had a correlation over 0.91, smooth balls and discs below it.
MAX_BITS = 66
SURE_BITS = 44
MIN_CORRELATION = 0.91
MIN_SURE_CORRELATION = 0.80  # a black balloon and a white one of the same drawing: 0.84
MAX_ASPECT = 0.3  # of the natural logarithm of width / height
MIN_CONTRAST = 4.0  # standard deviation of the grey values: less is a plain area

Grey: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Fingerprint:
    """What is compared of a picture.

    Attributes:
        grey: [32, 32] uint8, the content without its border.
        aspect: the content's width / height.
    """

    grey: Grey
    aspect: float


def fingerprint(content: Content, limits: ImageLimits | None = None) -> Fingerprint | None:
    """The picture's fingerprint; None for a picture that can't be decoded or is plain."""
    from interlingua.data.image import open_image

    try:
        image = open_image(content, limits or ImageLimits(), near_size=DECODED_SIDE)
    except MediaError:
        return None
    return fingerprint_of(image)


def fingerprint_of(image: Image) -> Fingerprint | None:
    """The fingerprint of an RGB picture, decoded near ``DECODED_SIDE``; None for a plain one."""
    from PIL.Image import Resampling

    from interlingua.data.image import trimmed

    image = trimmed(image)
    aspect = image.width / image.height
    small = image.convert("L").resize((SIDE, SIDE), Resampling.BOX)
    grey = np.asarray(small, dtype=np.uint8)
    return Fingerprint(grey, aspect) if grey.std() >= MIN_CONTRAST else None


def fingerprints(
    contents: Sequence[Content], limits: ImageLimits | None = None
) -> list[Fingerprint | None]:
    """The fingerprints of many pictures, decoded in threads and kept in the cache folder."""
    known = _load()
    keys = [_state(content) for content in contents]
    missing = dict(zip(keys, contents, strict=True))
    missing = {key: content for key, content in missing.items() if key not in known}
    if missing:
        with ThreadPoolExecutor() as pool:
            made = pool.map(partial(fingerprint, limits=limits), missing.values())
            known.update(zip(missing, made, strict=True))
        _save(known)
    return [known[key] for key in keys]


def keep(contents: Sequence[Content], prints: Sequence[Fingerprint | None]) -> None:
    """Put fingerprints that were made elsewhere into the cache folder, for ``fingerprints``."""
    known = _load()
    before = len(known)
    known.update(zip(map(_state, contents), prints, strict=True))
    if len(known) > before:
        _save(known)


def pairs(prints: Sequence[Fingerprint | None]) -> Iterator[tuple[int, int]]:
    """The places (i, j), i < j, of pictures that are near-duplicates."""
    places = np.array([i for i, item in enumerate(prints) if item is not None], dtype=np.int64)
    if len(places) < 2:
        return
    greys = np.stack([item.grey for item in prints if item is not None])
    aspects = np.log([item.aspect for item in prints if item is not None])
    bits, values = _hash_bits(greys), _normalised(greys)
    sides = ((bits, values), (_hash_bits(greys[:, :, ::-1]), _normalised(greys[:, :, ::-1])))
    for start in range(0, len(places), 512):
        for side_bits, side_values in sides:
            product = side_bits[start : start + 512] @ bits[start:].T
            rows, columns = np.nonzero(np.triu(product >= bits.shape[1] - 2 * MAX_BITS, 1))
            sure = product[rows, columns] >= bits.shape[1] - 2 * SURE_BITS
            rows, columns = rows + start, columns + start
            agree = np.einsum("ij,ij->i", side_values[rows], values[columns])
            same = agree >= np.where(sure, MIN_SURE_CORRELATION, MIN_CORRELATION)
            same &= np.abs(aspects[rows] - aspects[columns]) <= MAX_ASPECT
            left, right = places[rows[same]], places[columns[same]]
            yield from zip(left.tolist(), right.tolist(), strict=True)


def _hash_bits(greys: Grey) -> Floats:
    """[n, 255] of -1 and 1: is the frequency's amplitude over the picture's median?

    The inner product of two is 255 - 2 * the number of differing bits.
    """
    step = np.arange(SIDE)
    cosines = np.cos(np.pi * (2 * step[None] + 1) * step[:FREQUENCIES, None] / (2 * SIDE))
    spectrum = cosines @ greys.astype(np.float64) @ cosines.T
    flat = spectrum.reshape(len(greys), -1)[:, 1:]  # without the mean brightness
    bits: Floats = np.where(flat > np.median(flat, axis=1, keepdims=True), 1, -1).astype(np.float32)
    return bits


def _normalised(greys: Grey) -> Floats:
    """[n, 1024] with mean 0 and length 1: inner products are correlations."""
    flat = greys.reshape(len(greys), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    result: Floats = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return result


def _state(content: Content) -> bytes:
    """What stands for the bytes without reading them: place, size and time of the file."""
    match content:
        case FileContent(path=path):
            file, member = path, ""
        case ZipContent(archive=path, member=member):
            file = path
        case MemberContent(name=name, length=length, crc32=crc32):
            return hashlib.sha256(f"{name}|{length}|{crc32}".encode()).digest()[:16]
        case _:
            return hashlib.sha256(content.read()).digest()[:16]
    try:
        state = file.stat()
    except OSError:
        return hashlib.sha256(content.name.encode(errors="surrogatepass")).digest()[:16]
    text = f"{file.absolute()}|{member}|{state.st_size}|{state.st_mtime_ns}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:16]


def _load() -> dict[bytes, Fingerprint | None]:
    path = cache_root() / "derived" / f"fingerprints-{FORMAT_VERSION}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys, greys, aspects = stored["keys"], stored["greys"], stored["aspects"]
    except Exception:  # absent or damaged in any of numpy's and zipfile's ways: made anew
        return {}
    return {
        key.tobytes(): Fingerprint(grey, float(aspect)) if aspect > 0 else None
        for key, grey, aspect in zip(keys, greys, aspects, strict=True)
    }


def _save(known: dict[bytes, Fingerprint | None]) -> None:
    empty = np.zeros((SIDE, SIDE), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(
        file,
        keys=np.stack([np.frombuffer(key, dtype=np.uint8) for key in known]),
        greys=np.stack([item.grey if item else empty for item in known.values()]),
        aspects=np.array([item.aspect if item else 0.0 for item in known.values()]),
    )
    write_whole(cache_root() / "derived" / f"fingerprints-{FORMAT_VERSION}.npz", file.getvalue())
