"""``interlingua demo``: the main job in small, from nothing to a page and a search."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.options import DeviceOption
from interlingua.cli.output import answers, print_text

if TYPE_CHECKING:
    from interlingua.sample import Part, Sample
    from interlingua.train.session import Session

RUN = Path("runs/demo")
WEIGHTS = ("minilm", "efficientnet-lite0", "whisper-tiny.en", "imagenet-names")
QUERIES = (("text", "image"), ("image", "text"), ("sound", "image"))
HEADLINE = (
    ("text", "image"), ("image", "text"), ("sound", "image"), ("speech", "image"),
    ("speech", "text"),
)  # fmt: skip


def demo(
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run's folder.")] = RUN,
    device: DeviceOption = "auto",
    tiny: Annotated[
        bool, typer.Option("--tiny", help="A smaller, poorer model in less time.")
    ] = False,
) -> None:
    """Train on real data in a few minutes, then show search in it and a report.

    Fetches some 520 MB once. A second call shows the finished run again within seconds; a call
    after an interrupted one goes on where that stopped.

    Examples:
    ```
    interlingua demo
    interlingua demo --out runs/other --device cpu
    ```
    """
    index = out / "index"
    if not (out / "report.html").exists() or not index.exists():
        session = train_demo(out, device=device, tiny=tiny)
        finish(session)
        build_demo_index(session, index)
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    show_headline(figures)
    show_queries(out, index, device)
    print_text(f"\nThe report: {out / 'report.html'}  (open it in a browser)")
    print_text("Next:")
    print_text(f'  interlingua search --index {index} --text "a dog" --in image,sound')
    print_text(f"  interlingua index build FOLDER --run {out} --out indexes/mine")
    print_text(f"  interlingua eval {out}")
    print_text("  interlingua train demo seed=1 data.split.seed=1 --out runs/seed1")


def train_demo(out: Path, *, device: str, tiny: bool) -> Session:
    """Fetch what is needed, then train, or go on with what was interrupted."""
    from interlingua import data, weights
    from interlingua.recipes import load_recipe
    from interlingua.train.log import display_for
    from interlingua.train.session import resume_run, train_recipe

    display = display_for()
    weights.get_all(WEIGHTS)
    recipe = load_recipe("demo", tiny=tiny)
    data.get_all([use.source.name for use in recipe.data.sources])
    if (out / "recipe.yaml").exists():
        return resume_run(out, device=device, display=display)
    return train_recipe(recipe, out, device=device, display=display)


def finish(session: Session) -> dict[str, Any]:
    """Measure a trained run and write its report; returns the figures."""
    from interlingua.evaluate.run import evaluate_session
    from interlingua.report.run import write_run_report

    session.display.note("Measuring, and writing the report ...")
    evaluation = evaluate_session(session)
    write_run_report(session, evaluation)
    return evaluation.figures


def build_demo_index(session: Session, index: Path) -> None:
    """Everything of the stamps, searchable; the towers' outputs are cached already."""
    from interlingua import data
    from interlingua.index.build import build_index
    from interlingua.space import load

    space = load(session.run.path, device=str(session.device))
    build_index(index, space, data.open_source("stamps"), features=session.view_features)


def show_headline(figures: Mapping[str, Any]) -> None:
    """Held-out figures of the directions that matter most."""
    counts = figures["counts"]
    table = Table(
        title=f"Held-out things: {counts['held_out']}, none of their names or pictures among the "
        f"{counts['train']:,} in training",
        title_justify="left",
    )
    rows = {(row["query"], row["gallery"]): row for row in figures.get("held_out", [])}
    ks = list(next(iter(rows.values()))["r_at"]) if rows else ["1", "10"]
    first, last = ks[0], ks[-1]
    table.add_column("query → gallery", no_wrap=True)
    for column in (f"R@{first} [95 %]", f"R@{last} [95 %]", f"chance@{last}",
                   f"wrong pairs@{last}", "N"):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for pair in HEADLINE:
        if pair not in rows:
            continue
        row = rows[pair]
        table.add_row(
            f"{pair[0]} → {pair[1]}",
            *(interval(row["r_at"][k]) for k in (first, last)),
            f"{row['chance'][last]:.2f}",
            f"{row['control'][last]['value']:.2f}",
            str(row["n"]),
        )
    answers().print(table, highlight=False)


def interval(estimate: Mapping[str, Any]) -> str:
    """``0.56 [0.49, 0.63]``."""
    if estimate["low"] is None:
        return f"{estimate['value']:.2f}"
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def show_queries(run: Path, index: Path, device: str) -> None:
    """Three held-out things asked for, each in another way; drawn at random, not picked."""
    from interlingua.index.table import Index
    from interlingua.space import load
    from interlingua.train.corpus import open_corpus
    from interlingua.train.recipe import read_yaml

    recipe = read_yaml(run / "recipe.yaml")
    space = load(run, device=device)
    opened = Index.open(index, space_id=space.id)
    corpus = open_corpus(recipe.data)
    known = {
        (sample.meta.source, sample.key): sample.meta.component
        for sample in (*corpus.held_out, *corpus.removed, *corpus.train)
    }
    draw = random.Random(recipe.seed)
    table = Table(title="Three questions about held-out things", title_justify="left")
    table.add_column("asked with", no_wrap=True)
    table.add_column("nearest in the index (✓ the thing itself or its twin)", overflow="fold")
    for view, target in QUERIES:
        things = [s for s in corpus.held_out if s.alternatives(view) and s.alternatives(target)]
        if not things:
            continue
        thing = draw.choice(things)
        part = thing.alternatives(view)[0]
        best: dict[str, str] = {}
        for hit in opened.search(space.embed_parts([part])[0], k=12, kinds=[target]):
            right = known.get((hit.source, hit.key)) == thing.meta.component
            best.setdefault(hit.key, f"{'✓ ' if right else ''}{hit.text or hit.key}")
        table.add_row(asked(thing, part), Text(f"{target}: " + " · ".join([*best.values()][:5])))
    answers().print(table, highlight=False)


def asked(thing: Sample, part: Part) -> str:
    """``the words "A dog."``, ``the picture of: dog``."""
    text = getattr(part, "text", "")
    views = {"image": "picture", "speech": "spoken name"}
    return (
        f'the words "{text}"'
        if text
        else f"the {views.get(part.view, part.view)} of: {thing.meta.name or thing.key}"
    )
