"""How far two outputs are apart: numbers, and unit vectors row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.harness import Check

FloatArray = npt.NDArray[np.float64]
TIE = 1e-3  # of a centred cosine


def as_rows(vectors: Any) -> FloatArray:
    """[N, D] unit vectors in fp64, from an array or a tensor of any dtype and device."""
    if isinstance(vectors, torch.Tensor):
        vectors = vectors.detach().float().cpu().numpy()
    rows: FloatArray = np.asarray(vectors, np.float64)
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def cosines(ours: Any, peer: Any, what: str, at_least: float) -> list[Check]:
    """The lowest cosine of a row of ours with the same row of a peer's; NaN counts as lowest.

    Vectors of an untrained model all lie close together, where a cosine says little. So the
    second check takes the mean off and asks for each row whether its nearest of the peer's rows is
    its own: ours must carry what tells the inputs apart. Another row that is no nearer
    than its own by ``TIE`` counts as its own (pictures that are almost the same).
    """
    ours, peer = as_rows(ours), as_rows(peer)
    if ours.shape != peer.shape:
        raise ValueError(f"{what}: {ours.shape} of ours, {peer.shape} of the peer")
    lowest = float((ours * peer).sum(1).min())
    checks = [Check(f"{what}: lowest cosine", lowest, at_least, at_least=True)]
    if len(ours) > 1:
        checks.append(Check(f"{what}: nearest is itself", _found(ours, peer), 0.99, at_least=True))
    return checks


def row_cosines(what: str, at_least: float) -> Callable[[Any, Any], list[Check]]:
    """``cosines`` as a case's ``compare``: of (ours, peer).

    Args:
        what: the rows are.
        at_least: the lowest cosine.
    """
    return lambda ours, peer: cosines(ours, peer, what, at_least)


def _found(ours: FloatArray, peer: FloatArray) -> float:
    """The share of rows of ours whose nearest centred row of the peer's is the same input."""
    middle = peer.mean(0)
    own = as_rows(ours - middle)
    theirs = as_rows(peer - middle)
    scores = own @ theirs.T
    return float((scores.diagonal() >= scores.max(1) - TIE).mean())


def apart(ours: float, peer: float, what: str, at_most: float) -> Check:
    """The absolute difference of two numbers."""
    return Check(f"{what}: difference", abs(ours - peer), at_most)


def relatively_apart(ours: float, peer: float, what: str, at_most: float) -> Check:
    """The difference of two numbers as a share of the peer's."""
    return Check(f"{what}: relative difference", abs(ours - peer) / max(abs(peer), 1e-30), at_most)
