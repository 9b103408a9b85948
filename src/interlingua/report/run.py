"""The report of a trained run: its figures and some of its things, as ``ReportData``."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from interlingua.data.image import open_image
from interlingua.data.sound import read_sound
from interlingua.data.source import count_reasons
from interlingua.errors import MediaError
from interlingua.evaluate.run import Evaluation, Measured
from interlingua.report.curves import panels_from_metrics
from interlingua.report.data import (
    DataUse,
    DirectionRow,
    ReportData,
    RunFacts,
    Skipped,
    StageUse,
    Strip,
    Thing,
    TowerUse,
    View,
)
from interlingua.report.page import write_report
from interlingua.report.run_card import finetuned_figures, write_run_card
from interlingua.report.strips import draw_strips
from interlingua.sample import Audio, Image, Part, Sample, Text
from interlingua.train.memory import peak_memory
from interlingua.train.run_folder import read_lines
from interlingua.train.session import Session

THUMBNAIL_SIDE = 256
SOUND_RATE = 16_000
MOST_LICENCES = 4  # of one source, in its row
SPOKEN_FIRST = ("en", "fr", "es")  # the languages whose clip stands for a thing
ASKED = (
    ("text", "image"), ("image", "text"), ("sound", "image"), ("speech", "image"),
    ("image", "sound"),
)  # fmt: skip


def write_run_report(session: Session, evaluation: Evaluation) -> Path:
    """Write ``report.html`` and the model card into the run folder; returns the page's path."""
    data = report_data(session, evaluation)
    write_run_card(session, data, evaluation.figures)
    return write_report(session.run.path, data)


def report_data(session: Session, evaluation: Evaluation | None) -> ReportData:
    """Everything that the page of a run shows; without an evaluation, what went into it."""
    corpus = session.corpus
    known = corpus.at_hand()  # of a stream some: their views are no count
    held_out: list[Thing] = []
    seen: list[Thing] = []
    if evaluation is not None:
        held_out = list(_things(evaluation.held_out, held_out=True)) if evaluation.held_out else []
        seen = list(_things(evaluation.seen, held_out=False))
    things = held_out + seen
    rows = read_lines(session.run.metrics_path)
    training = [row for row in rows if row["kind"] == "train"]
    return ReportData(
        title=f"Interlingua run {session.run.path.name}",
        facts=_facts(session, training),
        sources=[
            DataUse(
                source=name,
                training=corpus.num_training(name),
                held_out=sum(sample.meta.source == name for sample in corpus.held_out),
                views=Counter(
                    part.view
                    for sample in (known if known is corpus.train else ())
                    if sample.meta.source == name
                    for part in sample.all_parts()
                ),
                licence=_licences(known, name),
                note=f"{sum(count_reasons(problems).values()):,} left out" if problems else "",
            )
            for name, problems in corpus.problems.items()
        ],
        towers=list(_towers(session)),
        stages=_stages(session, training),
        panels=panels_from_metrics(rows),
        directions=[] if evaluation is None else _directions(evaluation),
        things=things,
        strips=list(_strips(held_out, seen)),
        strips_note="Drawn at random by the run's seed, never picked by how well they do.",
        skipped=_skipped(session),
        limitations=_limitations(session),
    )


def _limitations(session: Session) -> list[str]:
    """What the data alone says of the run."""
    split = session.recipe.data.split
    drawn = {"stamps", "clipart", "openmoji"}
    said = []
    if {use.source.name for use in session.recipe.data.sources} <= drawn:
        said.append(
            "Things are drawings and photographs on plain ground; photographs of scenes were not "
            "tried."
        )
    if "speech" in session.model.views:
        said.append("Texts are English; speech is compared with English words.")
    if tuned := finetuned_figures(session.run.path):
        said.append(
            f"{tuned['choose_by']} held-out samples chose among the weights that training went "
            f"through; figures on held-out samples are of the {tuned['judge_by']} others. There "
            f"the accuracy was {tuned['start']['accuracy']:.1%} as loaded, and is "
            f"{tuned['chosen']['accuracy']:.1%}."
        )
    if split and split.unseen_languages:
        said.append(f"Speech in {', '.join(split.unseen_languages)} was kept from training.")
    return said


def _licences(samples: Sequence[Sample], source: str) -> str:
    """The licences of a source's samples, the commonest first."""
    found = Counter(one.meta.licence for one in samples if one.meta.source == source)
    names = [name for name, _ in found.most_common() if name]
    more = f" and {len(names) - MOST_LICENCES} more" if len(names) > MOST_LICENCES else ""
    return ", ".join(names[:MOST_LICENCES]) + more


def _things(measured: Measured, *, held_out: bool) -> Iterator[Thing]:
    places: dict[int, dict[str, int]] = {}
    for view, found in measured.views.items():
        for row, number in enumerate(found.sample):
            here = places.setdefault(int(number), {})
            if view not in here or _preferred(found.parts[row], found.parts[here[view]]):
                here[view] = row
    for number, rows in sorted(places.items()):
        sample = measured.samples[number]
        views = {
            view: shown
            for view, row in rows.items()
            if (shown := _shown(measured.views[view].parts[row], measured.views[view].vectors[row]))
        }
        yield Thing(
            key=f"{sample.meta.source}/{sample.key}",
            name=sample.meta.name or _first_text(sample),
            views=views,
            group=sample.meta.group.partition("/")[0],
            held_out=held_out,
            component=sample.meta.component,
        )


