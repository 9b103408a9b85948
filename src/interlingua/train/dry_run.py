"""A dry run: everything that a run begins with, a few steps of each stage, and nothing kept.

The data are opened and split, the model is built, the first batch of each stage is made and trained
on: with the real loop, on the real device, in a scratch folder that is removed. So what would go
wrong in the first minute goes wrong here, and shapes, memory and time are measured, not guessed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from interlingua.data.source import count_reasons
from interlingua.sample import Part
from interlingua.towers.tower import ImagePreprocess, Preprocess
from interlingua.train import run_state
from interlingua.train.drawn_features import DrawnFeatures
from interlingua.train.feature_fill import Encoder, FeatureTable
from interlingua.train.log import Display
from interlingua.train.memory import memory_of
from interlingua.train.recipe import Recipe
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session, heads_only, prepare
from interlingua.train.stage_trial import StageTrial, try_stage
from interlingua.train.stages import Stage, give_settings
from interlingua.train.start import start_from
from interlingua.train.view_values import GIBIBYTE


@dataclass(frozen=True, slots=True)
class Fill:
    """What a run's frozen towers compute before its first step, where it isn't cached.

    Attributes:
        view: whose media.
        media: distinct ones in the training data.
        rate: media a second, measured on the first batch.
    """

    view: str
    media: int
    rate: float

    @property
    def seconds(self) -> float:
        """For all of them."""
        return self.media / self.rate if self.rate else 0.0


@dataclass(slots=True)
class DryRun:
    """What was found.

    Attributes:
        recipe: what was tried.
        device, precision, threads: where and how.
        processes: that the run is meant for; one was tried.
        counts: of samples: ``train``, ``held_out``, ``removed`` and others.
        left_out: what the sources left out, by source and reason.
        damaged: media of the first batches that can't be decoded, by reason.
        parameters: by part of the model: (all of it, trained in some stage).
        fills: of frozen towers.
        stages: in order.
        opening_seconds: that the data and the model took to open.
        checkpoint_bytes: of one, about.
        memory: (free, all there is) of the device before the first step.
    """

    recipe: Recipe
    device: torch.device
    precision: torch.dtype
    threads: int
    processes: int
    counts: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    damaged: Counter[str] = field(default_factory=Counter)
    parameters: dict[str, tuple[int, int]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    stages: list[StageTrial] = field(default_factory=list)
    opening_seconds: float = 0.0
    checkpoint_bytes: int = 0
    memory: tuple[int, int] = (0, 0)

    @property
    def seconds(self) -> float:
        """Of the run, without its frozen towers and without measuring at its end."""
        return self.opening_seconds + sum(one.seconds for one in self.stages)

    @property
    def frozen_seconds(self) -> float:
        """Of the frozen towers, where nothing is cached yet."""
        return sum(fill.seconds for fill in self.fills)

    @property
    def peak_memory(self) -> int:
        """Bytes at the highest point of all stages."""
        return max((one.peak_memory for one in self.stages), default=0)


class DrySession(Session):
    """A session whose frozen towers encode what is drawn, and keep nothing."""

    drawn: dict[str, DrawnFeatures]
    encoders: dict[str, Encoder]

    @classmethod
    def of(cls, session: Session) -> DrySession:
        """The same session, its model and data shared."""
        dry = cls(
            session.recipe, session.run, session.device, session.precision, session.display,
            session.processes, session.model, session.corpus,
        )  # fmt: skip
        dry.drawn, dry.encoders = {}, {}
        return dry

    def view_features(self, view: str, parts: Sequence[Part], what: str = "") -> FeatureTable:
        """A table that computes a row when it is drawn; see ``Session``."""
        if view not in self.drawn:
            tower = self.model.config.views[view]
            shape = self.model.tower_shape(tower)
            self.drawn[view] = DrawnFeatures(
                list(parts),
                shape.preprocess,
                lambda: self.encoder(tower),
                shape.pooled_width,
                self._skip_log,
            )
        return self.drawn[view].table()

    def encoder(self, tower: str) -> Encoder:
        """The frozen tower, loaded once for all views that it serves."""
        if tower not in self.encoders:
            self.display.note(f"Loading the tower {tower!r} ...")
            loaded = self.model.frozen_towers.load(tower)
            self.encoders[tower] = Encoder(loaded, self.precision, self.device)
        return self.encoders[tower]

    @property
    def damaged(self) -> Counter[str]:
        """Media that could not be decoded, by reason."""
        return self._skip_log.counts


def dry_run(
    recipe: Recipe,
    *,
    device: str | None = None,
    display: Display | None = None,
    processes: int = 1,
    seconds: float = 20.0,
) -> DryRun:
    """Try a recipe: its data, its model, its first batch of every stage.

    Args:
        recipe: what would be trained.
        device: None = the recipe's own.
        display: is told of the progress.
        processes: that the run is meant for; one is tried, on its share of the batch.
        seconds: for the steps of a stage; one step after the first is measured in any case.

    Raises:
        TrainingError: there is not enough memory; the message has the sizes.
        InterlinguaError: whatever would stop the run.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="interlingua-dry-run-") as scratch:
        opened = prepare(recipe, RunFolder(Path(scratch)), device=device, display=display)
        session = DrySession.of(opened)
        if recipe.start_from:
            start_from(session.model, recipe.start_from)
        session.learn_names()
        found = DryRun(
            recipe, session.device, session.precision, torch.get_num_threads(), processes
        )
        found.opening_seconds = time.perf_counter() - began
        _look_at_data(found, session)
        try:
            _try_stages(found, session, Path(scratch), seconds)
        finally:
            found.damaged = Counter(session.damaged)
    found.fills = [
        Fill(view, drawn.distinct, drawn.computed / drawn.seconds)
        for view, drawn in session.drawn.items()
        if drawn.seconds
    ]
    return found


