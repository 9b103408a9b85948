"""The parts of a check's page that are figures, tables and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interlingua.data.check.example import Example
from interlingua.data.check.media import MediaFacts
from interlingua.data.check.result import Check
from interlingua.report import numbers, views
from interlingua.report.histogram import file_size, histogram, pixels, seconds
from interlingua.report.html import Child, Html, element, join, words

_MOST_ROWS = 16
_TITLES = {"image": "Pictures", "sound": "Sounds", "speech": "Spoken"}


def lessons_section(found: Check) -> Html | None:
    """A row for each view and each pair of views."""
    rows: list[Child] = []
    for one in found.lessons:
        named = [element("span", views.glyph(view), view, " ") for view in one.views]
        rows.append(
            element(
                "tr",
                element("th", named, scope="row"),
                element("td", f"{one.samples:,}"),
                element("td", " · ".join(f"{number:,}" for number in one.different)),
                element("td", "yes" if one.teaches else "no"),
                class_=None if one.teaches else "bad",
            )
        )
    if not rows:
        return None
    return join(
        _note(
            "Pairs are learned from by telling them apart; so both views need different things. "
            "A view alone is enough for a recipe of one tower."
        ),
        table(("views", "samples", "different in each", "can teach"), rows),
    )


def media_section(found: Check) -> Html | None:
    """Sizes and lengths, and what is damaged, by view."""
    blocks: list[Child] = [_media(facts, _TITLES[facts.view]) for facts in found.media]
    for fit in found.fit:
        if fit.changed:
            changed = "smaller than" if fit.view == "image" else "longer than"
            title = f"{fit.changed:,} of {fit.of:,} {_TITLES[fit.view].lower()} are {changed}"
            blocks.append(examples(f"{title} the model's {fit.takes}", fit.examples))
    blocks += [
        _media(facts, f"{_TITLES[facts.view]} of the test source")
        for facts in found.test_media
        if facts.damaged or facts.silent
    ]
    return join(*blocks) or None


def _media(facts: MediaFacts, title: str) -> Html:
    charts = [
        histogram("Short side", facts.short_side, pixels) if facts.short_side else None,
        histogram("Long side", facts.long_side, pixels) if facts.long_side else None,
        histogram("Length", facts.seconds, seconds) if facts.seconds else None,
        histogram("File", facts.num_bytes, file_size) if facts.num_bytes else None,
    ]
    bad = sum(facts.damaged.values())
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in facts.kinds.items())
    told = [
        f"{facts.count:,} in all" + (f", {facts.looked_at:,} looked at" if _partly(facts) else ""),
        kinds,
        f"{seconds(facts.seconds.total)} together" if facts.seconds else "",
        f"{file_size(facts.num_bytes.total)} together" if facts.num_bytes else "",
    ]
    reasons = ", ".join(f"{why} {number:,}" for why, number in facts.damaged.items())
    return join(
        element("h3", views.glyph(facts.view), title),
        _note(" · ".join(one for one in told if one)),
        element("div", charts, class_="charts"),
        examples(f"{bad:,} can't be used: {reasons}", facts.examples) if bad else None,
        examples(f"{facts.silent:,} are silent", facts.silent_examples) if facts.silent else None,
    )


def _partly(facts: MediaFacts) -> bool:
    return facts.looked_at < facts.count


def texts_section(found: Check) -> Html | None:
    """Lengths, the commonest texts, and those that say little."""
    texts = found.texts
    if texts is None:
        return None
    charts = [
        histogram("Words", texts.words, _whole) if texts.words else None,
        histogram("Characters", texts.characters, _whole) if texts.characters else None,
    ]
    common = dict(texts.commonest)
    return join(
        _note(
            f"{texts.count:,} texts, {texts.different:,} different, case and spacing aside; "
            f"{texts.empty:,} empty."
        ),
        element("div", charts, class_="charts"),
        element("h3", "Texts of several samples") if common else None,
        bars(common, quoted=True) if common else None,
        [examples(f"{one.count:,}: {one.reason}", one.examples) for one in texts.poor],
    )


def tokens_section(found: Check) -> Html | None:
    """How long texts are for a model, and what it cuts."""
    tokens = found.tokens
    if tokens is None or tokens.lengths is None:
        return None
    return join(
        _note(
            f"By the tokenizer {tokens.tokenizer}, start and end included; a text is cut after "
            f"{tokens.max_tokens} tokens. {tokens.cut:,} of {tokens.lengths.count:,} texts are "
            f"cut, {numbers.percent(tokens.lost)} of all tokens is lost."
        ),
        element(
            "div",
            histogram(
                "Tokens of a text",
                tokens.lengths,
                _whole,
                limit=tokens.max_tokens,
                of_limit=f"cut at {tokens.max_tokens}",
            ),
            class_="charts",
        ),
        examples("The longest that are cut", tokens.cut_examples) if tokens.cut else None,
        examples(f"{tokens.unknown:,} with unknown characters", tokens.unknown_examples)
        if tokens.unknown
        else None,
    )


def languages_section(found: Check) -> Html | None:
    """What the source says, the writing systems, and the guess."""
    languages = found.languages
    if languages is None:
        return None
    blocks = [
        _block("The source says", bars(languages.said)),
        _block("Writing systems of the texts", bars(languages.scripts))
        if languages.scripts
        else None,
    ]
    if languages.guessed:
        blocks.append(_block("Languages of the texts, guessed", bars(languages.guessed)))
    note = (
        "A guess by a small model: of texts of 15 to 30 characters it is right for 93 % of those "
        "that it is sure of, in widely spoken languages; of other texts less often."
        if languages.guessed is not None
        else 'Languages are guessed once a package is there: pip install "interlingua[languages]".'
    )
    return join(
        element("div", blocks, class_="columns"),
        _note(note),
        examples(f"{languages.other_script:,} in another writing system", languages.other_examples)
        if languages.other_script
        else None,
    )


def contents_section(found: Check) -> Html:
    """Groups, licences and what was left out."""
    contents = found.contents
    blocks = [
        _block(title, bars(contents[name]))
        for name, title in (
            ("groups", "Groups"),
            ("licences", "Licences"),
            ("left_out", "Left out"),
        )
        if contents[name]
    ]
    first = [element("li", words(line, longest=300)) for line in contents["left_out_first"]]
    return join(
        element("div", blocks, class_="columns"),
        element("ul", first, class_="examples") if first else None,
    )


def bars(counts: Mapping[str, int], *, quoted: bool = False) -> Html:
    """Names with their counts as bars, the most first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    most = ordered[0][1] if ordered else 1
    rows = [
        element(
            "li",
            element("span", words(f"“{name}”" if quoted else name or "(none)", longest=60)),
            element("i", style=f"width:{100 * number / most:.1f}%"),
            element("b", f"{number:,}"),
        )
        for name, number in ordered[:_MOST_ROWS]
    ]
    if len(ordered) > _MOST_ROWS:
        rest = sum(number for _, number in ordered[_MOST_ROWS:])
        rows.append(element("li", f"and {len(ordered) - _MOST_ROWS} more: {rest:,}"))
    return element("ul", rows, class_="bars")


def examples(title: str, shown: Sequence[Example]) -> Html:
    """Keys and what was found, folded in until somebody looks."""
    rows = [
        element(
            "li", element("code", words(one.key, longest=80)), " ", words(one.note, longest=240)
        )
        for one in shown
    ]
    return element(
        "details",
        element("summary", words(title, longest=200)),
        element("ul", rows, class_="examples"),
    )


def table(heads: Sequence[str], rows: Sequence[Child]) -> Html:
    """A table with a head."""
    head = element("thead", element("tr", [element("th", one, scope="col") for one in heads]))
    return element("div", element("table", head, element("tbody", rows)), class_="wide")


def _block(title: str, content: Html) -> Html:
    return element("div", element("h3", title), content)


def _note(text: str) -> Html:
    return element("p", words(text, longest=600), class_="note")


def _whole(value: float) -> str:
    return f"{value:,.0f}"