def _preferred(new: Part, old: Part) -> bool:
    """Whether a spoken name stands for its thing rather than another one."""

    def place(part: Part) -> int:
        language = part.language if isinstance(part, Audio) else None
        return SPOKEN_FIRST.index(language) if language in SPOKEN_FIRST else len(SPOKEN_FIRST)

    return place(new) < place(old)


def _shown(part: Part, vector: np.ndarray[Any, np.dtype[np.float32]]) -> View | None:
    try:
        if isinstance(part, Image):
            picture = open_image(part.content, near_size=THUMBNAIL_SIDE)
            picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            return View(vector, pixels=np.asarray(picture))
        if isinstance(part, Audio):
            wave = np.asarray(read_sound(part.content, SOUND_RATE))
            return View(
                vector,
                text=part.transcript or "",
                samples=wave,
                sample_rate=SOUND_RATE,
                language=part.language or "",
            )
    except MediaError:
        return None
    if isinstance(part, Text):
        return View(vector, text=part.text, language=part.language or "")
    return None


def _first_text(sample: Sample) -> str:
    texts = [part.text for part in sample.alternatives("text") if isinstance(part, Text)]
    return texts[0] if texts else sample.key


def _facts(session: Session, training: Sequence[Mapping[str, Any]]) -> RunFacts:
    packages = ("interlingua", "torch", "numpy", "pillow", "tokenizers")
    versions = {"python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in packages}
    return RunFacts(
        command=f"interlingua train {session.recipe.name} --out {session.run.path}",
        recipe=session.recipe.name,
        created=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        seed=session.recipe.seed,
        seconds=training[-1]["seconds"] if training else 0.0,
        device=f"{session.device}, {str(session.precision).removeprefix('torch.')} towers",
        peak_memory_bytes=peak_memory(session.device),
        versions=versions,
    )


def _towers(session: Session) -> Iterator[TowerUse]:
    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    for name, use in session.model.config.towers.items():
        views = [view for view, tower in session.model.config.views.items() if tower == name]
        tower = count(session.model.tower_shape(name))
        yield TowerUse(
            name=use.tower.name,
            view=", ".join(views),
            parameters=tower,
            trained=0 if use.frozen else tower,
            weights=use.weights,
            note="frozen, its outputs cached" if use.frozen else "",
        )
        # a shared space has heads, a dual encoder projections, a tower that learned alone neither
        heads = getattr(session.model, "heads", getattr(session.model, "projections", {}))
        if name in heads:
            head = count(heads[name])
            yield TowerUse(f"{name} head", ", ".join(views), parameters=head, trained=head)


def _stages(session: Session, training: Sequence[Mapping[str, Any]]) -> list[StageUse]:
    found, before = [], 0.0
    for stage in session.recipe.stages:
        ends = [row["seconds"] for row in training if row["stage"] == stage.name]
        seconds = (ends[-1] - before) if ends else 0.0
        before += seconds
        found.append(
            StageUse(
                stage.name,
                stage.steps,
                seconds,
                stage.batch_size,
                stage.learning_rate,
                f"trains {', '.join(pattern for pattern, rate in stage.trainable if rate)}; "
                f"{stage.schedule} after {stage.warmup_steps} steps of warm-up",
            )
        )
    return found


def _directions(evaluation: Evaluation) -> list[DirectionRow]:
    rows = []
    against = evaluation.figures.get("speech_against_length", {})
    if evaluation.held_out:
        for measured in evaluation.held_out.table:
            length = against.get(f"{measured.query} → {measured.gallery}", {}).get("length", {})
            rows.append(
                DirectionRow.of(
                    measured,
                    baseline={int(k): one["value"] for k, one in length.items()},
                    baseline_name="clip length alone" if length else "",
                )
            )
    rows += [
        DirectionRow.of(measured, held_out=False)
        for measured in evaluation.seen.table
        if "[" not in measured.query
    ]
    return rows


def _strips(held_out: Sequence[Thing], seen: Sequence[Thing]) -> Iterator[Strip]:
    for query, target in ASKED:
        yield from draw_strips(held_out, query, target, number=3)
        yield from draw_strips(seen, query, target, number=1, held_out=False)


def _skipped(session: Session) -> list[Skipped]:
    rows = session.run.left_out()
    # Whatever reads a damaged file writes it down, so one file may stand there many times.
    rows = list({(row.get("reason"), row.get("key")): row for row in rows}.values())
    reasons = Counter(str(row.get("reason", "")) for row in rows)
    example = {str(row.get("reason", "")): str(row.get("where") or row.get("key")) for row in rows}
    found = [Skipped(reason, number, example[reason]) for reason, number in reasons.most_common()]
    for source, problems in session.corpus.problems.items():
        counted = count_reasons(problems)
        first = {problem.reason: problem.where for problem in reversed(problems)}
        found += [
            Skipped(f"{source}: {reason}", number, first[reason])
            for reason, number in counted.items()
        ]
    return found
