"""The samples of a recipe: opened, given components, split, the same at every opening."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from interlingua.data.component import assign_components, split_by_component
from interlingua.data.source import Problem, Source
from interlingua.errors import DataError
from interlingua.sample import Audio, OneOf, Part, Sample
from interlingua.train.recipe import DataConfig


@dataclass(slots=True)
class Corpus:
    """What is trained on and what is held out; no component is on both sides.

    Attributes:
        train: samples to learn from, without speech in the unseen languages.
        held_out: samples to be tested on.
        removed: on neither side: they share a component with a held-out sample.
        unseen_language: training samples with nothing but their speech in unseen languages.
        repeats: how often each of ``train`` comes in an epoch.
        problems: what each source left out, by source.
        identity: a hash of the training keys, in order.
    """

    train: list[Sample]
    held_out: list[Sample] = field(default_factory=list)
    removed: list[Sample] = field(default_factory=list)
    unseen_language: list[Sample] = field(default_factory=list)
    repeats: list[float] = field(default_factory=list)
    problems: dict[str, Sequence[Problem]] = field(default_factory=dict)
    identity: str = ""


def open_corpus(config: DataConfig, note: Callable[[str], None] = lambda message: None) -> Corpus:
    """Open the sources of a recipe and split them.

    Args:
        config: sources, weights and split.
        note: is told what takes its time.

    Raises:
        DataError: two sources with one name, nothing to train on, or too few to hold out.
        FetchError: a source can't be fetched.
    """
    samples: list[Sample] = []
    weight: dict[str, float] = {}
    problems: dict[str, Sequence[Problem]] = {}
    for use in config.sources:
        source: Source = use.source.build()
        if source.name in weight:
            raise DataError(f"The source {source.name!r} is used twice.", where="data.sources")
        weight[source.name] = use.weight
        problems[source.name] = source.problems
        # A source of somebody else's may say nothing of itself in its samples.
        samples += [replace(one, meta=replace(one.meta, source=source.name)) for one in source]
        note(f"{source.name}: {len(source):,} samples")
    note("Looking for things that appear twice ...")
    samples = assign_components(samples)
    split = config.split
    if split is None or not split.held_out:
        corpus = Corpus(samples)
    else:
        parted = split_by_component(
            samples,
            held_out=split.held_out,
            source=split.source,
            views=split.views,
            seed=split.seed,
        )
        corpus = Corpus(parted.train, parted.held_out, parted.removed)
    corpus.train = [sample for sample in corpus.train if weight[sample.meta.source] > 0]
    if split is not None:
        _keep_languages_apart(corpus, split.unseen_languages)
    if not corpus.train:
        raise DataError(
            "Nothing is left to train on.",
            where="data",
            next_step="Hold out fewer, or add a source.",
        )
    corpus.repeats = [weight[sample.meta.source] for sample in corpus.train]
    corpus.problems = problems
    keys = "\n".join(f"{sample.meta.source}/{sample.key}" for sample in corpus.train)
    corpus.identity = hashlib.sha256(keys.encode()).hexdigest()
    return corpus


def _keep_languages_apart(corpus: Corpus, languages: Sequence[str]) -> None:
    """Speech in unseen languages goes from the training samples to samples of its own."""
    corpus.unseen_language = [
        kept for sample in corpus.train if (kept := _speech_only(sample, languages)) is not None
    ]
    corpus.train = [
        kept
        for sample in corpus.train
        if (kept := _without_languages(sample, languages)) is not None
    ]


def _without_languages(sample: Sample, languages: Sequence[str]) -> Sample | None:
    """The sample without speech in these languages; None where nothing is left of it."""
    if not languages or not sample.alternatives("speech"):
        return sample
    return _with_speech(sample, lambda part: part.language not in languages)


def _speech_only(sample: Sample, languages: Sequence[str]) -> Sample | None:
    """The sample with picture and words, and speech in these languages only; None without such."""
    if not any(
        isinstance(part, Audio) and part.language in languages
        for part in sample.alternatives("speech")
    ):
        return None
    return _with_speech(sample, lambda part: part.language in languages)


def _with_speech(sample: Sample, wanted: Callable[[Audio], bool]) -> Sample | None:
    parts: list[Part | OneOf] = []
    for part in sample.parts:
        if part.view != "speech":
            parts.append(part)
            continue
        kept = [
            (one, weight)
            for one, weight in zip(
                sample.alternatives("speech"), sample.weights("speech"), strict=True
            )
            if isinstance(one, Audio) and wanted(one)
        ]
        if kept:
            parts.append(OneOf(tuple(one for one, _ in kept), tuple(w for _, w in kept)))
    return replace(sample, parts=tuple(parts)) if parts else None
