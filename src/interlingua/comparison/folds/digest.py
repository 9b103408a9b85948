"""A name for the data of a fold: other data, another name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interlingua.comparison.examples import Examples
from interlingua.comparison.task import Fold


def fold_digest(fold: Fold) -> str:
    """SHA-256, in hex, of everything that is trained and measured on.

    Tables that several sets share are read once.
    """
    seen: dict[tuple[int, Any, Any], bytes] = {}
    whole = hashlib.sha256()
    for name, examples in _sets(fold):
        whole.update(name.encode())
        for key in examples.keys:
            whole.update(key.encode() + b"\0")
        for array in (examples.labels, examples.clusters):
            whole.update(np.ascontiguousarray(array).tobytes())
        for modality, one in sorted(examples.modalities.items()):
            whole.update(modality.encode())
            whole.update(np.ascontiguousarray(one.variants).tobytes())
            for table in (one.values, one.states, one.mask):
                if table is not None:
                    place = (table.data_ptr(), tuple(table.shape), table.dtype)
                    if place not in seen:
                        seen[place] = _digest_of(table)
                    whole.update(seen[place])
    for name, contradiction in sorted(fold.contradictions.items()):
        for modality, says in sorted(contradiction.says.items()):
            whole.update(f"{name} {modality}".encode() + np.ascontiguousarray(says).tobytes())
    return whole.hexdigest()


def _sets(fold: Fold) -> Iterator[tuple[str, Examples]]:
    yield "train", fold.train
    yield "test", fold.test
    for modality, levels in sorted(fold.degraded.items()):
        for level, examples in sorted(levels.items()):
            yield f"{modality} {level:g}", examples
    for name, contradiction in sorted(fold.contradictions.items()):
        yield name, contradiction.examples


def _digest_of(table: Tensor) -> bytes:
    found = hashlib.sha256(f"{tuple(table.shape)} {table.dtype}".encode())
    found.update(table.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.digest()
