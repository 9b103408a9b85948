"""What a tower that learned alone is worth: its losses on what was held out.

A model of one view has no other view to be found by; its objectives are computed on held-out
samples instead, without augmentation, with hidden places drawn by the run's seed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from interlingua.errors import DataError
from interlingua.evaluate.intervals import wilson
from interlingua.sample import Sample

BATCH_SIZE = 256


def held_out_losses(session: Any, samples: Sequence[Sample]) -> dict[str, Any]:
    """The mean of each part of each objective over all its targets.

    Args:
        session: a ``train.session.Session`` with a trained model.
        samples: that it was not trained on.

    Returns:
        ``n`` samples, and by part ``value`` and ``counted`` (samples, patches or words). An
        accuracy has its 95 % interval by Wilson, and ``majority``, the share of the commonest
        class, where samples are what is counted. Empty where nothing can be judged.
    """
    objectives = [use.objective.build() for use in session.recipe.objectives.values()]
    needs = frozenset[str]().union(*(one.needs for one in objectives))
    try:
        batches = session.batches(list(samples), augment=False)
    except DataError:  # of the classes, fewer than two are held out
        return {}
    sums: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    labels: Counter[int] = Counter()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(session.recipe.seed)
        random = np.random.default_rng(session.recipe.seed)
        for start in range(0, len(samples), BATCH_SIZE):
            chosen = range(start, min(start + BATCH_SIZE, len(samples)))
            batch = batches(chosen, random).to(session.device)
            outputs = session.model(batch, needs=needs)
            for objective in objectives:
                loss = objective(outputs, batch)
                for part, value in loss.parts.items():
                    sums[part] += float(value) * loss.counts[part]
                    counts[part] += loss.counts[part]
            if batch.labels is not None:
                labels.update(number for number in batch.labels.tolist() if number >= 0)
    found: dict[str, Any] = {"n": len(samples)}
    for part, counted in counts.items():
        if counted:
            found[part] = {"value": sums[part] / counted, "counted": counted}
    if labels and "accuracy" in found:
        counted = counts["accuracy"]
        found["accuracy"] |= {
            **wilson(round(sums["accuracy"]), counted).to_json(),
            "majority": max(labels.values()) / labels.total(),
        }
    return found
