"""A model card as a hub of models shows it: what a run's model is, learned from, is worth, lacks.

Markdown under a YAML header (``card_header``). Everything in it comes from the run; what nobody
but its maker can know, the licence above all, is said to be open, never guessed.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993), for what belongs
on a card; the hub's model card specification for the header.
"""

from __future__ import annotations

from interlingua.report import numbers, views
from interlingua.report.card_data import CardData, Part
from interlingua.report.card_figures import figures_section
from interlingua.report.limits import found_limits
from interlingua.report.markdown import plain, table

CARD_FILE = "README.md"
# whoever writes a card of their own removes this line
MARK = "<!-- Written with the run; written anew with its report as long as this line stays. -->"


def model_card(card: CardData) -> str:
    """The card's Markdown below its header."""
    sections = [
        MARK,
        f"# {plain(card.name)}",
        plain(card.about),
        _what_it_is(card),
        _data(card),
        _training(card),
        figures_section(card),
        _loading(card),
        _limits(card),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what_it_is(card: CardData) -> str:
    kinds = ", ".join(views.plural(view) for view in card.views)
    what = (
        f"A `{card.model}` model for {kinds}: it gives each a vector of {card.dimension:,} numbers"
    )
    what += ", and things that belong together have near vectors." if len(card.views) > 1 else "."
    rows = [
        [
            f"{plain(tower.name)}{f' ({plain(tower.view)})' if tower.view else ''}",
            numbers.short_count(tower.parameters),
            numbers.short_count(tower.trained) if tower.trained else "frozen",
            plain(tower.weights) or "random",
            plain(_part(card, tower.weights).licence) or "–",
        ]
        for tower in card.data.towers
    ]
    heads = ("part", "parameters", "trained here", "began with", "licence of that")
    began = f"\n\nThe run began with {plain(card.start_from)}." if card.start_from else ""
    return f"## What it is\n\n{what}\n\n{table(heads, rows)}{began}"


def _data(card: CardData) -> str:
    rows = []
    for use in card.data.sources:
        known = _part(card, use.source)
        held = ", ".join(f"{count:,} {views.plural(kind)}" for kind, count in use.views.items())
        rows.append(
            [
                plain(use.source),
                plain(use.licence or known.licence) or "**not stated**",
                numbers.count(use.training),
                numbers.count(use.held_out),
                plain(held) or "–",
                plain("; ".join(one for one in (known.about, use.note) if one)) or "–",
            ]
        )
    heads = ("source", "licence", "things to train on", "held out", "with", "about")
    split = (
        "Whatever has the name or shows the picture of a held-out thing was kept from training too."
        if any(use.held_out for use in card.data.sources)
        else "Nothing was held out, so no figure here tells how it does on new things."
    )
    return f"## What it learned from\n\n{table(heads, rows)}\n\n{split}"


def _training(card: CardData) -> str:
    facts = card.data.facts
    rows = [
        [
            plain(stage.name),
            numbers.count(stage.steps),
            numbers.count(stage.batch_size) if stage.batch_size else "–",
            f"{stage.learning_rate:g}",
            numbers.duration(stage.seconds),
            plain(stage.detail),
        ]
        for stage in card.data.stages
    ]
    heads = ("stage", "steps", "batch", "learning rate", "time", "what")
    said = [
        f"recipe `{facts.recipe}`" if facts.recipe else "",
        f"seed {facts.seed}" if facts.seed is not None else "",
        plain(facts.device),
        plain(", ".join(f"{name} {version}" for name, version in facts.versions.items())),
        facts.created,
    ]
    made = "; ".join(one for one in said if one)
    again = "`recipe.yaml` holds every setting: `interlingua train recipe.yaml` makes it again."
    return f"## How it was trained\n\n{table(heads, rows)}\n\n{made}. {again}"


def _loading(card: CardData) -> str:
    items = {"text": 'texts=["a dog", "a red car"]', "image": 'images=["photo.jpg"]',
             "sound": 'sounds=["bark.wav"]', "speech": 'speech=["spoken.wav"]'}  # fmt: skip
    calls = [f"{view} = space.embed({items[view]})" for view in card.views if view in items]
    first, *others = [view for view in card.views if view in items] or [""]
    cosines = [f"print({others[0]} @ {first}.T)  # cosines"] if others else []
    code = [
        "from interlingua.space import load",
        "",
        'space = load("THIS/FOLDER")',
        *calls,
        *cosines,
    ]
    search = (
        "\n\nOn the command line: `interlingua index build FOLDER --run THIS/FOLDER --out INDEX`, "
        'then `interlingua search --index INDEX --text "a dog"`.'
        if len(card.views) > 1
        else "\n\nIts tower alone, for another model: `interlingua weights export THIS/FOLDER "
        "--part towers." + plain(card.data.towers[0].name if card.data.towers else "NAME") + "`."
    )
    block, version = "\n".join(code), card.data.facts.versions.get("interlingua", "")
    return (
        "## How to load it\n\nWith the library Interlingua, which wrote this card"
        f"{f' in version {plain(version)}' if version else ''}:\n\n```python\n{block}\n```{search}"
    )


def _limits(card: CardData) -> str:
    known = [*found_limits(card.data.directions), *card.data.limitations]
    sources = ", ".join(use.source for use in card.data.sources if use.held_out)
    if sources:
        known.append(f"Measured on things of {sources} only; of other data nothing is known.")
    known.append(
        "No licence was chosen for these weights. The licences of the data and of the weights that "
        "they began with stand above; whoever passes them on must see what these ask for."
    )
    lines = "\n".join(f"- {plain(one)}" for one in known)
    return f"## Its limits\n\n{lines}"


def _part(card: CardData, name: str) -> Part:
    return card.parts.get(name, Part())
