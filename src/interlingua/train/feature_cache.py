"""Frozen towers run once: their pooled outputs are kept on disk and read back for ever after.

Features are kept by everything they depend on: the tower (its code version, settings and
weights), precision, preprocessing and format version name a folder; the SHA-256 of the
media's bytes (or of a text) names a row. A fill that is killed and started again gives the
same bits as one that was not, because what is computed together is settled and on disk
before anything is computed (see ``feature_chunks``).

Shape legend: n distinct readable parts, P pooled width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interlingua import durable, file_lock
from interlingua.config import to_plain
from interlingua.data.errors_log import SkipLog
from interlingua.data.gate import MediaLimits
from interlingua.data.text import tokenizer_path
from interlingua.errors import MediaError
from interlingua.sample import Part
from interlingua.towers.tower import Preprocess, TextPreprocess, Tower
from interlingua.train.content_digest import DigestIndex
from interlingua.train.feature_chunks import ChunkFolder
from interlingua.train.feature_fill import Encoder, FeatureTable, Fill, OnProgress, skip_part

__all__ = ["FeatureCache", "FeatureTable"]

FORMAT_VERSION = 3  # raise it when decoding or pooling gives other numbers


class FeatureCache:
    """Features on disk.

    Args:
        root: the folder; may be shared by runs and processes.
        batches_per_chunk: how much work one file holds.
    """

    def __init__(self, root: Path, batches_per_chunk: int = 4):
        self.root = root
        self.batches_per_chunk = batches_per_chunk

    def features(
        self,
        tower: Tower | Callable[[], Tower],
        tower_key: str,
        parts: Sequence[Part],
        preprocess: Preprocess,
        *,
        precision: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        batch_size: int = 64,
        on_progress: OnProgress | None = None,
        skip_log: SkipLog | None = None,
        limits: MediaLimits | None = None,
    ) -> FeatureTable:
        """The pooled output of a tower for each part, computed where it isn't cached.

        Args:
            tower: or a function that makes it, called only if something is to be computed.
            tower_key: names the tower's code version, settings and weights, as
                ``towers.pretrained.fingerprint`` does.
            parts: of the tower's kind; may repeat.
            preprocess: the tower's.
            precision: bf16 where that is fast.
            device: where the tower runs.
            batch_size: parts computed together.
            on_progress: told (done, total) of the parts that are computed.
            skip_log: counts media that can't be decoded and stops when there are too many.
            limits: of the media gate.

        Raises:
            DataError: parts of another kind, or too many that can't be decoded.
            TrainingError: the disk is full (what was cached stays), the tower's weights are not
                finite, or it gives no pooled vectors.
        """
        limits = limits or MediaLimits()
        skip_log = skip_log or SkipLog()
        with durable.room_explained(self.root):
            settings = _settings(tower_key, preprocess, precision)
            folder = ChunkFolder(self.root / _folder_name(settings), self.batches_per_chunk)
            found = self._digests(parts, skip_log)
            first: dict[str, Part] = {}
            twins: dict[str, list[Part]] = {}
            for part, digest in zip(parts, found, strict=True):
                if digest is not None and first.setdefault(digest, part) is not part:
                    twins.setdefault(digest, []).append(part)
            fill = Fill(folder, first, preprocess, batch_size, limits, skip_log, twins)
            fill.read_cached()
            if fill.missing:
                with file_lock.held(folder.path / ".lock", wait=True):
                    folder.prepare(settings)
                    fill.read_cached()  # another process may have filled it meanwhile
                    if fill.missing:
                        encoder = Encoder(tower, precision, torch.device(device))
                        fill.compute(encoder, on_progress)
        return fill.table(found)

    def _digests(self, parts: Sequence[Part], skip_log: SkipLog) -> list[str | None]:
        """What names each part's content; None where it can't be read."""
        found: list[str | None] = []
        for part, digest in zip(
            parts, DigestIndex(self.root / "digests.jsonl").digests(parts), strict=True
        ):
            if isinstance(digest, MediaError):
                skip_part(skip_log, digest, part)
                found.append(None)
            else:
                found.append(digest)
        return found


def _settings(key: str, preprocess: Preprocess, precision: torch.dtype) -> dict[str, Any]:
    """Everything beside the media's bytes that the features depend on."""
    asked = to_plain(preprocess)
    if isinstance(preprocess, TextPreprocess):  # by content: a folder may move
        asked["tokenizer"] = durable.file_sha256(tokenizer_path(preprocess.tokenizer))
    return {
        "format_version": FORMAT_VERSION,
        "tower": key,
        "precision": str(precision),
        "output": "pooled",
        "preprocess": asked,
    }


def _folder_name(settings: Mapping[str, Any]) -> str:
    """Begins with the kind of media, for people."""
    text = json.dumps(settings, sort_keys=True)
    kind = settings["preprocess"]["kind"]
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
