"""What decoding costs is paid once: pictures stay decoded, texts stay token ids, within a limit.

A picture takes 3 * S * S bytes (64 pixels: 12 KB, so 10,000 of them 120 MB; 224 pixels: 150 KB).
Pictures are kept for the whole process, so that the next run on the same files, another seed
perhaps, decodes nothing. What doesn't fit any more is decoded each time: in shuffled epochs any
picture is as likely to come next as another, so throwing kept ones out would gain nothing.

Shape legend: M parts, S side of the decoded pictures, N tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.content import FileContent
from interlingua.data.loader import OnError, decode
from interlingua.data.text import Tokenizer
from interlingua.errors import MediaError
from interlingua.sample import Image, Part
from interlingua.towers.tower import ImagePreprocess, TextPreprocess

LASTING = frozenset(("damaged", "not_an_image", "too_large", "empty"))  # properties of the bytes


class DecodedPictures:
    """Decoded pictures by preprocessing and content; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[ImagePreprocess, dict[Hashable, Tensor | MediaError]] = {}
        self._bytes: dict[ImagePreprocess, int] = {}

    @property
    def num_bytes(self) -> int:
        """Of all the pictures that are kept."""
        return sum(self._bytes.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes.clear()

    def get(
        self,
        parts: Sequence[Part],
        preprocess: ImagePreprocess,
        max_bytes: int,
        on_error: OnError,
    ) -> tuple[list[int], Tensor | None]:
        """Pictures in the order that they are given.

        Args:
            parts: M of them.
            preprocess: how they are decoded.
            max_bytes: of all pictures that are kept, those of other preprocessings included:
                these go first when there is no room.
            on_error: is told of each damaged one, each time that it is asked for.

        Returns:
            The places of the readable ones, and [m, 3, S, S] uint8 in channels-last memory; None
            where there are none.
        """
        keys = [_key(part) for part in parts]
        with self._lock:
            kept = self._kept.pop(preprocess, {})
            self._kept[preprocess] = kept  # the last used stands last
            found = {key: kept[key] for key in keys if key in kept}
        missing = [place for place, key in enumerate(keys) if key not in found]
        self._decode(parts, keys, missing, preprocess, found)
        self._keep([keys[place] for place in missing], preprocess, max_bytes, found)
        places: list[int] = []
        for place, (part, key) in enumerate(zip(parts, keys, strict=True)):
            item = found[key]
            if isinstance(item, MediaError):
                on_error(place, part, item)
            else:
                places.append(place)
        if not places:
            return [], None
        stacked = torch.stack([found[keys[place]] for place in places])  # type: ignore[misc]
        return places, stacked.permute(0, 3, 1, 2)

    def _decode(
        self,
        parts: Sequence[Part],
        keys: Sequence[Hashable],
        missing: Sequence[int],
        preprocess: ImagePreprocess,
        found: dict[Hashable, Tensor | MediaError],
    ) -> None:
        """Put what is missing into ``found``, each [S, S, 3]."""
        wanted = list({keys[place]: place for place in missing}.values())
        if not wanted:
            return

        def failed(number: int, _: Part, error: MediaError) -> None:
            found[keys[wanted[number]]] = error

        chosen = [parts[place] for place in wanted]
        for chunk in decode(chosen, preprocess, batches=[range(len(chosen))], on_error=failed):
            for number, pixels in zip(chunk.index, chunk.values, strict=True):
                # its own memory: a view would hold the whole batch's as long as any of it is kept
                found[keys[wanted[number]]] = pixels.permute(1, 2, 0).clone()

    def _keep(
        self,
        keys: Sequence[Hashable],
        preprocess: ImagePreprocess,
        max_bytes: int,
        found: dict[Hashable, Tensor | MediaError],
    ) -> None:
        with self._lock:
            kept = self._kept.setdefault(preprocess, {})
            for key in keys:
                item = found[key]
                if key in kept or (isinstance(item, MediaError) and item.reason not in LASTING):
                    continue
                size = item.numel() if isinstance(item, Tensor) else 0
                while self.num_bytes + size > max_bytes and next(iter(self._kept)) != preprocess:
                    oldest = next(iter(self._kept))
                    del self._kept[oldest]
                    self._bytes.pop(oldest, None)
                if self.num_bytes + size > max_bytes:
                    return
                kept[key] = item
                self._bytes[preprocess] = self._bytes.get(preprocess, 0) + size


PICTURES = DecodedPictures()


def _key(part: Part) -> Hashable:
    """A picture by where it is, and a file by when it was written too."""
    assert isinstance(part, Image)  # the table of a view holds one kind
    if isinstance(part.content, FileContent):
        try:
            status = part.content.path.stat()
        except OSError:
            return (part.content,)
        return part.content, status.st_mtime_ns, status.st_size
    return (part.content,)


class TokenRows:
    """The token ids of a list of texts, encoded when they are first asked for.

    Args:
        texts: the parts.
        preprocess: of the tower.
    """

    def __init__(self, texts: Sequence[Part], preprocess: TextPreprocess):
        self.texts = texts
        self.preprocess = preprocess
        self._tokenizer = Tokenizer(preprocess)
        self._start = np.full(len(texts), -1, np.int64)  # in the row of all ids; -1 = not yet
        self._length = np.zeros(len(texts), np.int32)
        self._ids = np.zeros(1024, np.int32)
        self._used = 0

    def get(
        self, numbers: NDArray[np.int64], on_error: OnError
    ) -> tuple[list[int], list[NDArray[np.int32]]]:
        """The ids of some texts.

        Args:
            numbers: [M] of texts.
            on_error: is told of each that can't be encoded, an empty one for instance.

        Returns:
            The places in ``numbers`` of the others, and their ids.
        """
        missing = sorted({int(number) for number in numbers[self._start[numbers] < 0]})
        failed: dict[int, MediaError] = {}
        if missing:
            self._encode(missing, lambda row, _, error: failed.update({missing[row]: error}))
        places, rows = [], []
        for place, number in enumerate(numbers.tolist()):
            if number in failed:
                on_error(place, self.texts[number], failed[number])
                continue
            start = self._start[number]
            places.append(place)
            rows.append(self._ids[start : start + self._length[number]])
        return places, rows

    def pad(self, rows: Sequence[NDArray[np.int32]]) -> tuple[Tensor, Tensor]:
        """Token ids [M, N] int64 and mask [M, N] bool, as the tower wants them."""
        return self._tokenizer.pad([row.tolist() for row in rows])

    def _encode(self, numbers: list[int], failed: Callable[[int, Part, MediaError], None]) -> None:
        parts = [self.texts[number] for number in numbers]
        for chunk in decode(parts, self.preprocess, batches=[range(len(parts))], on_error=failed):
            assert chunk.mask is not None  # texts always have one
            for row, ids, mask in zip(chunk.index, chunk.values, chunk.mask, strict=True):
                self._store(numbers[row], ids[mask].numpy().astype(np.int32))

    def _store(self, number: int, ids: NDArray[np.int32]) -> None:
        if self._used + len(ids) > len(self._ids):
            grown = np.zeros(2 * (self._used + len(ids)), np.int32)
            grown[: self._used] = self._ids[: self._used]
            self._ids = grown
        self._ids[self._used : self._used + len(ids)] = ids
        self._start[number], self._length[number] = self._used, len(ids)
        self._used += len(ids)
