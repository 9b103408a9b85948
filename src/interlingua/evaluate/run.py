"""What a run is worth: retrieval in all directions on what it never saw, beside what it did.

Shape legend: n items of a view, D width.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.data.gate import MediaLimits
from interlingua.data.sound import sound_seconds
from interlingua.embedding import Embedder
from interlingua.evaluate.directions import DirectionTable, all_directions, by_language
from interlingua.evaluate.length_baseline import LengthBaseline
from interlingua.evaluate.retrieval import compare, retrieval, retrieval_from_scores
from interlingua.evaluate.single_queries import QUERIES_FILE, item_names, thing_names
from interlingua.evaluate.single_queries import to_json as queries_to_json
from interlingua.evaluate.tower_alone import held_out_losses
from interlingua.sample import Audio, Part, Sample, Text
from interlingua.train.session import Session
from interlingua.train.streamed_samples import StreamedSamples

FIGURES_FILE = "figures.json"
FORMAT_VERSION = 1
MIN_CLIPS = 3  # of a language that gets a row of its own; one or two say nothing


@dataclass(slots=True)
class EmbeddedView:
    """All items of one view over some samples, in the space.

    Attributes:
        parts: [n].
        sample: [n] numbers of the samples.
        place: [n] which of its sample's items of this view each is, 0 = the first.
        vectors: [n, D].
        component: [n].
        seconds: [n], NaN for pictures and texts.
    """

    parts: list[Part]
    sample: NDArray[np.int64]
    place: NDArray[np.int64]
    vectors: NDArray[np.float32]
    component: NDArray[np.int64]
    seconds: NDArray[np.float32]

    @property
    def languages(self) -> list[str | None]:
        """[n] of speech; None elsewhere."""
        return [part.language if isinstance(part, Audio) else None for part in self.parts]


@dataclass(slots=True)
class Measured:
    """Some samples in the space, and how well their views find each other.

    Attributes:
        samples: in order.
        views: their items, by view.
        table: the directions.
        queries: what ``single_queries.to_json`` keeps of them.
    """

    samples: list[Sample]
    views: dict[str, EmbeddedView]
    table: DirectionTable
    queries: dict[str, Any]


def embed_view(session: Session, samples: Sequence[Sample], view: str) -> EmbeddedView:
    """The items of one view in the space; of several texts, the first (the full one) counts.

    Unreadable items are left out.
    """
    table = session.table(view, list(samples))
    keep = np.ones(len(table.parts), bool)
    if view == "text":
        keep[1:] = table.sample[1:] != table.sample[:-1]
    chosen = np.flatnonzero(keep)
    parts = [table.parts[number] for number in chosen]
    embedder = Embedder(session.model, session.device, MediaLimits())
    cached = table.features
    vectors = embedder(
        parts,
        on_error=lambda *_: None,
        features=None if cached is None else lambda _, wanted: session.view_features(view, wanted),
    )
    readable = ~np.isnan(vectors).any(axis=1)
    chosen = chosen[readable]
    seconds = (
        np.asarray([declared_seconds(table.parts[number]) for number in chosen], np.float32)
        if cached is None
        else cached.seconds[cached.rows[chosen]].numpy()
    )
    components = [samples[number].meta.component for number in table.sample[chosen]]
    first = np.searchsorted(table.sample, table.sample[chosen])  # the samples come in order
    return EmbeddedView(
        [table.parts[number] for number in chosen],
        table.sample[chosen],
        chosen - first,
        vectors[readable],
        np.asarray([-1 if one is None else one for one in components], np.int64),
        seconds,
    )


def declared_seconds(part: Part) -> float:
    """The length of a sound that was readable; NaN for pictures and texts."""
    return sound_seconds(part.content) if isinstance(part, Audio) else float("nan")


def measure(session: Session, samples: Sequence[Sample]) -> Measured:
    """Retrieval in all directions among some samples, speech also by language."""
    views = {view: embed_view(session, samples, view) for view in session.model.views}
    views = {view: found for view, found in views.items() if len(found.parts)}
    vectors: dict[str, Any] = {view: found.vectors for view, found in views.items()}
    component: dict[str, Any] = {view: found.component for view, found in views.items()}
    names: dict[str, Any] = {
        view: item_names(samples, found.sample, found.place) for view, found in views.items()
    }
    pairs = [(a, b) for a in views for b in views if a != b]
    if "speech" in views:
        speech = views["speech"]
        columns = (speech.vectors, speech.component, names["speech"])
        split = by_language("speech", speech.languages, *columns, at_least=MIN_CLIPS)
        for name, (some_vectors, some_components, some_names) in split.items():
            vectors[name], component[name] = some_vectors, some_components
            names[name] = some_names.tolist()
            pairs += [(name, target) for target in ("image", "text") if target in views]
    settings = session.recipe.evaluation
    table = all_directions(
        vectors, component, ks=settings.ks, bootstrap=settings.bootstrap, seed=settings.seed,
        only=pairs,
    )  # fmt: skip
    kept = queries_to_json(table, names, component, thing_names(samples))
    return Measured(list(samples), views, table, kept)


def seen_samples(session: Session) -> list[Sample]:
    """As many training samples as are held out, of the same source, drawn by the split's seed."""
    split = session.recipe.data.split
    corpus = session.corpus
    if isinstance(corpus.train, StreamedSamples):
        if split is None or not corpus.held_out:
            return corpus.train.some(200)
        return corpus.train.some(
            len(corpus.held_out),
            split.seed,
            lambda sample: (
                sample.meta.source == split.source
                and all(sample.alternatives(view) for view in split.views)
            ),
        )
    if split is None or not corpus.held_out:
        candidates = corpus.train
        number = min(200, len(candidates))
    else:
        candidates = [
            sample
            for sample in corpus.train
            if sample.meta.source == split.source
            and all(sample.alternatives(view) for view in split.views)
        ]
        number = min(len(corpus.held_out), len(candidates))
    random = np.random.default_rng(split.seed if split else 0)
    chosen = sorted(random.permutation(len(candidates))[:number])
    return [candidates[index] for index in chosen]


