"""What ``interlingua train --dry-run`` prints and draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from interlingua.cli.output import answers, note, number_of_bytes, print_text
from interlingua.errors import MediaError, MissingExtraError

if TYPE_CHECKING:
    from interlingua.report.data import View
    from interlingua.report.first_batch import FirstBatches, FirstMedium, FirstSample
    from interlingua.sample import Part
    from interlingua.towers.tower import Preprocess
    from interlingua.train.dry_run import DryRun
    from interlingua.train.recipe import Recipe
    from interlingua.train.stage_trial import Seen, StageTrial

Facts = list[tuple[str, str]]


def try_recipe(recipe: Recipe, folder: Path, device: str, processes: int) -> Path:
    """Try a recipe, print what was found, and draw its first batches; gives the page's path."""
    from interlingua.report.first_batch import first_batch_page
    from interlingua.train.dry_run import dry_run
    from interlingua.train.log import display_for

    found = dry_run(recipe, device=device, display=display_for(), processes=processes)
    warnings = list(warnings_of(found, folder))
    show("", run_facts(found, folder))
    for trial in found.stages:
        show(f"stage {trial.stage.name}", stage_facts(trial))
    for text in warnings:
        note(f"warning: {text}")
    page = folder.with_name(f"{folder.name}-first-batch.html")
    return first_batch_page(page_data(found, folder, warnings), page)


def show(title: str, facts: Facts) -> None:
    """Facts below each other."""
    if title:
        print_text(f"\n{title}")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(f"  {name}"), Text(value))
    answers().print(table, highlight=False)


def run_facts(found: DryRun, folder: Path) -> Facts:
    """Of the whole run."""
    from interlingua.train.dry_run import room_for_checkpoints

    names = {"train": "to train on", "held_out": "held out", "removed": "too near to those",
             "filtered": "taken by filters", "unseen_language": "in unseen languages"}  # fmt: skip
    precision = str(found.precision).removeprefix("torch.")
    where = f"{found.device}, {precision}, {found.threads} threads"
    if found.processes > 1:
        where += (
            f"; one of {found.processes} processes, on its share of the batch (what they tell one "
            "another is not in the time)"
        )
    facts = [
        ("recipe", found.recipe.name),
        ("device", where),
        (
            "samples",
            ", ".join(f"{number:,} {names[name]}" for name, number in found.counts.items()),
        ),
    ]
    for source, reasons in found.left_out.items():
        told = ", ".join(f"{count:,}× {reason}" for reason, count in reasons.items())
        facts.append(("left out", f"{source}: {told}"))
    for part, (every, trained) in found.parameters.items():
        share = "all trained" if trained == every else f"{trained:,} trained"
        facts.append(("parameters", f"{part}: {every:,}" + (f", {share}" if trained else "")))
    for fill in found.fills:
        facts.append(
            (
                "frozen tower",
                f"{fill.view}: {fill.media:,} media at {fill.rate:,.0f}/s: "
                f"{duration(fill.seconds)}, once",
            )
        )
    needed, free = room_for_checkpoints(found, folder)
    size = number_of_bytes(found.checkpoint_bytes)
    frozen = ""
    if found.fills:
        frozen = f", and {duration(found.frozen_seconds)} before it for what isn't cached yet"
    facts += [
        ("checkpoints", f"{size} each; {number_of_bytes(needed)} at most, "
                        f"{number_of_bytes(free)} are free"),
        ("memory", f"{number_of_bytes(found.peak_memory)} at most" + _of_all(found)),
        ("time", f"about {duration(found.seconds)}{frozen}; measuring and the report come on top"),
    ]  # fmt: skip
    return facts


def stage_facts(trial: StageTrial) -> Facts:
    """Of one stage."""
    stage, held = trial.stage, trial.held
    batches = f" x {stage.accumulate}" if stage.accumulate > 1 else ""
    epochs = f", {trial.epochs:.1f} epochs" if trial.epochs else ""
    facts = [
        ("steps", f"{stage.steps:,} of {stage.batch_size:,}{batches} samples{epochs}"),
        *(("in", f"{size}, {number_of_bytes(size.num_bytes)}") for size in trial.inputs),
        *(("out", f"{part}: {shapes}") for part, shapes in trial.outputs.items()),
    ]
    parts = {
        "weights": held.weights,
        "gradients": held.gradients,
        "AdamW's moments": held.optimizer,
        "averaged weights": held.average,
        "the batch": sum(size.num_bytes for size in trial.inputs),
    }
    told = ", ".join(f"{name} {number_of_bytes(count)}" for name, count in parts.items() if count)
    grown = number_of_bytes(max(0, trial.peak_memory - trial.memory_before))
    facts.append(("memory", f"{grown} more than before the first step; {told}"))
    making = f"{seconds_of(trial.batch_seconds)} to make a batch the first time, then "
    facts += [
        ("step", f"{seconds_of(trial.step_seconds)}; {making}{seconds_of(trial.again_seconds)}"),
        ("time", f"about {duration(trial.seconds)}"),
        ("first loss", f"{trial.loss:.4f}"),
    ]
    return facts


