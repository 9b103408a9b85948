"""The first batch on a page: what the towers will really be given, before a run begins.

Pictures as they are cut and changed, sounds as the frames that are left of them, texts as tokens:
a wrong column, a crop that cuts heads off or a caption that ends in the middle is seen at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from interlingua.catalogue.cache import write_whole
from interlingua.report import views
from interlingua.report.contact_sheet import MEDIA_BUDGET, document
from interlingua.report.data import ByteArray, FloatArray, View
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.media import MediaStore

MAX_PIECES = 60
_STYLE = (
    ".facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.25rem 1.4rem;"
    "margin:1.2rem 0 0}.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}"
    "h2{margin:2.8rem 0 0;font-size:1.2rem;border-top:1px solid var(--rule);padding-top:1.4rem}"
    ".frame img{image-rendering:pixelated}"
    ".frames{border:1px solid var(--rule);border-radius:8px;overflow:hidden;background:#fff}"
    ".frames img{display:block;width:100%;height:4.6rem}"
    ".pieces{display:flex;flex-wrap:wrap;gap:.2rem}"
    ".pieces li{font:.76rem/1.5 ui-monospace,'DejaVu Sans Mono',monospace;padding:0 .3rem;"
    "background:var(--panel);border-radius:4px;overflow-wrap:anywhere}"
    ".pieces .cut{background:var(--warn-ground);color:var(--warn)}"
    ".twin{font-size:.78rem;color:var(--warn)}"
)


@dataclass(frozen=True, slots=True)
class FirstMedium:
    """One medium as its tower gets it; what is known of it is filled in.

    Attributes:
        view: ``image``, ``text``, ``sound``, ``speech`` or another.
        pixels: [H, W, 3] uint8.
        frames: [mels, F] of a log-mel spectrogram.
        pieces: the tokens of a text.
        cut: the text has as many tokens as fit, so more of it may be lost.
        numbers: plain values.
        sound: to be played.
    """

    view: str
    pixels: ByteArray | None = None
    frames: FloatArray | None = None
    pieces: tuple[str, ...] | None = None
    cut: bool = False
    numbers: tuple[float, ...] = ()
    sound: View | None = None


@dataclass(frozen=True, slots=True)
class FirstSample:
    """A sample of the batch.

    Attributes:
        key: its key.
        media: of all its views.
        twins: others in the batch that show or name the same thing.
    """

    key: str
    media: tuple[FirstMedium, ...]
    twins: int = 0


@dataclass(frozen=True, slots=True)
class FirstStage:
    """A stage of training.

    Attributes:
        name: of the stage.
        facts: (what, how much), for its table.
        samples: the first of its batch.
        num_samples: how many the whole batch has.
    """

    name: str
    facts: Sequence[tuple[str, str]]
    samples: Sequence[FirstSample]
    num_samples: int


@dataclass(frozen=True, slots=True)
class FirstBatches:
    """What the page shows.

    Attributes:
        title: the heading.
        facts: (what, how much) of the whole run.
        warnings: what would go wrong.
        stages: in order.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str] = ()
    stages: Sequence[FirstStage] = field(default_factory=tuple)


def first_batch_page(data: FirstBatches, path: Path, *, columns: int = 8) -> Path:
    """Write the page; it appears whole or not at all.

    Args:
        data: what it shows.
        path: of the page; its folder is made.
        columns: cards in a row on a wide screen.

    Returns:
        ``path``.

    Raises:
        OSError: the page can't be written.
    """
    store = MediaStore(MEDIA_BUDGET)
    sections = [_stage(stage, store, columns) for stage in data.stages]
    body = join(
        element("style", Html(_STYLE)),
        element(
            "header",
            element("h1", words(data.title)),
            [element("p", words(text, longest=600), class_="warning") for text in data.warnings],
            _facts(data.facts),
            class_="top",
        ),
        element("main", sections),
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", store.sounds),
        element("p", id="none", hidden=True),
    )
    path = Path(path)
    write_whole(path, document(data.title, body).encode())
    return path


def _facts(facts: Sequence[tuple[str, str]]) -> Html:
    rows: list[Child] = []
    for name, value in facts:
        rows += [element("dt", words(name)), element("dd", words(value, longest=900))]
    return element("dl", rows, class_="facts")


def _stage(stage: FirstStage, store: MediaStore, columns: int) -> Html:
    shown = len(stage.samples)
    some = f"{shown} of {stage.num_samples:,}" if shown < stage.num_samples else f"all {shown}"
    return element(
        "section",
        element("h2", "Stage ", words(stage.name), f": its first batch, {some} samples"),
        _facts(stage.facts),
        element(
            "ul",
            [_card(sample, store) for sample in stage.samples],
            class_="sheet",
            style=f"--columns:{columns}",
        ),
    )


def _card(sample: FirstSample, store: MediaStore) -> Html:
    pictures = [_pixels(one, sample, store) for one in sample.media if one.pixels is not None]
    others = [_other(one, sample, store) for one in sample.media if one.pixels is None]
    twins = (
        f"the same thing as {sample.twins} {'others' if sample.twins > 1 else 'other'} here: "
        "not a wrong answer"
    )
    return element(
        "li",
        pictures,
        element(
            "div",
            others,
            element("p", twins, class_="twin") if sample.twins else None,
            element("p", element("code", words(sample.key, longest=80)), class_="known"),
            class_="about",
        ),
        class_="card",
    )


def _pixels(one: FirstMedium, sample: FirstSample, store: MediaStore) -> Html:
    drawn = store.image(one.pixels, f"The {views.name(one.view)} of {sample.key}")
    return element("div", drawn or element("small", "left out for size"), class_="frame")


def _other(one: FirstMedium, sample: FirstSample, store: MediaStore) -> Html:
    if one.pieces is not None:
        return _pieces(one.pieces, one.cut)
    if one.frames is not None:
        drawn = store.image(spectrogram(one.frames), f"The {views.name(one.view)}, drawn")
        player = store.player(one.view, one.sound, sample.key) if one.sound is not None else None
        return join(element("div", views.label(one.view), drawn, class_="frames"), player)
    if one.numbers:
        shown = ", ".join(f"{number:.4g}" for number in one.numbers[:12])
        more = ", …" if len(one.numbers) > 12 else ""
        return element("p", views.label(one.view), " ", element("code", shown + more))
    return element("p", views.label(one.view), element("small", " (not kept for this page)"))


def _pieces(pieces: Sequence[str], cut: bool) -> Html:
    shown: list[Child] = [element("li", words(piece)) for piece in pieces[:MAX_PIECES]]
    if len(pieces) > MAX_PIECES:
        shown.append(element("li", f"and {len(pieces) - MAX_PIECES} more"))
    if cut:
        shown.append(element("li", "as many as fit", class_="cut"))
    if not shown:
        shown.append(element("li", "no token", class_="cut"))
    return element("ul", shown, class_="pieces", title=f"{len(pieces)} tokens")


def spectrogram(frames: FloatArray) -> ByteArray:
    """Frames [mels, F] as a picture [mels, F, 3], low tones at the bottom, loud ones dark."""
    values = np.nan_to_num(np.asarray(frames, np.float32))
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    grey = 255 - (values - low) / max(high - low, 1e-6) * 255
    picture: ByteArray = np.repeat(grey[::-1, :, None], 3, axis=2).astype(np.uint8)
    return np.ascontiguousarray(picture)
