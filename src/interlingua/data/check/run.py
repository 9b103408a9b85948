"""The whole check of a source: everything is looked at once, then judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from interlingua.data.check.contents import describe
from interlingua.data.check.findings import findings_of
from interlingua.data.check.languages import language_facts
from interlingua.data.check.learnable import lessons, nothing_to_learn
from interlingua.data.check.media import OnProgress, look, media_facts
from interlingua.data.check.model_fit import model_fit
from interlingua.data.check.result import Check
from interlingua.data.check.shared import shared_facts
from interlingua.data.check.texts import text_facts
from interlingua.data.check.tokens import token_facts
from interlingua.data.check.twins import same_drawings, same_sounds, twin_facts
from interlingua.data.component import assign_components
from interlingua.data.gate import MediaLimits
from interlingua.data.near_duplicates import keep
from interlingua.data.source import Source
from interlingua.errors import DataError
from interlingua.sample import Sample
from interlingua.towers.tower import Preprocess, TextPreprocess


def check_source(
    source: Source,
    *,
    test: Source | None = None,
    needs: Mapping[str, Preprocess] | None = None,
    limits: MediaLimits | None = None,
    most: int | None = None,
    seed: int = 0,
    workers: int = 0,
    on_progress: OnProgress = lambda done, total: None,
    note: Callable[[str], None] = lambda message: None,
) -> Check:
    """Look at a training set, and at what is tested on beside it.

    Args:
        source: to be trained on.
        test: to be tested on; what both have in common is found.
        needs: by view, what a model's towers take: whose tokenizer, which sizes.
        limits: of the media.
        most: decode so many of each view of a source, drawn by seed; None = all. Twins are looked
            for among these.
        seed: of that choice.
        workers: processes that decode, so that no file can end this one; 0 = threads.
        on_progress: told how many media are decoded.
        note: told what takes its time.

    Raises:
        DataError: the source has no sample.
    """
    needs = needs or {}
    train = list(source)
    if not train:
        raise DataError(f"The source {source.name} has no sample.", where=source.name)
    held_out = _named_apart(test) if test is not None else []
    note(f"{source.name}: {len(train):,} samples; decoding their pictures and sounds ...")
    gate = limits or MediaLimits()
    options: dict[str, Any] = {"most": most, "seed": seed, "workers": workers}
    looked = look(train, gate, on_progress=on_progress, **options)
    seen = look(held_out, gate, on_progress=on_progress, **options)
    media = [*looked.media, *(replace(one, place=one.place + len(train)) for one in seen.media)]
    if limits is None:  # training finds them there, and decodes none a second time
        pictures = [one for one in media if one.view == "image" and not one.reason]
        keep([one.content for one in pictures], [one.fingerprint for one in pictures])
    note("Looking for things that appear twice ...")
    drawings = same_drawings(media)
    recordings = same_sounds(media)
    samples = assign_components([*train, *held_out], same_pictures=drawings, same_sounds=recordings)
    mine = samples[: len(train)]
    inside = [pair for pair in drawings if max(pair) < len(train)]
    texts = needs.get("text")
    taught = lessons(mine, looked.media)
    check = Check(
        contents=describe(source, train),
        media=tuple(media_facts(looked, mine)),
        test_media=tuple(media_facts(seen, held_out)),
        texts=text_facts(mine),
        languages=language_facts(mine),
        twins=twin_facts(mine, looked.media, inside),
        tokens=token_facts(mine, texts) if isinstance(texts, TextPreprocess) else None,
        fit=tuple(model_fit(mine, looked.media, needs)),
        shared=None
        if test is None
        else shared_facts(samples, len(train), test.name, media, drawings, recordings),
        lessons=tuple(taught),
        refused=nothing_to_learn(taught, tuple(needs)),
        samples=samples,
    )
    return replace(check, findings=tuple(findings_of(check, whole=looked.whole and seen.whole)))


def _named_apart(test: Source) -> list[Sample]:
    """The test samples under a source name of their own: their components are counted apart."""
    name = f"test: {test.name}"
    return [replace(one, meta=replace(one.meta, source=name)) for one in test]
