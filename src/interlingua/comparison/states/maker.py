"""Running a frozen tower over media and their variants, and making its states few.

Shape legend: V variants of a medium, R rows in a batch, N tokens of the tower, T kept, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional

from interlingua.catalogue.cache import Progress
from interlingua.comparison.states.damage import Pooling, Read
from interlingua.data.loader import available_cores
from interlingua.errors import DataError, MediaError
from interlingua.sample import Part
from interlingua.tokens import Tokens
from interlingua.towers.tower import Tower

BATCH_ROWS = 64  # that the tower takes at a time

Unreadable = list[tuple[int, str, str]]  # place in the list of media, reason, what happened
Found = tuple[dict[str, Tensor], Unreadable]


class Maker:
    """Runs a frozen tower over media: read in threads, one batch ahead of the tower."""

    def __init__(self, tower: Tower, read: Read, pooling: Pooling, num_variants: int):
        self.tower = tower
        self.read = read
        self.pooling = pooling
        self.media_at_once = max(1, BATCH_ROWS // num_variants)

    def table(self, media: Sequence[Part], digests: Sequence[str], progress: Progress) -> Found:
        """All states, medium after medium, variant after variant."""
        kind = self.tower.preprocess.kind
        progress(f"computing the {kind} states of {len(media):,} media")
        pieces: list[Tokens] = []
        unreadable: Unreadable = []
        done = 0
        for group in self._groups(media, digests):
            inputs = []
            for one in group:
                if isinstance(one, MediaError):
                    unreadable.append((done, one.reason, one.what))
                else:
                    inputs.append(one)
                done += 1
            if inputs:
                masks = [mask for _, mask in inputs if mask is not None]
                pieces.append(
                    self.encode(
                        torch.cat([values for values, _ in inputs]),
                        torch.cat(masks) if masks else None,
                    )
                )
            progress(f"{kind} states", done, len(media))
        tensors = {}
        if pieces:
            tensors["states"] = torch.cat([p.states for p in pieces if p.states is not None])
            masks = [piece.mask for piece in pieces if piece.mask is not None]
            if masks:
                tensors["mask"] = torch.cat(masks)
        else:
            tensors["states"] = torch.zeros(0, 1, self.tower.width, dtype=torch.float16)
        return tensors, unreadable

    def encode(self, values: Tensor, mask: Tensor | None) -> Tokens:
        """States [R, T, D] float16 of what ``read`` gives, and their mask for texts.

        Raises:
            DataError: the tower gives no states, or numbers that are not finite.
        """
        with torch.inference_mode():
            tokens = self.tower(values, mask)
            if tokens.states is None:
                raise DataError(f"{type(self.tower).__name__} gives no states, only pooled ones.")
            states = pooled_states(tokens.states.float(), tokens.grid, mask, self.pooling).half()
        if not bool(states.isfinite().all()):
            raise DataError(f"{type(self.tower).__name__} gives numbers that are not finite.")
        return Tokens(states=states.clone(), mask=mask)

    def _groups(
        self, media: Sequence[Part], digests: Sequence[str]
    ) -> Iterator[list[tuple[Tensor, Tensor | None] | MediaError]]:
        """What was read of the next few media; always the same media together."""

        def read(part: Part, digest: str) -> tuple[Tensor, Tensor | None] | MediaError:
            try:
                return self.read(part, digest)
            except MediaError as error:
                return error

        with ThreadPoolExecutor(available_cores(), thread_name_prefix="read") as pool:
            waiting: Iterator[tuple[Tensor, Tensor | None] | MediaError] | None = None
            for start in range(0, len(media), self.media_at_once):
                few = slice(start, start + self.media_at_once)
                ready, waiting = waiting, pool.map(read, media[few], digests[few])
                if ready is not None:
                    yield list(ready)
            if waiting is not None:
                yield list(waiting)


def pooled_states(
    states: Tensor, grid: tuple[int, int, int] | None, mask: Tensor | None, pooling: Pooling
) -> Tensor:
    """Fewer tokens [R, T, D] of states [R, N, D]: a picture's by its grid, a sound's by time.

    A text's (with a mask) stay as they are, and so does what is small already.
    """
    if mask is not None:
        return states
    channels = states.transpose(1, 2)  # [R, D, N]
    if grid is None:
        spans = min(pooling.spans, states.shape[1])
        return functional.adaptive_avg_pool1d(channels, spans).transpose(1, 2)
    _, height, width = grid
    picture = channels[..., -height * width :]  # no class token
    picture = picture.reshape(*picture.shape[:2], height, width)
    side = (min(pooling.grid, height), min(pooling.grid, width))
    return functional.adaptive_avg_pool2d(picture, side).flatten(2).transpose(1, 2)
