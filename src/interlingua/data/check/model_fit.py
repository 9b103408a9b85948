"""What a model's preprocessing does to the media: pictures made larger, sounds cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.media import Medium
from interlingua.data.filters.chain import spread as evenly
from interlingua.sample import Sample
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, Preprocess


@dataclass(frozen=True, slots=True)
class ModelFit:
    """What a tower does to the media of one view.

    Attributes:
        view: ``image``, ``sound`` or ``speech``.
        takes: what it takes: ``224 pixels``, ``30 s``.
        changed: media that are smaller than that (pictures) or longer (sounds).
        of: how many were looked at.
        lost: of sounds, the share of all their seconds that is cut off.
        examples: of those that are changed.
    """

    view: str
    takes: str
    changed: int
    of: int
    lost: float
    examples: tuple[Example, ...]


def model_fit(
    samples: Sequence[Sample], media: Sequence[Medium], needs: Mapping[str, Preprocess]
) -> list[ModelFit]:
    """By view, what becomes of media that can be read.

    Args:
        samples: whose media they are.
        media: that were looked at.
        needs: by view, what the model's tower takes.
    """
    found = []
    for view, wanted in needs.items():
        good = [one for one in media if one.view == view and not one.reason]
        if isinstance(wanted, ImagePreprocess):
            good = [one for one in good if one.size[0]]  # a drawing is drawn at any size
            changed = [one for one in good if min(one.size) < wanted.size]
            notes = [f"{one.size[0]} x {one.size[1]} pixels" for one in changed]
            takes, lost = f"{wanted.size} pixels", 0.0
        elif isinstance(wanted, AudioPreprocess):
            most = wanted.max_seconds
            changed = [one for one in good if one.seconds > most]
            notes = [f"{one.seconds:.1f} s" for one in changed]
            whole = sum(one.seconds for one in good)
            lost = sum(one.seconds - most for one in changed) / whole if whole else 0.0
            takes = f"{most:g} s"
        else:
            continue
        if good:
            chosen = evenly(list(zip(changed, notes, strict=True)), EXAMPLES)
            examples = [Example(samples[one.place].key, note, one.place) for one, note in chosen]
            found.append(
                ModelFit(view, takes, len(changed), len(good), round(lost, 4), tuple(examples))
            )
    return found
