"""What was trained on what: data, model, stages, machine, and the command that runs it again."""

from __future__ import annotations

from collections.abc import Sequence

from interlingua.report import numbers, views
from interlingua.report.data import DataUse, RunFacts, Skipped, StageUse, TowerUse
from interlingua.report.html import Child, Html, element, words


def sources_table(sources: Sequence[DataUse]) -> Html | None:
    """Samples on each side of the split and items in each view, a row for each source."""
    if not sources:
        return None
    kinds = [kind for kind in views.INKS if any(kind in source.views for source in sources)]
    kinds += sorted({k for source in sources for k in source.views} - set(kinds))
    head = [element("th", h, scope="col") for h in ("Source", "Training", "Held out")]
    head += [element("th", views.glyph(kind), views.plural(kind), scope="col") for kind in kinds]
    rows = []
    for source in sources:
        about = [a for a in (source.licence, source.note) if a]
        cells: list[tuple[str, str]] = [
            ("Training", numbers.count(source.training)),
            ("Held out", numbers.count(source.held_out) if source.held_out else "–"),
        ]
        for kind in kinds:
            cells.append(
                (
                    views.plural(kind),
                    numbers.count(source.views[kind]) if kind in source.views else "–",
                )
            )
        rows.append(
            element(
                "tr",
                element(
                    "th",
                    words(source.source),
                    element("small", words(", ".join(about), longest=200)) if about else None,
                    scope="row",
                ),
                [element("td", value, data_label=label) for label, value in cells],
            )
        )
    return _table("Data", head, rows)


def towers_table(towers: Sequence[TowerUse]) -> Html | None:
    """Parameters trained and frozen, drawn to one scale."""
    if not towers:
        return None
    largest = max(max(tower.parameters for tower in towers), 1)
    rows = []
    for tower in towers:
        trained = 100 * tower.trained / largest
        frozen = 100 * (tower.parameters - tower.trained) / largest
        bar = element(
            "span",
            element("i", style=f"width:{trained:.2f}%", class_="trained")
            if tower.trained
            else None,
            element("i", style=f"width:{frozen:.2f}%", class_="frozen") if frozen > 0 else None,
            class_=f"bar {views.ink(tower.view)}",
            aria_hidden="true",
        )
        about = [a for a in (tower.weights, tower.note) if a]
        rows.append(
            element(
                "tr",
                element(
                    "th",
                    views.glyph(tower.view) if tower.view else None,
                    words(tower.name),
                    element("small", words(", ".join(about), longest=200)) if about else None,
                    scope="row",
                ),
                element("td", numbers.short_count(tower.parameters), data_label="Parameters"),
                element(
                    "td",
                    numbers.short_count(tower.trained) if tower.trained else "frozen",
                    data_label="Trained here",
                ),
                element("td", bar, class_="wide"),
            )
        )
    total, trained_total = sum(t.parameters for t in towers), sum(t.trained for t in towers)
    rows.append(
        element(
            "tr",
            element("th", "Together", scope="row"),
            element("td", numbers.short_count(total), data_label="Parameters"),
            element("td", numbers.short_count(trained_total), data_label="Trained here"),
            element("td", class_="wide"),
            class_="sum",
        )
    )
    head = [element("th", h, scope="col") for h in ("Part", "Parameters", "Trained here")]
    head.append(element("td", class_="wide"))
    return _table("Model", head, rows)


def stages_table(stages: Sequence[StageUse]) -> Html | None:
    """Each stage with its length and what it trained."""
    if not stages:
        return None
    head = ["Stage", "Steps", "Batch", "Learning rate", "Time"]
    rows = [
        element(
            "tr",
            element(
                "th",
                words(stage.name),
                element("small", words(stage.detail, longest=200)) if stage.detail else None,
                scope="row",
            ),
            element("td", numbers.count(stage.steps), data_label="Steps"),
            element(
                "td",
                numbers.count(stage.batch_size) if stage.batch_size else "–",
                data_label="Batch",
            ),
            element(
                "td",
                f"{stage.learning_rate:g}" if stage.learning_rate else "–",
                data_label="Learning rate",
            ),
            element("td", numbers.duration(stage.seconds), data_label="Time"),
        )
        for stage in stages
    ]
    return _table("Stages", [element("th", h, scope="col") for h in head], rows)


def machine_list(facts: RunFacts) -> Html | None:
    """Recipe, seed, time, device, memory, versions."""
    entries: list[tuple[str, Child]] = []
    for name, value in (
        ("Recipe", facts.recipe),
        ("Written", facts.created),
        ("Device", facts.device),
    ):
        if value:
            entries.append((name, words(value)))
    if facts.seed is not None:
        entries.append(("Seed", str(facts.seed)))
    if facts.seconds:
        entries.append(("Time in all", numbers.duration(facts.seconds)))
    if facts.peak_memory_bytes:
        entries.append(("Peak memory", f"{facts.peak_memory_bytes / 1e9:.1f}{numbers.THIN}GB"))
    if facts.versions:
        versions = [
            element("span", words(f"{name} {version}"), class_="version")
            for name, version in facts.versions.items()
        ]
        entries.append(("Versions", [[v, " "] for v in versions]))
    if not entries:
        return None
    return element(
        "dl",
        [element("div", element("dt", name), element("dd", value)) for name, value in entries],
        class_="machine",
    )


def command_block(command: str) -> Html | None:
    """The command that runs it again, with a button that copies it."""
    if not command:
        return None
    return element(
        "div",
        element("h3", "Run it again"),
        element(
            "div",
            element(
                "pre", element("code", words(command, longest=2000), id="command"), tabindex="0"
            ),
            element("button", "Copy", type="button", class_="copy needs-js", data_copies="command"),
            class_="command",
        ),
    )


def skipped_list(skipped: Sequence[Skipped]) -> Html:
    """What was left out, by reason, most frequent first."""
    kinds = sorted((s for s in skipped if s.count), key=lambda s: -s.count)
    if not kinds:
        return element("p", "Nothing was skipped: every sample could be read.")
    most = kinds[0].count
    rows = [
        element(
            "tr",
            element(
                "th",
                words(kind.reason.replace("_", " ")),
                element("small", "for example ", words(kind.example, longest=90))
                if kind.example
                else None,
                scope="row",
            ),
            element("td", numbers.count(kind.count)),
            element(
                "td",
                element(
                    "span",
                    element("i", style=f"width:{100 * kind.count / most:.1f}%"),
                    class_="bar",
                    aria_hidden="true",
                ),
                class_="wide",
            ),
        )
        for kind in kinds
    ]
    total = sum(kind.count for kind in kinds)
    head = [element("th", "Reason", scope="col"), element("th", "Samples", scope="col")]
    head.append(element("td", class_="wide"))
    were = "sample was" if total == 1 else "samples were"
    sentence = element("p", f"{numbers.count(total)} {were} left out, for these reasons:")
    return element("div", sentence, _table(None, head, rows))


def _table(caption: str | None, head: list[Html], rows: list[Html]) -> Html:
    return element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", element("tr", head)),
        element("tbody", rows),
        class_="facts",
    )
