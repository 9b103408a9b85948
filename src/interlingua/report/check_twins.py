"""The parts of a check's page that show pairs: what is there twice, and what is on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from interlingua.data.check.result import Check
from interlingua.report.check_sections import examples
from interlingua.report.html import Child, Html, element, join, words
from interlingua.report.sample_card import CardMaker
from interlingua.sample import Image, Sample, Text


def shared_section(found: Check, maker: CardMaker) -> Html | None:
    """Test samples beside training's that are the same thing; None without a test source."""
    shared = found.shared
    if shared is None:
        return None
    told = (
        f"{shared.components:,} things are on both sides: {shared.test_affected:,} of "
        f"{shared.test_samples:,} test samples, {shared.train_affected:,} training samples. "
        f"{shared.files:,} test samples have a file of training's, {shared.texts:,} a text."
    )
    cards = [
        _pair(
            found.samples[one.test_place],
            found.samples[one.train_place],
            ("test", "training"),
            one.why,
            maker,
        )
        for one in shared.examples
    ]
    return join(
        element("p", words(told, longest=600), class_="note"),
        element("ul", cards, class_="pairs") if cards else None,
    )


def twins_section(found: Check, maker: CardMaker) -> Html:
    """Copies, near-duplicates, keys and components."""
    twins = found.twins
    told = (
        f"{twins.components:,} components: things of one name, one drawing, or one component that "
        f"the source gives; the largest have {_listed(twins.largest)} samples. {twins.near:,} "
        f"pictures are the same drawing as an earlier one, of {twins.near_groups:,} drawings."
    )
    cards = [
        _pair(found.samples[left.place], found.samples[right.place], ("one", "another"), "", maker)
        for left, right in twins.near_examples
    ]
    largest = twins.largest and twins.largest[0] > 1
    return join(
        element("p", words(told, longest=600), class_="note"),
        element("ul", cards, class_="pairs") if cards else None,
        examples(f"{sum(twins.copies.values()):,} copies, byte for byte", twins.copy_examples)
        if twins.copies
        else None,
        examples(f"{twins.keys:,} keys of several samples", twins.key_examples)
        if twins.keys
        else None,
        examples(f"The largest component: {twins.largest[0]:,} samples", twins.largest_examples)
        if largest
        else None,
    )


def _pair(left: Sample, right: Sample, sides: tuple[str, str], why: str, maker: CardMaker) -> Html:
    return element(
        "li",
        element("div", _one(left, sides[0], maker), _one(right, sides[1], maker), class_="two"),
        element("p", words(why, longest=120)) if why else None,
    )


def _one(sample: Sample, side: str, maker: CardMaker) -> Html:
    pictures = [part for part in sample.alternatives("image") if isinstance(part, Image)]
    texts = [part.text for part in sample.all_parts() if isinstance(part, Text)]
    name = sample.meta.name or (texts[0] if texts else sample.key)
    shown: Child = maker.picture(pictures[0], name) if pictures else None
    return element(
        "div",
        shown,
        element("p", element("small", f"{side} "), words(texts[0] if texts else name, longest=60)),
        element("code", words(sample.key, longest=60)),
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
