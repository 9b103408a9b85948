"""What the page reads from the vectors themselves: nearness, sameness, which views have a place.

Shapes: M vectors, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlingua.report import views
from interlingua.report.data import FloatArray, Thing


def same(one: Thing, other: Thing) -> bool:
    """Whether two things count as the same: one key or one component."""
    return one.key == other.key or (one.component is not None and one.component == other.component)


def placed_views(thing: Thing) -> list[str]:
    """The views with a finite vector, in the order of the inks; of languages the first."""
    kept: dict[str, str] = {}
    for name, view in thing.views.items():
        if view.vector is not None and np.isfinite(view.vector).all():
            kept.setdefault(views.base(name), name)
    order = {name: place for place, name in enumerate(views.INKS)}
    return sorted(kept.values(), key=lambda name: order.get(views.base(name), len(order)))


def unit_vectors(things: Sequence[Thing], view: str) -> NDArray[np.float64]:
    """One view's vectors ``[M, D]``, scaled to length 1.

    Raises:
        ValueError: a thing has no vector for the view.
    """
    found: list[FloatArray] = []
    for thing in things:
        vector = thing.views[view].vector if view in thing.views else None
        if vector is None:
            raise ValueError(f"{thing.key} has no vector for its {view}")
        found.append(vector)
    return unit(np.stack(found))


def unit(vectors: FloatArray) -> NDArray[np.float64]:
    """Scaled to length 1 along the last axis; zero stays zero."""
    numbers = np.asarray(vectors, np.float64)
    scaled: NDArray[np.float64] = numbers / np.maximum(
        np.linalg.norm(numbers, axis=-1, keepdims=True), 1e-12
    )
    return scaled


def usual_cosines(things: Sequence[Thing]) -> dict[tuple[str, str], float]:
    """For each pair of views, the mean cosine between *different* things.

    Nearness means little without it: in a space where everything lies close, so do strangers.
    """
    names = sorted({view for thing in things for view in placed_views(thing)})
    found: dict[tuple[str, str], float] = {}
    for place, one in enumerate(names):
        for other in names[place:]:
            left = [thing for thing in things if one in placed_views(thing)]
            right = [thing for thing in things if other in placed_views(thing)]
            scores = unit_vectors(left, one) @ unit_vectors(right, other).T
            differ = ~(_identity(left)[:, None] == _identity(right)[None])
            if differ.any():
                found[one, other] = found[other, one] = float(scores[differ].mean())
    return found


def _identity(things: Sequence[Thing]) -> NDArray[np.object_]:
    identities = np.empty(len(things), object)
    for place, thing in enumerate(things):
        identities[place] = thing.key if thing.component is None else thing.component
    return identities
