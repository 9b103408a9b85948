"""What a trained model reaches where there is something to act in: whole, misled, and with less.

Shape legend: B samples, C classes.
"""

from __future__ import annotations

import torch
from torch import nn

from interlingua.batch import Batch
from interlingua.comparison.methods.plan import Method
from interlingua.comparison.runs.answers import Logits, presence_name
from interlingua.comparison.task import ActingTask, FusionTask, Rollout
from interlingua.evaluate.shapley import subsets
from interlingua.models.fused_classifier import FusedClassifier, FusedOutputs
from interlingua.train import random_state


def act(method: Method, model: FusedClassifier, task: FusionTask, seed: int) -> dict[str, Rollout]:
    """By the exchanged modality: the control is asked of fusions without modality dropout."""
    if not isinstance(task, ActingTask):
        return {}
    with random_state.undisturbed(), torch.no_grad():
        plain = task.act(model, seed)
        if plain is None:
            return {}
        found = {"": plain}
        if not method.single and not method.dropout:
            for modality in getattr(task, "controls", tuple(task.towers)):
                rollout = task.act(model, seed, exchanged=modality)
                if rollout is not None:
                    found[modality] = rollout
    return found


def act_without(
    method: Method, model: FusedClassifier, task: FusionTask, seed: int, prior: Logits
) -> dict[str, Rollout]:
    """By ``presence_name``, acting with some of the modalities of a fusion, and with none."""
    if not isinstance(task, ActingTask) or method.single:
        return {}
    found = {}
    with random_state.undisturbed(), torch.no_grad():
        for group in subsets(method.modalities):
            present = [name for name in method.modalities if name in group]
            missing = [name for name in method.modalities if name not in group]
            if missing:
                acting = model if present else Prior(prior)
                rollout = task.act(acting, seed, without=missing)
                if rollout is not None:
                    found[presence_name(present)] = rollout
    return found


class Prior(nn.Module):
    """Who is told nothing: always the commonest class of training.

    Attributes:
        views: none.
    """

    views: tuple[str, ...] = ()

    def __init__(self, prior: Logits):
        super().__init__()
        self.prior = torch.from_numpy(prior)

    def forward(self, batch: Batch) -> FusedOutputs:
        """[B, C] the same logits for every sample."""
        count = len(batch)
        return FusedOutputs(self.prior.expand(count, -1), torch.arange(count))
