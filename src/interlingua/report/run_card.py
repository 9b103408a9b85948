"""The model card of a run: README.md in its folder, written at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from interlingua import data as data_side
from interlingua import weights as weights_side
from interlingua.catalogue import hub
from interlingua.report.card_data import CardData, Part
from interlingua.report.card_header import card_header
from interlingua.report.data import ReportData
from interlingua.report.model_card import CARD_FILE, MARK, model_card
from interlingua.report.page_file import write_page
from interlingua.sample import Sample
from interlingua.train.chosen import FIGURES_FILE
from interlingua.train.session import Session


def write_run_card(
    session: Session, data: ReportData, figures: Mapping[str, Any] | None = None
) -> Path | None:
    """Write README.md into the run's folder; None where its maker has put their own there.

    Args:
        session: of a trained run.
        data: what its page shows.
        figures: what was measured, of ``evaluate_session``.

    Raises:
        OSError: it can't be written.
    """
    path = session.run.path / CARD_FILE
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        session.display.note(f"{path} is not the run's own card any more; it is left as it is.")
        return None
    card = card_data(session, data, figures or {})
    return write_page(path, f"{card_header(card)}\n{model_card(card)}")


def card_data(session: Session, data: ReportData, figures: Mapping[str, Any]) -> CardData:
    """What the card says, gathered from a session."""
    recipe = session.recipe
    return CardData(
        name=session.run.path.resolve().name,
        data=data,
        model=recipe.model.name,
        views=tuple(session.model.views),
        dimension=int(session.model.dimension),
        about=recipe.description.partition("\n")[0],
        languages=languages_of(session.corpus.at_hand()),
        start_from=_address(recipe.start_from),
        parts=known_parts(),
        losses=figures.get("held_out_losses") or {},
        finetuned=finetuned_figures(session.run.path),
    )


def languages_of(samples: Iterable[Sample]) -> list[str]:
    """The languages of words and speech that say which they are in, by the alphabet."""
    found = {
        getattr(part, "language", None) or "" for sample in samples for part in sample.all_parts()
    }
    return sorted(found - {""})


def known_parts() -> dict[str, Part]:
    """All data and weights that can be fetched by name."""
    entries = [*data_side.catalogue(), *weights_side.catalogue()]
    return {one.name: Part(one.summary, one.licence, one.hub or "") for one in entries}


def _address(start_from: str) -> str:
    """An address as it is; of a folder its name alone: where it lies is nobody's business."""
    return start_from if hub.is_address(start_from) else Path(start_from).name


def finetuned_figures(run: Path) -> dict[str, Any]:
    """What a run's ``finetuned.json`` says; empty where it has none that can be read."""
    try:
        plain = json.loads((run / FIGURES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) and "chosen" in plain else {}
