"""Pages about classification: figures, a bar per class, the confusion picture, answers per picture.

Sounds and speech are shown as pictures are, with a button to hear them. The pages need nothing
beside themselves; their style is that of the contact sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from interlingua.data.gate import ImageLimits
from interlingua.evaluate.calibration import Calibration
from interlingua.evaluate.classification import Classification, ClassRow
from interlingua.report import numbers
from interlingua.report.confusion import confusion_section
from interlingua.report.contact_sheet import MEDIA_BUDGET, document
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.media import MediaStore
from interlingua.report.page_file import write_page
from interlingua.report.sample_card import CardMaker
from interlingua.sample import Audio, Image, Sample

SHOWN_ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one picture.

    Attributes:
        sample: with the picture, or the sound where there is none.
        answers: (class, probability), likeliest first.
        true: the right class where it is known.
    """

    sample: Sample
    answers: Sequence[tuple[str, float]]
    true: str | None = None


def classification_page(
    path: Path,
    result: Classification,
    facts: Mapping[str, str],
    *,
    title: str,
    examples: Iterable[Answer] = (),
    things: str = "pictures",
) -> Path:
    """Write the page of one evaluation; it appears whole or not at all.

    Args:
        path: of the page.
        result: what was measured.
        facts: name -> value, shown above all: model, data, templates.
        title: the heading.
        examples: pictures to show, wrong ones for instance.
        things: what was classified, as the page calls it.

    Raises:
        OSError: the page can't be written.
    """
    maker = _card_maker()
    cards = [_card(maker, answer) for answer in examples]
    body = join(
        _head(title, facts),
        element(
            "main",
            _figures(result, things),
            element("h2", "Every class"),
            _bars(result.rows),
            element("h2", "What is taken for what"),
            confusion_section(result.matrix, result.names),
            _reliability(result.calibration, things) if result.calibration else None,
            element("h2", f"{things.capitalize()} that were taken for something else")
            if cards
            else None,
            element("ul", cards, class_="sheet", style="--columns:6") if cards else None,
        ),
        _foot(maker),
    )
    return _write(path, title, body)


def answers_page(
    path: Path, answers: Iterable[Answer], facts: Mapping[str, str], *, title: str
) -> Path:
    """Write a page of pictures with what a model says of each.

    Raises:
        OSError: the page can't be written.
    """
    maker = _card_maker()
    cards = [_card(maker, answer) for answer in answers]
    body = join(
        _head(title, facts),
        element("main", element("ul", cards, class_="sheet", style="--columns:5")),
        _foot(maker),
    )
    return _write(path, title, body)


def _head(title: str, facts: Mapping[str, str]) -> Html:
    items = [
        element("li", element("small", f"{name} "), words(value, longest=200))
        for name, value in facts.items()
        if value
    ]
    style = resources.files("interlingua.report").joinpath("assets", "classification.css")
    return element(
        "header",
        element("style", Html(style.read_text(encoding="utf-8"))),
        element("h1", words(title)),
        element("ul", items, class_="facts"),
        class_="top",
    )


def _figures(result: Classification, things: str) -> Html:
    rows = [
        ("top-" + str(k), value, result.chance[k], result.control[k].value)
        for k, value in result.accuracy.items()
    ]
    body: list[Child] = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", numbers.percent(value.value, 1)),
            element("td", numbers.interval(value)),
            element("td", numbers.percent(chance, 1)),
            element("td", numbers.percent(control, 1)),
        )
        for name, value, chance, control in rows
    ]
    body.append(
        element(
            "tr",
            element("th", "balanced", scope="row"),
            element("td", numbers.percent(result.balanced.value, 1)),
            element("td", numbers.interval(result.balanced)),
            element("td", numbers.percent(1 / len(result.names), 1)),
            element("td"),
        )
    )
    heads = ("", "accuracy", "95 %", "chance", "names shuffled")
    note = (
        f"{result.n:,} {things}, {len(result.names):,} classes. Always answering the commonest "
        f"class is right for {numbers.percent(result.majority, 1)}."
    )
    return join(
        element(
            "table",
            element("thead", element("tr", [element("th", head, scope="col") for head in heads])),
            element("tbody", body),
            class_="figures",
        ),
        element("p", note, class_="note"),
    )


