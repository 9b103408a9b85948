"""A run from its recipe: sources, split, cached features, the loop, and its folder.

``prepare`` assembles what a recipe describes; ``train_recipe`` and ``resume_run`` hand it to
the loop. The loop itself knows nothing of any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from interlingua.catalogue.cache import cache_root
from interlingua.data.errors_log import SkipLog
from interlingua.device import pick_device, pick_precision
from interlingua.errors import CheckpointError, Interrupted, TrainingError
from interlingua.sample import Part, Sample
from interlingua.towers.pretrained import fingerprint
from interlingua.towers.tower import Tower
from interlingua.train.class_names import learn_names
from interlingua.train.corpus import Corpus, open_corpus
from interlingua.train.distributed import present
from interlingua.train.feature_cache import FeatureCache
from interlingua.train.feature_fill import FeatureTable
from interlingua.train.log import Display, Silent
from interlingua.train.loop import fit
from interlingua.train.prefetch import Prefetched
from interlingua.train.processes import Processes
from interlingua.train.recipe import Recipe, read_yaml, to_yaml
from interlingua.train.run_folder import RunFolder
from interlingua.train.run_state import load_model
from interlingua.train.stages import Stage
from interlingua.train.start import start_from
from interlingua.train.stream import ShuffledStream, Stream
from interlingua.train.streamed_samples import StreamedSamples
from interlingua.train.streaming import check_recipe, streams_of, with_workers
from interlingua.train.view_batches import ViewBatches, ViewTable, collect_parts
from interlingua.train.view_values import GIBIBYTE


@dataclass(slots=True)
class Session:
    """What a recipe becomes on this machine.

    Attributes:
        recipe: the description.
        run: its folder.
        device, precision: where and how towers and model run.
        display: is told of the progress.
        processes: all that train together.
        model: built, with the weights that its recipe names.
    """

    recipe: Recipe
    run: RunFolder
    device: torch.device
    precision: torch.dtype
    display: Display
    processes: Processes = field(default_factory=Processes)
    model: Any = None
    corpus: Corpus = field(default_factory=lambda: Corpus([]))
    _cache: FeatureCache = field(init=False)
    _towers: dict[str, tuple[Tower, str]] = field(default_factory=dict)
    _skip_log: SkipLog = field(init=False)

    def __post_init__(self) -> None:
        self._cache = FeatureCache(cache_root() / "features")
        self._skip_log = SkipLog(self.run.errors_path_of(self.processes.rank))

    def features(self, tower: str, parts: list[Part], what: str) -> FeatureTable:
        """The pooled outputs of a frozen tower, from the cache or computed now."""
        if tower not in self._towers:
            loaded = self.model.frozen_towers.load(tower)
            self._towers[tower] = (loaded, fingerprint(loaded))
        loaded, key = self._towers[tower]
        return self._cache.features(
            loaded,
            key,
            parts,
            loaded.preprocess,
            precision=self.precision,
            device=self.device,
            on_progress=lambda done, total: self.display.work(what, done, total),
            skip_log=self._skip_log,
        )

    def view_features(self, view: str, parts: Sequence[Part], what: str = "") -> FeatureTable:
        """``features`` of the tower that serves a view."""
        return self.features(self.model.config.views[view], list(parts), what or f"{view} features")

    def table(self, view: str, samples: Sequence[Sample], what: str = "") -> ViewTable:
        """All alternatives of a view, with features where its tower is frozen."""
        parts, table = collect_parts(samples, view)
        if not parts:  # a tower that nothing needs is neither fetched nor loaded
            return table
        tower = self.model.config.views[view]
        if tower in self.model.frozen_towers:
            table.features = self.view_features(view, parts, what)
        else:
            table.preprocess = self.model.preprocess(view)
        return table

    def batches(self, samples: Sequence[Sample], *, augment: bool = True) -> ViewBatches:
        """What makes batches of these samples; views that no sample has are left out."""
        tables = {view: self.table(view, samples) for view in self.model.views}
        present = {view: table for view, table in tables.items() if table.parts}
        data = self.recipe.data
        return ViewBatches(
            samples,
            present,
            self._skip_log,
            augment=data.augment if augment else None,
            max_bytes=int(data.picture_memory * GIBIBYTE),
            classes=getattr(self.model.config, "classes", ()),
        )

    def stream_for(self) -> Callable[[Stage], Stream]:
        """Streams over the training samples, one per stage; what is decoded is prefetched."""
        if isinstance(self.corpus.train, StreamedSamples):
            return streams_of(
                self.corpus.train, self.model, self.recipe, self._skip_log, self.processes
            )
        batches = self.batches(self.corpus.train)

        def make(stage: Stage) -> Stream:
            decoded = [view for view, table in batches.tables.items() if table.features is None]
            for view in decoded:  # a stage may have changed what its tower asks for
                batches.tables[view].preprocess = self.model.preprocess(view)
            stream = ShuffledStream(
                len(self.corpus.train),
                stage.batch_size,
                batches,
                seed=self.recipe.seed,
                repeats=self.corpus.repeats,
                identity=self.corpus.identity,
                processes=self.processes,
            )
            return Prefetched(stream) if decoded else stream

        return make

    def learn_names(self) -> None:
        """Give a model with named classes the vectors of its class names.

        Raises:
            ConfigError: there are more or fewer names than classes.
        """
        if getattr(self.model, "named_classes", None) is not None:
            learn_names(self.model, self.features)


def prepare(
    recipe: Recipe, run: RunFolder, *, device: str | None = None, display: Display | None = None
) -> Session:
    """Build the model and open the data of a recipe, on its own device where none is given.

    Raises:
        ConfigError, FetchError, DataError: see their messages.
    """
    check_recipe(recipe)
    processes = present()
    chosen = processes.device(pick_device(device or recipe.device))
    precision = pick_precision(recipe.precision, chosen)
    shown = (display if processes.is_main else None) or Silent()
    session = Session(recipe, run, chosen, precision, shown, processes)
    torch.manual_seed(recipe.seed)
    with processes.node_first("prepare"):  # one of each machine fetches what is not cached yet
        session.model = recipe.model.build()
        session.corpus = open_corpus(
            recipe.data, session.display.note, run=run.path, device=str(chosen)
        )
    return session


def train_recipe(
    recipe: Recipe,
    run_dir: Path,
    *,
    device: str | None = None,
    display: Display | None = None,
    resume: bool = False,
) -> Session:
    """Train a recipe into a folder.

    Raises:
        TrainingError: the folder holds a run, whose recipe stays as it is.
        Interrupted: a signal came; the step is saved.
        InterlinguaError: what can't be done, in words.
    """
    run = RunFolder(run_dir, recipe.keep_checkpoints)
    processes = present()
    if not resume:
        if processes.from_main(bool(run.checkpoints.steps())):
            raise TrainingError(
                "This folder already holds a run.",
                where=str(run_dir),
                next_step=f"Go on with --resume {run_dir}, or give another folder.",
            )
        with processes.main_first("recipe"):
            if processes.is_main:
                run.forget_errors()
                run.write_text("recipe.yaml", to_yaml(recipe))
    session = prepare(recipe, run, device=device, display=display)
    if recipe.start_from and not run.checkpoints.steps():
        with processes.node_first("start"):
            start_from(session.model, recipe.start_from)
    with processes.node_first("features"):
        session.learn_names()
        streams = session.stream_for()
    precision = torch.float32 if heads_only(recipe) else session.precision
    result = fit(
        session.model,
        {name: (use.objective.build(), use.weight) for name, use in recipe.objectives.items()},
        recipe.stages,
        streams,
        run,
        device=session.device,
        precision=precision,
        resume=resume,
        display=session.display,
        distributed=recipe.distributed,
        compile_blocks=recipe.compile,
    )
    if not result.finished:
        raise Interrupted(
            result.stopped_by or "a signal",
            where=str(run_dir),
            next_step=f"interlingua train --resume {run_dir}",
        )
    if processes.many and recipe.distributed == "fsdp2":  # each process has but pieces of it
        session.model = recipe.model.build()
        load_model(session.model, run.checkpoints.load(), averaged=True)
        session.model.to(session.device)
    session.model.eval()
    return session


def resume_run(
    run_dir: Path,
    *,
    device: str | None = None,
    display: Display | None = None,
    workers: int | None = None,
) -> Session:
    """Go on with an interrupted run; a finished one is given back as it is.

    Another number of ``workers`` gives a run that streams the same batches.

    Raises:
        CheckpointError: there is no run in the folder, or all its checkpoints are damaged.
    """
    recipe = with_workers(recipe_of(run_dir), workers)
    return train_recipe(recipe, run_dir, device=device, display=display, resume=True)


def open_run(
    run_dir: Path, *, device: str | None = None, display: Display | None = None
) -> Session:
    """A trained run, ready to be measured: newest good checkpoint, its own data and split.

    Raises:
        CheckpointError: there is no run, or no good checkpoint.
    """
    recipe = recipe_of(run_dir)
    run = RunFolder(run_dir, recipe.keep_checkpoints)
    if not run.checkpoints.steps():
        raise CheckpointError(
            "The run has no checkpoint yet.",
            where=str(run_dir),
            next_step=f"interlingua train --resume {run_dir}",
        )
    session = prepare(recipe, run, device=device, display=display)
    load_model(session.model, run.checkpoints.load(), averaged=True)
    session.model.to(session.device).eval()
    return session


def recipe_of(run_dir: Path) -> Recipe:
    """The recipe that a run's folder keeps.

    Raises:
        CheckpointError: there is no run.
    """
    path = RunFolder(run_dir).recipe_path
    if not path.exists():
        raise CheckpointError(
            "There is no run here.",
            where=str(run_dir),
            next_step="interlingua train RECIPE --out RUN makes one.",
        )
    return read_yaml(path)


def heads_only(recipe: Recipe) -> bool:
    """Small heads over cached features gain nothing from bf16."""
    towers = getattr(recipe.model, "towers", {})
    return all(use.frozen for use in towers.values())
