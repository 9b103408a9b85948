"""The samples of a recipe: opened, given components, split, filtered, always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from interlingua.config import nearest
from interlingua.data.component import assign_components, split_by_component
from interlingua.data.filters.filter import Filtered, PairScorer
from interlingua.data.source import Problem, Source
from interlingua.errors import ConfigError, DataError
from interlingua.sample import Audio, OneOf, Part, Sample
from interlingua.train.filtering import filter_training
from interlingua.train.recipe import DataConfig
from interlingua.train.streamed_samples import StreamedSamples


@dataclass(slots=True)
class Corpus:
    """What is trained on and what is held out; no component is on both sides.

    Attributes:
        train: samples to learn from, without speech in the unseen languages; in a stream
            (``data.stream``) each is read when it is asked for.
        held_out: samples to be tested on.
        removed: on neither side: they share a component with a held-out sample.
        unseen_language: training samples with nothing but their speech in unseen languages.
        repeats: how often each of ``train`` comes in an epoch.
        problems: what each source left out, by source.
        filtered: what each filter took from ``train``.
        identity: a hash of the training keys, in order.
    """

    train: Sequence[Sample]
    held_out: list[Sample] = field(default_factory=list)
    removed: Sequence[Sample] = field(default_factory=list)
    unseen_language: list[Sample] = field(default_factory=list)
    repeats: list[float] = field(default_factory=list)
    problems: dict[str, Sequence[Problem]] = field(default_factory=dict)
    filtered: list[Filtered] = field(default_factory=list)
    identity: str = ""

    def num_training(self, source: str) -> int:
        """How many training samples are of a source."""
        if isinstance(self.train, StreamedSamples):
            return self.train.count(source)
        return sum(sample.meta.source == source for sample in self.train)

    def at_hand(self, number: int = 1000) -> Sequence[Sample]:
        """Training samples to describe the corpus by: all of them; of a stream some, at random."""
        return self.train.some(number) if isinstance(self.train, StreamedSamples) else self.train


def open_corpus(
    config: DataConfig,
    note: Callable[[str], None] = lambda message: None,
    *,
    run: Path | None = None,
    device: str = "auto",
) -> Corpus:
    """Open the sources of a recipe, split them, and filter what is trained on.

    Args:
        config: sources, weights, split and filters.
        note: is told what takes its time.
        run: the folder that keeps what filters took; None = nowhere.
        device: of a learned filter's model.

    Raises:
        DataError: two sources with one name, nothing to train on, or too few to hold out.
        ConfigError: a filter is for a source that there isn't.
        FetchError: a source can't be fetched.
    """
    if config.stream is not None:
        from interlingua.train.streamed_corpus import open_streamed

        return open_streamed(config, note, run)
    samples, weight, problems = _read_sources(config, note)
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
    corpus.problems = problems
    if config.filters:
        _filter(corpus, config, samples, note, run, device)
    corpus.repeats = [weight[sample.meta.source] for sample in corpus.train]
    keys = "\n".join(f"{sample.meta.source}/{sample.key}" for sample in corpus.train)
    corpus.identity = hashlib.sha256(keys.encode()).hexdigest()
    return corpus


def _read_sources(
    config: DataConfig, note: Callable[[str], None]
) -> tuple[list[Sample], dict[str, float], dict[str, Sequence[Problem]]]:
    """All samples, and by source its weight and what it left out."""
    samples: list[Sample] = []
    weight: dict[str, float] = {}
    problems: dict[str, Sequence[Problem]] = {}
    for use in config.sources:
        source: Source = use.source.build()
        if source.name in weight:
            raise DataError(f"The source {source.name!r} is used twice.", where="data.sources")
        weight[source.name] = use.weight
        # A source of somebody else's may say nothing of itself in its samples.
        samples += [replace(one, meta=replace(one.meta, source=source.name)) for one in source]
        problems[source.name] = source.problems  # shards know of damaged texts once they are read
        note(f"{source.name}: {len(source):,} samples")
    return samples, weight, problems


def _filter(
    corpus: Corpus,
    config: DataConfig,
    samples: Sequence[Sample],
    note: Callable[[str], None],
    run: Path | None,
    device: str,
) -> None:
    """Take out of ``corpus.train`` what the filters say; ``samples`` are those of all sides."""
    for one in config.filters:
        for name in getattr(one, "sources", ()):
            if name not in corpus.problems:
                raise ConfigError(
                    f"A filter is for the source {name!r}{nearest(name, corpus.problems)}.",
                    where=f"data.filters.{one.name}.sources",
                    next_step=f"The sources are {', '.join(corpus.problems)}.",
                )

    def open_scorer(folder: Path) -> PairScorer:
        from interlingua.train import pair_score

        held_out = set(map(id, corpus.held_out))
        others = [sample for sample in samples if id(sample) not in held_out]
        return pair_score.open_scorer(folder, corpus.held_out, others, device=device, note=note)

    given = len(corpus.train)
    corpus.filtered = filter_training(corpus.train, config.filters, run, open_scorer, note)
    corpus.train = corpus.filtered[-1].kept
    if not corpus.train:
        raise DataError(
            f"The filters took all of the {given:,} training samples.",
            where="data.filters",
            next_step="interlingua data filter SOURCE shows what each takes; loosen it.",
        )


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