def _bars(rows: Sequence[ClassRow]) -> Html:
    """Recall of every class with its interval, best first; classes without pictures last."""
    order = sorted(rows, key=lambda row: 1.0 if row.recall is None else -row.recall.value)
    return element("ul", [_bar(row) for row in order], class_="bars")


def _bar(row: ClassRow) -> Html:
    if row.recall is None:
        figure: Child = element("small", "no example")
        drawn = None
    else:
        low, high = row.recall.low * 100, row.recall.high * 100
        figure = join(
            numbers.percent(row.recall.value),
            element("small", f" {numbers.interval(row.recall)}, N {row.n:,}"),
        )
        drawn = join(
            element("i", style=f"width:{row.recall.value * 100:.1f}%"),
            element("b", style=f"left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%"),
        )
    precise = "" if row.precision is None else f"precision {row.precision:.0%}"
    return element(
        "li",
        element("span", words(row.name, longest=40), class_="name"),
        element("span", drawn, class_="bar"),
        element("span", figure, class_="figure"),
        title=precise or None,
    )


def _reliability(found: Calibration, things: str) -> Html:
    """Confidence against accuracy: on the diagonal a model is as sure as it is right."""
    side, edge = 240, 34
    parts: list[Child] = [
        element("rect", x=edge, y=4, width=side, height=side, class_="plane"),
    ]
    for one in found.bins:
        if one.n:
            height = side * one.accuracy
            parts.append(
                element(
                    "rect",
                    element(
                        "title",
                        f"{one.n} {things}, sure {one.confidence:.0%}, right {one.accuracy:.0%}",
                    ),
                    x=f"{edge + side * one.low + 1:.1f}",
                    y=f"{4 + side - height:.1f}",
                    width=f"{side * (one.high - one.low) - 2:.1f}",
                    height=f"{max(height, 1):.1f}",
                    class_="right",
                )
            )
    parts.append(element("line", x1=edge, y1=4 + side, x2=edge + side, y2=4, class_="ideal"))
    for share in (0, 0.5, 1):
        parts.append(
            element(
                "text", f"{share:.0%}", x=edge - 5, y=f"{8 + side * (1 - share):.0f}", class_="row"
            )
        )
        x = edge + side * share
        parts.append(element("text", f"{share:.0%}", x=f"{x:.0f}", y=side + 20, class_="middle"))
    picture = element(
        "svg",
        parts,
        viewBox=f"0 0 {side + edge + 20} {side + 26}",
        style="max-width:330px",
        role="img",
        aria_label=f"Reliability: expected calibration error {found.error:.3f}.",
        class_="confusion",
    )
    note = (
        f"On average {numbers.percent(found.confidence)} sure, {numbers.percent(found.accuracy)} "
        f"right; expected calibration error {found.error:.3f} (15 bins)."
    )
    return join(element("h2", "How sure, how right"), picture, element("p", note, class_="note"))


def _card_maker() -> CardMaker:
    return CardMaker(MediaStore(MEDIA_BUDGET), ImageLimits(stream_pixels=1_000_000_000))


def _card(maker: CardMaker, answer: Answer) -> Html:
    name = answer.true or answer.sample.meta.name or answer.sample.key
    pictures = [part for part in answer.sample.alternatives("image") if isinstance(part, Image)]
    heard = [part for part in answer.sample.all_parts() if isinstance(part, Audio)]
    lines = [
        element(
            "li",
            element("span", words(label, longest=40), class_="name"),
            element("span", element("i", style=f"width:{chance * 100:.1f}%"), class_="bar"),
            element("span", numbers.percent(chance), class_="figure"),
            class_="truth" if label == answer.true else None,
        )
        for label, chance in answer.answers[:SHOWN_ANSWERS]
    ]
    return element(
        "li",
        [maker.picture(part, name) for part in pictures[:1]],
        element(
            "div",
            [maker.sound(part, name) for part in heard[:1]] if not pictures else None,
            element("p", element("strong", words(answer.true, longest=60)))
            if answer.true
            else None,
            element("ul", lines, class_="bars answers"),
            element("p", element("code", words(answer.sample.key, longest=80)), class_="known"),
            class_="about",
        ),
        class_="card",
    )


def _foot(maker: CardMaker) -> Html:
    return join(
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", maker.store.sounds),
    )


def _write(path: Path, title: str, body: Html) -> Path:
    return write_page(path, document(title, body))
