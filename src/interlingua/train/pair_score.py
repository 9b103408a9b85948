"""Scores of picture-text pairs from a trained run, for the learned filter (``pair_score``).

A model that was trained on held-out things knows them; what it keeps would be chosen by what is
tested on. So a run may score only where none of its training samples shares a component (name or
drawing) with a held-out thing. That is worked out here from the samples themselves: both corpora
are opened and given components together. The runs behind a run count too: those that filtered its
data, and those whose weights it began with.

Not covered: public checkpoints. What they saw, no recipe tells.

Shape legend: D width of the space, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlingua.data.component import assign_components
from interlingua.data.filters.filter import PairScorer
from interlingua.data.gate import MediaLimits
from interlingua.embedding import Embedder
from interlingua.errors import CheckpointError, DataError
from interlingua.sample import Image, Part, Sample, Text

if TYPE_CHECKING:
    from interlingua.train.recipe import Recipe
    from interlingua.train.session import Session


def open_scorer(
    run: Path,
    held_out: Sequence[Sample],
    others: Sequence[Sample] = (),
    *,
    device: str = "auto",
    note: Callable[[str], None] = lambda message: None,
) -> PairScorer:
    """What scores pairs by the cosine of their vectors in a run's space.

    Args:
        run: the folder of the run.
        held_out: what must be unknown to it.
        others: the other samples of that corpus, through which things may be the same.
        device: where the model runs.
        note: is told what takes its time.

    Raises:
        CheckpointError: there is no usable run.
        DataError: it was trained on held-out things, or its own data changed.
    """
    from interlingua.train.session import open_run

    note(f"Opening the run that scores the pairs: {run}")
    session = open_run(run, device=device)
    _same_data_as_trained(session, run)
    if held_out:
        check_unseen(run, session.recipe, session.corpus.train, held_out, others)
    return lambda pairs: score(session, pairs)


def score(session: Session, pairs: Sequence[tuple[Image, Text]]) -> NDArray[np.float64]:
    """[P] cosines; NaN where one of a pair can't be read."""
    images: dict[Part, int] = {}
    texts: dict[Part, int] = {}
    rows = [
        (images.setdefault(image, len(images)), texts.setdefault(text, len(texts)))
        for image, text in pairs
    ]
    places = np.asarray(rows, np.int64).reshape(-1, 2)
    pictures = _embed(session, "image", list(images))[places[:, 0]]  # [P, D]
    words = _embed(session, "text", list(texts))[places[:, 1]]
    cosines: NDArray[np.float64] = (pictures.astype(np.float64) * words).sum(1)
    return cosines


def _embed(session: Session, view: str, parts: list[Part]) -> NDArray[np.float32]:
    """[n, D]; a frozen tower's outputs come from the feature cache."""
    if view not in session.model.views:
        raise DataError(
            f"The run that is to score pairs has no tower for {view}.",
            where=str(session.run.path),
            next_step="Give the run of a model that takes pictures and words.",
        )
    frozen = session.model.config.views[view] in session.model.frozen_towers
    embedder = Embedder(session.model, session.device, MediaLimits())
    return embedder(
        parts,
        on_error=lambda *_: None,
        features=(lambda one, wanted: session.view_features(one, wanted)) if frozen else None,
    )


def check_unseen(
    run: Path,
    recipe: Recipe,
    trained_on: Sequence[Sample],
    held_out: Sequence[Sample],
    others: Sequence[Sample] = (),
    checked: frozenset[Path] = frozenset(),
) -> None:
    """Refuse a run that saw held-out things, itself or through the runs behind it.

    Args:
        run: its folder.
        recipe: of the run.
        trained_on: its training samples.
        held_out: what must be unknown to it.
        others: the other samples of that corpus.
        checked: runs that need no further look.

    Raises:
        DataError: it did.
    """
    known = [*_renamed(held_out, "here"), *_renamed(others, "here")]
    joined = assign_components([*known, *_renamed(trained_on, "there")])
    seen = {sample.meta.component for sample in joined[len(known) :]}
    twins = [
        sample for sample, one in zip(held_out, joined, strict=False) if one.meta.component in seen
    ]
    if twins:
        raise DataError(
            f"The run that is to score the pairs was trained on {len(twins):,} of "
            f"{len(held_out):,} things that are held out here, {twins[0].key!r} first.",
            where=str(run),
            next_step="Train the scoring run with the same data.sources and data.split.",
        )
    from interlingua.train.corpus import open_corpus
    from interlingua.train.recipe import read_yaml

    checked |= {run.resolve()}
    for inner in runs_behind(recipe):
        if inner not in checked:
            theirs = read_yaml(inner / "recipe.yaml")
            corpus = open_corpus(theirs.data, run=inner)
            check_unseen(inner, theirs, corpus.train, held_out, others, checked)


def runs_behind(recipe: Recipe) -> list[Path]:
    """The folders of the runs that had a say in this one: by filters, or by their weights."""
    towers = getattr(recipe.model, "towers", {}).values()
    named: list[Any] = [getattr(config, "run", None) for config in recipe.data.filters]
    named += [recipe.start_from, *(getattr(use, "weights", "") for use in towers)]
    found = []
    for path in (Path(one) for one in named if one):
        # a run, or one step of it: RUN/steps/step-00000100
        for folder in (path, path.parent.parent):
            if (folder / "recipe.yaml").is_file():
                found.append(folder.resolve())
                break
    return found


def _renamed(samples: Sequence[Sample], corpus: str) -> list[Sample]:
    """The samples, with the corpus for a source: components are numbered by the corpus."""
    return [replace(one, meta=replace(one.meta, source=corpus)) for one in samples]


def _same_data_as_trained(session: Session, run: Path) -> None:
    """The check is of the data as they are now; they have to be those that were trained on."""
    stream = session.run.checkpoints.load().state.get("stream", {})
    recorded = stream.get("identity", "").partition("/")[0]  # a shard stream adds its shards
    if recorded and recorded != session.corpus.identity:
        raise CheckpointError(
            "The data of the run that is to score the pairs have changed since it was trained, so "
            "what it saw can't be told.",
            where=str(run),
            next_step="Put its data back, or train it again.",
        )