def room_for_checkpoints(found: DryRun, out: Path) -> tuple[int, int]:
    """(bytes that the run's checkpoints need at most, bytes that the disk has free)."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    # one more than stay: the oldest goes only after the newest is read back
    needed = found.checkpoint_bytes * (found.recipe.keep_checkpoints + 1)
    return needed, shutil.disk_usage(there).free


def _look_at_data(found: DryRun, session: Session) -> None:
    corpus = session.corpus
    found.counts = {"train": len(corpus.train)}
    for name in ("held_out", "removed", "unseen_language"):
        if number := len(getattr(corpus, name)):
            found.counts[name] = number
    taken = sum(one.given - len(one.kept) for one in corpus.filtered)
    if taken:
        found.counts["filtered"] = taken
    found.left_out = {
        name: count_reasons(problems) for name, problems in corpus.problems.items() if problems
    }


def _try_stages(found: DryRun, session: DrySession, scratch: Path, seconds: float) -> None:
    recipe, model = session.recipe, session.model
    found.memory = memory_of(session.device)
    streams = session.stream_for()
    trained: set[str] = set()
    for number, stage in enumerate(recipe.stages):
        session.display.note(f"Trying the stage {stage.name!r} ...")
        share = max(1, -(-stage.batch_size // found.processes))
        stage = stage.model_copy(update={"batch_size": share})
        give_settings(model, stage.model)
        trial = try_stage(
            session.recipe,
            model,
            stage,
            streams,
            scratch / f"stage-{number}",
            device=session.device,
            precision=torch.float32 if heads_only(recipe) else session.precision,
            drawn=session.drawn,
            keeps=_pictures_fit(session, stage),
            compile_blocks=recipe.compile and not number,
            max_seconds=seconds,
        )
        found.stages.append(trial)
        trained |= {name for name, one in model.named_parameters() if one.requires_grad}
    give_settings(model, {})
    found.parameters = _parameters(model, trained)
    found.checkpoint_bytes = _checkpoint_bytes(model, recipe.stages, trained)


def _pictures_fit(session: Session, stage: Stage) -> bool:
    """Whether the decoded pictures of all trained views stay in memory."""
    if session.recipe.data.stream is not None:
        return False
    wanted = 0
    for view in session.model.views:
        preprocess: Preprocess = session.model.preprocess(view)
        tower = session.model.config.views[view]
        if isinstance(preprocess, ImagePreprocess) and tower not in session.model.frozen_towers:
            augment = session.recipe.data.augment
            side = augment.decoded_size(preprocess.size) if augment.crops else preprocess.size
            wanted += 3 * side * side * len(session.corpus.train)
    return wanted <= session.recipe.data.picture_memory * GIBIBYTE


def _parameters(model: Any, trained: set[str]) -> dict[str, tuple[int, int]]:
    """By part (``towers.image``, ``heads``): (all parameters, those trained in some stage)."""
    found: dict[str, tuple[int, int]] = {}
    for name, parameter in model.named_parameters():
        steps = name.split(".")
        part = ".".join(steps[:2]) if steps[0] in ("towers", "heads", "projections") else steps[0]
        every, some = found.get(part, (0, 0))
        found[part] = (every + parameter.numel(), some + (name in trained) * parameter.numel())
    for tower in getattr(getattr(model, "frozen_towers", None), "sources", ()):
        count = sum(one.numel() for one in model.tower_shape(tower).parameters())
        found[f"{tower}, frozen"] = (count, 0)
    return found


def _checkpoint_bytes(model: Any, stages: Sequence[Stage], trained: set[str]) -> int:
    left_out = set(run_state.pretrained_tensors(model, stages))
    state = model.state_dict()
    moments = 2 * sum(one.nbytes for name, one in state.items() if name in trained)
    averages = moments // 2 if any(stage.ema for stage in stages) else 0
    weights = sum(one.nbytes for name, one in state.items() if name not in left_out)
    return weights + moments + averages
