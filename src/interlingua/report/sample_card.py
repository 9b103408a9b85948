"""One sample as a card of a contact sheet: picture, words, sounds to play, what is known of it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from interlingua.content import Content
from interlingua.data.gate import ImageLimits
from interlingua.errors import MediaError, MissingExtraError
from interlingua.report import views
from interlingua.report.data import View
from interlingua.report.html import Child, Html, element, words
from interlingua.report.media import LONGEST_SECONDS, THUMBNAIL_SIDE, MediaStore, play_sign
from interlingua.sample import Audio, Image, Label, Sample, Text

MAX_TEXTS = 5
MAX_SPOKEN = 12
_RATE = 16_000


class CardMaker:
    """Makes the cards of one page; keeps its media and counts what can't be decoded.

    Args:
        store: where the page's pictures and sounds go.
        limits: of the pictures.

    Attributes:
        damaged: how many pictures and sounds can't be decoded, by reason.
    """

    def __init__(self, store: MediaStore, limits: ImageLimits):
        self.store = store
        self.limits = limits
        self.damaged: Counter[str] = Counter()

    def card(self, sample: Sample) -> Html:
        """One sample."""
        texts = [part for part in sample.all_parts() if isinstance(part, Text)]
        name = sample.meta.name or (texts[0].text if texts else sample.key)
        kinds = sorted({part.view for part in sample.parts})
        return element(
            "li",
            [self.picture(part, name) for part in sample.all_parts() if isinstance(part, Image)],
            element(
                "div",
                _captions(sample),
                [
                    self.sound(part, name)
                    for part in sample.all_parts()
                    if isinstance(part, Audio) and part.use == "sound"
                ],
                self.spoken(sample, name),
                _known(sample),
                class_="about",
            ),
            data_group=top_group(sample),
            data_views=" ".join(kinds),
            data_words=" ".join([sample.key, name, *(part.text for part in texts)]).lower()[:2000],
            class_="card",
        )

    def picture(self, part: Image, name: str) -> Html:
        """The picture on a white ground, or why there is none."""
        from interlingua.data.image import open_image

        try:
            image = open_image(part.content, self.limits, near_size=THUMBNAIL_SIDE)
        except (MediaError, MissingExtraError) as error:
            return self.failure(part.content, error, "picture")
        drawn = self.store.image(np.asarray(image), f"Picture: {name}")
        return element("div", drawn or element("small", "left out for size"), class_="frame")

    def sound(self, part: Audio, name: str) -> Html | None:
        """A button with the sound's waveform."""
        view = self.decoded(part)
        if isinstance(view, Html):
            return view
        return self.store.player(part.use, view, name)

    def spoken(self, sample: Sample, name: str) -> Html | None:
        """One small button for each recording, with its language and its words."""
        clips = [part for part in sample.alternatives("speech") if isinstance(part, Audio)]
        buttons: list[Child] = []
        for part in clips[:MAX_SPOKEN]:
            view = self.decoded(part)
            if isinstance(view, Html):
                buttons.append(element("li", view))
            elif (sound := self.store.sound(view)) is not None:
                buttons.append(element("li", _spoken_button(part, sound, name)))
        if len(clips) > MAX_SPOKEN:
            buttons.append(element("li", element("small", f"and {len(clips) - MAX_SPOKEN} more")))
        return element("ul", buttons, class_="spoken") if buttons else None

    def decoded(self, part: Audio) -> View | Html:
        """The sound's samples, or why there are none."""
        from interlingua.data.sound import read_sound

        try:
            wave = read_sound(part.content, _RATE, first_seconds=LONGEST_SECONDS + 0.5)
        except (MediaError, MissingExtraError) as error:
            return self.failure(part.content, error, "sound")
        return View(samples=wave, sample_rate=_RATE)

    def failure(self, content: Content, error: MediaError | MissingExtraError, kind: str) -> Html:
        """A box that says what is wrong with a file."""
        reason = error.reason if isinstance(error, MediaError) else "package missing"
        self.damaged[reason] += 1
        return element(
            "div",
            element("strong", f"No {kind}"),
            element("span", words(error.what, longest=160)),
            class_="failure",
            title=content.name,
        )


def top_group(sample: Sample) -> str:
    """The first folder of a sample's group, ``-`` where it has none."""
    return sample.meta.group.split("/")[0] or "-"


def _captions(sample: Sample) -> Html | None:
    """The texts, likeliest first, with what share of the time each is drawn."""
    pairs = [
        (part, weight)
        for part, weight in zip(sample.alternatives("text"), sample.weights("text"), strict=True)
        if isinstance(part, Text)
    ]
    if sample.kind == "sequence":
        pairs = [(part, 1.0) for part in sample.parts if isinstance(part, Text)]
    else:
        pairs.sort(key=lambda pair: -pair[1])
    if not pairs:
        return None
    total = sum(weight for _, weight in pairs)
    shares = len({weight for _, weight in pairs}) > 1
    lines: list[Child] = [
        element(
            "li",
            words(part.text, longest=140),
            element("small", f"{weight / total:.0%}", class_="share", title="how often it is drawn")
            if shares
            else None,
            lang=part.language,
        )
        for part, weight in pairs[:MAX_TEXTS]
    ]
    if len(pairs) > MAX_TEXTS:
        lines.append(element("li", element("small", f"and {len(pairs) - MAX_TEXTS} more")))
    return element("ul", lines, class_="texts")


def _spoken_button(part: Audio, sound: str, name: str) -> Html:
    language = part.language or ""
    said = part.transcript or name
    full = views.language_name(language) if language else "an unknown language"
    return element(
        "button",
        play_sign(),
        element("span", language or "spoken", class_="language"),
        element("bdi", words(said, longest=60), lang=part.language) if part.transcript else None,
        type="button",
        class_="chip v-speech",
        data_sound=sound,
        title=full,
        aria_label=f"Play in {full}: {said}",
    )


def _known(sample: Sample) -> Html:
    # A key often is the path of the file, the group its folder: once is enough.
    group = "" if sample.key.startswith(f"{sample.meta.group}/") else sample.meta.group
    labels = [part.name for part in sample.all_parts() if isinstance(part, Label)]
    facts = [
        group,
        *(f"label {name}" for name in labels),
        "" if sample.meta.component is None else f"component {sample.meta.component}",
    ]
    return element(
        "p",
        element("code", words(sample.key, longest=80)),
        [element("span", words(fact, longest=60)) for fact in facts if fact],
        class_="known",
    )