@dataclass(slots=True)
class Evaluation:
    """What was measured of a trained model.

    Attributes:
        figures: plain numbers: ``held_out``, ``seen`` and ``unseen_language`` are lists of
            directions; ``speech_against_length`` sets speech beside clip length; ``counts``.
        seen: training samples in the space.
        held_out: held-out samples in the space; None where nothing is held out.
    """

    figures: dict[str, Any]
    seen: Measured
    held_out: Measured | None = None


def evaluate_session(
    session: Session,
    *,
    held_out: Sequence[Sample] | None = None,
    alike: Callable[[Sequence[Sample]], list[Sample]] = list,
) -> Evaluation:
    """Measure a trained model.

    The figures are also written to ``figures.json`` of its run, and how each held-out query was
    answered to ``held_out_queries.json``.

    Args:
        session: of a trained run.
        held_out: those of its held-out samples that are measured, where the others have chosen
            something; None = all.
        alike: gives samples other components than those of the split, where an answer is right
            for more than its own thing: for all of its class.
    """
    corpus = session.corpus
    kept = corpus.held_out if held_out is None else held_out
    counts = {side: len(getattr(corpus, side)) for side in ("train", "removed")}
    counts["held_out"] = len(kept)
    figures: dict[str, Any] = {"format_version": FORMAT_VERSION, "counts": counts}
    done = Evaluation(figures, measure(session, alike(seen_samples(session))))
    if kept:
        done.held_out = measure(session, alike(kept))
        figures["held_out"] = done.held_out.table.to_json()
        session.run.write_text(QUERIES_FILE, json.dumps(done.held_out.queries))
        if "speech" in done.held_out.views:
            figures["speech_against_length"] = speech_against_length(session, done.held_out)
    if len(session.model.views) == 1:
        figures["held_out_losses"] = held_out_losses(session, kept)
    figures["seen"] = done.seen.table.to_json()
    if corpus.unseen_language:
        figures["unseen_language"] = measure(session, corpus.unseen_language).table.to_json()
    session.run.write_text(FIGURES_FILE, json.dumps(figures, indent=1, ensure_ascii=False))
    return done


def speech_against_length(session: Session, held_out: Measured) -> dict[str, Any]:
    """Spoken name to picture and text, per language, against clip length alone.

    The baseline knows the English line of every gallery item, and nothing of the sound but
    its language and how long it is. Differences are paired by thing.

    Returns:
        ``speech[fr] → text``: model and baseline at each k, and their difference.
    """
    samples = session.corpus.at_hand()
    training = embed_view(session, samples, "speech")
    if len(training.parts) < 2:
        return {}
    speech = held_out.views["speech"]
    settings = session.recipe.evaluation
    options: dict[str, Any] = {"bootstrap": settings.bootstrap, "seed": settings.seed}
    lines = LengthBaseline.fit_by_language(
        training.seconds,
        [_letters(samples[number]) for number in training.sample],
        training.languages,
    )
    found: dict[str, Any] = {}
    for target in ("image", "text"):
        gallery = held_out.views.get(target)
        if gallery is None:
            continue
        letters = [_letters(held_out.samples[number]) for number in gallery.sample]
        baseline = np.stack(
            [
                lines.get(language, lines[None]).scores([seconds], letters)[0]
                for language, seconds in zip(speech.languages, speech.seconds, strict=True)
            ]
        )  # [n, G]
        columns = (speech.vectors, baseline, speech.component)
        named = by_language("speech", speech.languages, *columns, at_least=MIN_CLIPS)
        groups = {"speech": columns, **named}
        for name, (vectors, scores, component) in groups.items():
            if not np.isin(component, gallery.component).any():
                continue
            sides = (component, gallery.component, settings.ks)
            model = retrieval(vectors, gallery.vectors, *sides, **options)
            length = retrieval_from_scores(scores, *sides, **options)
            found[f"{name} → {target}"] = {
                "n": model.n,
                "model": {str(k): model.r_at[k].to_json() for k in settings.ks},
                "length": {str(k): length.r_at[k].to_json() for k in settings.ks},
                "difference": {
                    str(k): compare(model, length, k, bootstrap=settings.bootstrap).to_json()
                    for k in settings.ks
                },
            }
    return found


def _letters(sample: Sample) -> int:
    """Of the text that a thing is found by: its first, which speakers mostly read out whole."""
    texts = [part.text for part in sample.alternatives("text") if isinstance(part, Text)]
    return len(texts[0] if texts else sample.meta.name)
