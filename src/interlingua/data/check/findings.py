"""What of a check matters, in sentences: the worst first, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlingua.data.check.media import MediaFacts
from interlingua.data.check.result import Check, Finding, Level
from interlingua.data.examined import NO_PACKAGE

# Training stops at 100 in a row or at more than 1 % of the last 10,000 (``data.errors_log``).
_STOPS_AT = (100, 0.01)
_MANY = 0.01  # a share that makes a warning of a note
_LOPSIDED = 0.2  # of all samples in one component: no split by component can be even
_COMMON_TEXT = 10  # samples that share a text: ALIGN's own bound, that of the filter shared_text
_ORDER = {"refused": 0, "warning": 1, "note": 2}
_NAMES = {"image": "pictures", "sound": "sounds", "speech": "recordings"}


def findings_of(check: Check, *, whole: bool = True) -> list[Finding]:
    """What is to be known, the worst first.

    Args:
        check: without its findings.
        whole: whether all media were looked at.
    """
    found = [
        *_refused(check),
        *_shared(check),
        *_left_out(check),
        *(one for facts in check.media for one in _media(facts, "")),
        *(one for facts in check.test_media for one in _media(facts, "test ")),
        *_texts(check),
        *_tokens(check),
        *_fit(check),
        *_languages(check),
        *_twins(check),
        *_views(check),
    ]
    if not whole:
        looked = sum(facts.looked_at for facts in (*check.media, *check.test_media))
        of = sum(facts.count for facts in (*check.media, *check.test_media))
        found.append(
            Finding(
                "note",
                f"{looked:,} of {of:,} pictures and sounds were decoded, drawn by seed; twins were "
                "looked for among these alone.",
                "Leave --media out to look at all.",
            )
        )
    return sorted(found, key=lambda one: _ORDER[one.level])


def _refused(check: Check) -> Iterator[Finding]:
    if check.refused:
        yield Finding(
            "refused",
            f"There is nothing to learn from. {check.refused}",
            "Give each thing its own text, or its class; or name a recipe that learns from one "
            "view: --recipe picture_patches.",
            "lessons",
        )


def _shared(check: Check) -> Iterator[Finding]:
    shared = check.shared
    if shared is None:
        return
    if shared.components:
        yield Finding(
            "warning",
            f"{shared.test_affected:,} of {shared.test_samples:,} test samples are things that "
            f"training has too ({shared.components:,} things, {shared.train_affected:,} training "
            "samples): figures on them measure memory.",
            "Split all of it anew by component: interlingua data split SOURCE --out FOLDER.",
            "shared",
        )
    if shared.files:
        yield Finding(
            "warning",
            f"{shared.files:,} of {shared.test_samples:,} test samples have a file that is, byte "
            "for byte, one of training's.",
            "Take them out of one side.",
            "shared",
        )
    if shared.texts:
        yield Finding(
            "note",
            f"{shared.texts:,} of {shared.test_samples:,} test samples have a text of training's.",
            "",
            "shared",
        )


def _left_out(check: Check) -> Iterator[Finding]:
    left_out: dict[str, int] = check.contents["left_out"]
    number = sum(left_out.values())
    if number:
        reasons = ", ".join(f"{why} {count:,}" for why, count in list(left_out.items())[:4])
        yield Finding(
            _level(number, number + check.contents["samples"]),
            f"Left out by the source: {number:,} ({reasons}).",
            "",
            "contents",
        )


def _media(facts: MediaFacts, side: str) -> Iterator[Finding]:
    name = f"{side}{_NAMES[facts.view]}"
    damaged = dict(facts.damaged)
    absent = damaged.pop(NO_PACKAGE, 0)
    number = sum(damaged.values())
    if absent:
        yield Finding(
            "warning",
            f"{absent:,} {name} can't be looked at: a package is not installed.",
            'pip install "interlingua[audio,svg]"',
            "media",
        )
    if number:
        reasons = ", ".join(f"{why} {count:,}" for why, count in damaged.items())
        least, share = _STOPS_AT
        stops = number >= least and number > share * facts.looked_at
        yield Finding(
            _level(number, facts.looked_at),
            f"{number:,} of {facts.looked_at:,} {name} can't be used: {reasons}."
            + (" Training would stop: that is over 1 %." if stops else ""),
            "Fetch or export them again, or take them out.",
            "media",
        )
    if facts.silent:
        yield Finding(
            _level(facts.silent, facts.looked_at),
            f"{facts.silent:,} of {facts.looked_at:,} {name} are silent.",
            "Take them out: silence goes with every text alike.",
            "media",
        )


def _texts(check: Check) -> Iterator[Finding]:
    texts = check.texts
    if texts is None:
        return
    if texts.empty:
        yield Finding(
            "warning", f"{texts.empty:,} of {texts.count:,} texts are empty.", "", "texts"
        )
    labelled = "label" in check.contents["samples_with"]
    most = texts.commonest[0][1] if texts.commonest else 0
    if texts.shared:
        yield Finding(
            "warning" if most > _COMMON_TEXT and not labelled else "note",
            f"{texts.shared:,} of {texts.count:,} texts are those of an earlier sample too; "
            f"{texts.commonest[0][0][:60]!r} stands at {most:,} samples.",
            "" if labelled else "In a recipe: data.filters='[{name: shared_text}]'.",
            "texts",
        )
    for poor in texts.poor:
        yield Finding(
            _level(poor.count, texts.count),
            f"{poor.count:,} of {texts.count:,} texts say little ({poor.reason}).",
            "interlingua data filter SOURCE shows them and what takes them out.",
            "texts",
        )


def _tokens(check: Check) -> Iterator[Finding]:
    tokens = check.tokens
    if tokens is None or tokens.lengths is None:
        return
    number = tokens.lengths.count
    if tokens.cut:
        yield Finding(
            _level(tokens.cut, number),
            f"{tokens.cut:,} of {number:,} texts have more than {tokens.max_tokens} tokens and are "
            f"cut; {tokens.lost:.1%} of all tokens is lost.",
            "Put first what matters most, or take a text tower that reads more.",
            "tokens",
        )
    if tokens.unknown:
        yield Finding(
            _level(tokens.unknown, number),
            f"{tokens.unknown:,} of {number:,} texts have characters that the tokenizer doesn't "
            "know.",
            "Take a text tower that was trained on these languages.",
            "tokens",
        )
    if tokens.refused:
        yield Finding(
            "warning", f"Texts too long to be read at all: {tokens.refused:,}.", "", "tokens"
        )


def _fit(check: Check) -> Iterator[Finding]:
    for fit in check.fit:
        if fit.changed and fit.view == "image":
            yield Finding(
                _level(fit.changed, fit.of),
                f"{fit.changed:,} of {fit.of:,} pictures are smaller than the model's {fit.takes} "
                "and are made larger.",
                "",
                "media",
            )
        elif fit.changed:
            yield Finding(
                _level(fit.changed, fit.of),
                f"{fit.changed:,} of {fit.of:,} {_NAMES[fit.view]} are longer than the model's "
                f"{fit.takes} and are cut; {fit.lost:.1%} of the time is lost.",
                "Cut them into pieces that belong to their texts.",
                "media",
            )


def _languages(check: Check) -> Iterator[Finding]:
    languages = check.languages
    if languages is not None and languages.other_script:
        yield Finding(
            "warning",
            f"{languages.other_script:,} of {sum(languages.scripts.values()):,} texts are in a "
            "writing system that their language isn't written in.",
            "Look at the language column.",
            "languages",
        )


def _twins(check: Check) -> Iterator[Finding]:
    twins, samples = check.twins, check.contents["samples"]
    if twins.keys:
        yield Finding(
            "warning",
            f"Keys that several samples have: {twins.keys:,}.",
            "Give each its own.",
            "twins",
        )
    for view, number in twins.copies.items():
        picture = view == "image"
        yield Finding(
            _level(number, samples) if picture else "note",
            f"{number:,} of {samples:,} samples have {_NAMES[view]} that are byte for byte an "
            "earlier sample's.",
            "In a recipe: data.filters='[{name: exact_duplicates}]'." if picture else "",
            "twins",
        )
    if twins.near > twins.copies.get("image", 0):
        yield Finding(
            "note",
            f"Pictures that are the same drawing as an earlier one, rescaled, mirrored or slightly "
            f"changed: {twins.near:,}.",
            "Split by component: then none of them is on both sides.",
            "twins",
        )
    if twins.largest and twins.largest[0] > max(1, _LOPSIDED * samples):
        yield Finding(
            "warning",
            f"One component has {twins.largest[0]:,} of {samples:,} samples: they count as one "
            "thing and can't be parted.",
            "Give `component` yourself where the same names are other things.",
            "twins",
        )


def _views(check: Check) -> Iterator[Finding]:
    if check.refused or any(len(one.views) == 2 for one in check.lessons):
        return
    views = ", ".join(one.views[0] for one in check.lessons)
    yield Finding(
        "warning",
        f"No sample has two views ({views} alone): recipes that join views have nothing to learn.",
        "A recipe for one tower learns from these: picture_patches, caption_words.",
        "lessons",
    )


def _level(number: int, of: Any) -> Level:
    return "warning" if number > _MANY * of else "note"
