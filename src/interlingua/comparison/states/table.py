"""Token states of frozen towers over many media and their damaged variants, kept on disk.

A fusion meets *tokens*, so the pooled vectors of the training cache are not enough. States are
pooled to a few tokens first (a grid of a picture, equal spans of a sound), which makes them small
enough to keep. One table is one file in the cache folder, named by everything that its numbers
depend on: the tower with its weights, precision, preprocessing, pooling, damage, and the media's
bytes. It appears whole or not at all; a second use reads it, in any process.

Shape legend: N media, V variants of each, R rows = readable media x V, T tokens, D width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from interlingua import durable, file_lock
from interlingua.catalogue.cache import Progress, cache_root, to_stderr
from interlingua.comparison.examples import Modality
from interlingua.comparison.states.damage import Damage, Pooling, check_kind, reader
from interlingua.comparison.states.maker import Found, Maker
from interlingua.config import to_plain
from interlingua.data.text import tokenizer_path
from interlingua.device import pick_precision
from interlingua.errors import DataError, MediaError
from interlingua.models.tower_use import TowerUse
from interlingua.sample import Part
from interlingua.towers.pretrained import fingerprint
from interlingua.towers.tower import Preprocess, TextPreprocess, Tower, frozen_inference
from interlingua.train.content_digest import DigestIndex
from interlingua.train.run_state import tensors_digest

FORMAT_VERSION = 2  # raise it when decoding, damaging or pooling gives other numbers

IntArray = npt.NDArray[np.int64]
OnError = Callable[[int, MediaError], None]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class StateTable:
    """States of N media in V variants.

    Attributes:
        states: [R, T, D] float16.
        mask: [R, T] True = real; None = all are.
        rows: [N, V] rows of the table; -1 where a medium is missing or can't be read.
        variants: (level, draw) of each of the V.
        computed: whether the tower ran; False when all was read from the cache.
    """

    states: Tensor
    mask: Tensor | None
    rows: IntArray
    variants: list[tuple[float, int]]
    computed: bool

    def at(self, level: float) -> IntArray:
        """[N, draws] the rows of a level.

        Raises:
            DataError: the table was not made for it.
        """
        columns = [number for number, (one, _) in enumerate(self.variants) if one == level]
        if not columns:
            known = ", ".join(f"{one:g}" for one in sorted({one for one, _ in self.variants}))
            raise DataError(f"There are no states of level {level:g}, only of {known}.")
        return self.rows[:, columns]

    def modality(self, rows: IntArray | None = None) -> Modality:
        """For ``Examples``: all variants, or these ``rows`` [any, any] of the table."""
        return Modality(self.rows if rows is None else rows, states=self.states, mask=self.mask)


def token_states(
    use: TowerUse,
    parts: Sequence[Part | None],
    *,
    pooling: Pooling | None = None,
    damage: Damage | None = None,
    precision: str = "auto",
    progress: Progress = to_stderr,
    on_error: OnError | None = None,
    root: Path | None = None,
) -> StateTable:
    """What a frozen tower gives of these media and their damaged variants.

    Args:
        use: the tower and its weights.
        parts: pictures, sounds or texts, of the tower's kind; None = missing.
        pooling, damage: see there; the defaults where they are not given.
        precision: ``auto`` (bf16 where that is fast), ``fp32`` or ``bf16``, of the tower.
        progress: told what is computed; ``done`` and ``total`` are media.
        on_error: told the number of each medium that can't be read, which then counts as missing;
            may raise. None: the first such error is raised.
        root: the folder of the tables; in the cache folder if not given.

    Raises:
        DataError: media of another kind than the tower's, or a damage that is for others.
        MediaError: see ``on_error``.
        FetchError: the weights can't be had.
        TrainingError: the disk is full.
    """
    pooling, damage = pooling or Pooling(), damage or Damage()
    tower = use.build()
    for number, part in enumerate(parts):
        if part is not None:
            check_kind(part, tower.preprocess, number)
    root = root or cache_root() / "features"
    there, digests = _digests(root, parts, on_error)
    dtype = pick_precision(precision, torch.device("cpu"))
    about = _settings(tower, pooling, damage, dtype, digests)
    name = hashlib.sha256(about.encode()).hexdigest()[:24]
    path = root / f"{tower.preprocess.kind}-states-{name}" / "states.safetensors"
    made = None
    with durable.room_explained(root):
        found = _read(path)
        if found is None:
            with file_lock.held(path.with_name(".lock"), wait=True):
                found = _read(path)  # another process may have made it meanwhile
                if found is None:
                    read = reader(tower.preprocess, pooling, damage)
                    media = [part for number in there if (part := parts[number]) is not None]
                    frozen = frozen_inference(tower, dtype).eval()
                    made = Maker(frozen, read, pooling, len(damage.variants))
                    found = made.table(media, digests, progress)
                    _write(path, found, about)
    tensors, unreadable = found
    failed = {there[place]: (reason, what) for place, reason, what in unreadable}
    for number, (reason, what) in failed.items():
        error = MediaError(what, reason=reason, where=f"medium {number}")
        if on_error is None:
            raise error
        on_error(number, error)
    variants = damage.variants
    rows = np.full((len(parts), len(variants)), -1, np.int64)
    readable = [number for number in there if number not in failed]
    rows[readable] = np.arange(len(readable) * len(variants)).reshape(-1, len(variants))
    return StateTable(tensors["states"], tensors.get("mask"), rows, variants, made is not None)


def _digests(
    root: Path, parts: Sequence[Part | None], on_error: OnError | None
) -> tuple[list[int], list[str]]:
    """The numbers of the media that are there, and what names the bytes of each."""
    numbers = [number for number, part in enumerate(parts) if part is not None]
    found = DigestIndex(root / "digests.jsonl").digests([p for p in parts if p is not None])
    there, digests = [], []
    for number, digest in zip(numbers, found, strict=True):
        if not isinstance(digest, MediaError):
            there.append(number)
            digests.append(digest)
        elif on_error is None:
            raise digest
        else:
            on_error(number, digest)
    return there, digests


def _settings(
    tower: Tower, pooling: Pooling, damage: Damage, dtype: torch.dtype, digests: Sequence[str]
) -> str:
    """Everything that the states depend on, as JSON."""
    preprocess: Preprocess = tower.preprocess
    asked: dict[str, Any] = to_plain(preprocess)
    if isinstance(preprocess, TextPreprocess):  # by content: a folder may move
        asked["tokenizer"] = durable.file_sha256(tokenizer_path(preprocess.tokenizer))
    settings = {
        "format_version": FORMAT_VERSION,
        "tower": fingerprint(tower),
        "precision": str(dtype),
        "preprocess": asked,
        "pooling": pooling.of_kind(preprocess.kind),
        "damage": to_plain(damage),
        "media": hashlib.sha256("\n".join(digests).encode()).hexdigest(),
        "count": len(digests),
    }
    return json.dumps(settings, sort_keys=True)


def _write(path: Path, found: Found, about: str) -> None:
    tensors, unreadable = found
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = {
        "about": about,
        "unreadable": json.dumps(unreadable),
        "checksum": tensors_digest(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.remove_leftovers(path.parent)  # of a fill that was killed
    durable.replace_file(path, safetensors.torch.save(tensors, metadata=metadata))


def _read(path: Path) -> Found | None:
    """A table, or None where it isn't there; a damaged one is removed, to be computed again."""
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if tensors_digest(tensors) != metadata["checksum"]:
            raise ValueError("checksum")
        unreadable = [(place, why, what) for place, why, what in json.loads(metadata["unreadable"])]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        log.warning("The states in %s are damaged; computing them again.", path)
        path.unlink(missing_ok=True)
        return None
    return tensors, unreadable