def warnings_of(found: DryRun, folder: Path) -> Iterator[str]:
    """What would go wrong, or probably is not meant."""
    from interlingua.train.dry_run import room_for_checkpoints

    _, total = found.memory
    if total and found.peak_memory > 0.9 * total:
        yield (
            f"{number_of_bytes(found.peak_memory)} of {number_of_bytes(total)} memory were in use. "
            "Lower batch_size, or set micro_batch."
        )
    needed, free = room_for_checkpoints(found, folder)
    if needed > free:
        yield (
            f"The checkpoints need {number_of_bytes(needed)}; {number_of_bytes(free)} are free. "
            "Lower keep_checkpoints, or give an --out on another disk."
        )
    if found.damaged:
        reasons = ", ".join(f"{reason} {count}" for reason, count in found.damaged.most_common())
        yield f"In the first batches {found.damaged.total()} media can't be decoded: {reasons}."
    for trial in found.stages:
        if not math.isfinite(trial.loss):
            yield f"Stage {trial.stage.name}: the first loss is {trial.loss}."
        if trial.epochs and trial.epochs < 1:
            yield f"Stage {trial.stage.name} sees {trial.epochs:.0%} of the data, not all of them."


def page_data(found: DryRun, folder: Path, warnings: list[str]) -> FirstBatches:
    """The page of the first batches."""
    from interlingua.report.first_batch import FirstBatches, FirstStage

    stages = [
        FirstStage(trial.stage.name, stage_facts(trial), list(samples_of(trial)), len(trial.batch))
        for trial in found.stages
    ]
    title = f"{found.recipe.name}: the first batch"
    return FirstBatches(title, run_facts(found, folder), warnings, stages)


def samples_of(trial: StageTrial) -> Iterator[FirstSample]:
    """The first samples of the batch with what the towers get of them."""
    from interlingua.report.first_batch import FirstSample
    from interlingua.train.stage_trial import SHOWN

    media: dict[int, list[FirstMedium]] = {}
    for view, seen in trial.seen.items():
        look = Look(view, trial.preprocess[view])
        for one in seen:
            media.setdefault(one.owner, []).append(look(one))
    ids = trial.batch.component
    known = [] if ids is None else ids.tolist()
    often = Counter(number for number in known if number >= 0)
    for place, key in enumerate(trial.batch.keys[:SHOWN]):
        twins = often[known[place]] - 1 if known and known[place] >= 0 else 0
        yield FirstSample(key, tuple(media.get(place, ())), twins)


class Look:
    """Turns the values of one view into something to look at.

    Args:
        view: its name.
        preprocess: that made the values.
    """

    def __init__(self, view: str, preprocess: Preprocess):
        from interlingua.data.text import Tokenizer
        from interlingua.towers.tower import TextPreprocess

        self.view = view
        self.preprocess = preprocess
        self.tokenizer = Tokenizer(preprocess) if isinstance(preprocess, TextPreprocess) else None

    def __call__(self, seen: Seen) -> FirstMedium:
        """One medium."""
        from interlingua.report.first_batch import FirstMedium

        values = seen.values
        if values is None:
            return FirstMedium(self.view)
        if self.tokenizer is not None:
            pieces = tuple(self.tokenizer.pieces(values.tolist()))
            cut = len(pieces) >= self.tokenizer.preprocess.max_tokens
            return FirstMedium(self.view, pieces=pieces, cut=cut)
        if self.preprocess.kind == "image":
            return FirstMedium(self.view, pixels=values.permute(1, 2, 0).contiguous().numpy())
        if self.preprocess.kind == "audio":
            sound = None if seen.part is None else playable(seen.part)
            return FirstMedium(self.view, frames=values.float().numpy(), sound=sound)
        return FirstMedium(self.view, numbers=tuple(values.flatten().tolist()))


def playable(part: Part) -> View | None:
    """A sound to listen to; None where it can't be read."""
    from interlingua.data.sound import read_sound
    from interlingua.report.data import View
    from interlingua.report.media import LONGEST_SECONDS
    from interlingua.sample import Audio

    if not isinstance(part, Audio):
        return None
    try:
        wave = read_sound(part.content, 16_000, first_seconds=LONGEST_SECONDS + 0.5)
    except (MediaError, MissingExtraError):
        return None
    return View(samples=wave, sample_rate=16_000)


def duration(seconds: float) -> str:
    """``4 min 12 s``, ``3 h 5 min``, ``2 days 3 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def seconds_of(seconds: float) -> str:
    """``0.12 s``, ``35 ms``."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def _of_all(found: DryRun) -> str:
    _, total = found.memory
    return f" of {number_of_bytes(total)}" if total else ""
