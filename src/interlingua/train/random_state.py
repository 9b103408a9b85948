"""The state of the global random generators: Python's, NumPy's, torch's; without pickle."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def capture() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The state as plain data and as tensors (``capture``'s result is what ``restore`` takes)."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    plain = {
        "python": [version, list(words), gauss],
        "numpy": [str(name), np.asarray(keys).tolist(), position, has_gauss, cached],
    }
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"cuda.{number}"] = state
    if torch.backends.mps.is_available():
        tensors["mps"] = torch.mps.get_rng_state()
    return plain, tensors


def restore(plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put the state back; generators of devices that are absent here are passed over."""
    version, words, gauss = plain["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = plain["numpy"]
    np.random.set_state((name, np.asarray(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(tensors["torch"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            if f"cuda.{number}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda.{number}"], number)
    if torch.backends.mps.is_available() and "mps" in tensors:
        torch.mps.set_rng_state(tensors["mps"])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside changes nothing outside."""
    state = capture()
    try:
        yield
    finally:
        restore(*state)


def seed_all(seed: int) -> None:
    """Seed every global generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
