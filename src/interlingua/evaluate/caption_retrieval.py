"""Pictures with several captions each: image to text and text to image, all captions counted.

With five captions per picture, a picture finds its text if *any* of its five is among
the first k of all captions; each of the five is a query of its own for the picture.

Sources: Karpathy, Fei-Fei 2015, section 4.2; Radford et al. 2021 (CLIP, arXiv:2103.00020),
appendix E.1 and table 13.

Shape legend: N pictures, M captions, D width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interlingua.errors import DataError, MediaError
from interlingua.evaluate.directions import DirectionTable, all_directions
from interlingua.evaluate.intervals import Seed
from interlingua.evaluate.labelled import Embed, check_finite
from interlingua.sample import Part, Sample

KS = (1, 5, 10)


@dataclass(slots=True)
class CaptionRetrieval:
    """Both directions.

    Attributes:
        table: ``image -> text`` and ``text -> image``.
        pictures, captions: N and M.
        left_out: how many samples were left out, by reason.
    """

    table: DirectionTable
    pictures: int
    captions: int
    left_out: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "pictures": self.pictures,
            "captions": self.captions,
            "left_out": dict(self.left_out),
            "retrieval": self.table.to_json(),
        }


def caption_retrieval(
    embed: Embed,
    samples: Sequence[Sample],
    *,
    ks: Sequence[int] = KS,
    template: str = "{}",
    bootstrap: int = 1000,
    permutations: int = 20,
    seed: Seed = 0,
    on_error: Callable[[Sample, MediaError], None] | None = None,
) -> CaptionRetrieval:
    """Retrieval among pictures and all their captions.

    Right is a picture's own caption only, as the published figures count it, even where another
    picture has the same words; the intervals resample pictures with their captions.

    Args:
        embed: ``Space.embed_parts``.
        samples: with the views image and text; others are left out and counted.
        ks: how many first items count.
        template: around each caption; CLIP writes ``a photo of {}``.
        bootstrap, permutations, seed: see ``all_directions``.
        on_error: is told of each damaged picture, which leaves with its captions.

    Raises:
        DataError: fewer than two usable pictures, or vectors that aren't finite.
    """
    left_out: Counter[str] = Counter()
    chosen: list[Sample] = []
    for sample in samples:
        if not sample.alternatives("image") or not sample.alternatives("text"):
            left_out["no picture or no caption"] += 1
        else:
            chosen.append(sample)
    whole = np.ones(len(chosen), bool)

    def leave_out(place: int, part: Part, error: MediaError) -> None:
        whole[place] = False
        left_out[f"a picture that is {error.reason}"] += 1
        if on_error is not None:
            on_error(chosen[place], error)

    images = embed([sample.alternatives("image")[0] for sample in chosen], leave_out)
    kept = [sample for sample, good in zip(chosen, whole, strict=True) if good]
    if len(kept) < 2:
        raise DataError(
            f"Retrieval needs two pictures with captions or more; {len(kept)} can be used.",
            where=", ".join(f"{reason} ({n})" for reason, n in left_out.items()) or None,
        )
    captions = [
        (place, _in_template(part, template))
        for place, sample in enumerate(kept)
        for part in sample.alternatives("text")
    ]
    texts = embed([text for _, text in captions], None)
    check_finite(images[whole])
    check_finite(texts)
    table = all_directions(
        {"image": images[whole], "text": texts},
        {"image": np.arange(len(kept)), "text": np.array([place for place, _ in captions])},
        ks=ks,
        bootstrap=bootstrap,
        permutations=permutations,
        seed=seed,
    )
    return CaptionRetrieval(table, len(kept), len(captions), left_out)


def size_note(benchmark: str, size: int, used: int) -> str:
    """What a figure may be called: a benchmark's, or that of a small set in its layout.

    Args:
        benchmark: the public test set that the data are laid out as, or empty.
        size: how many pictures that set has.
        used: how many were measured on.
    """
    if not benchmark:
        return f"{used:,} pictures of your own"
    if used == size:
        return f"{benchmark}, all {size:,} pictures"
    return f"{used:,} pictures in the layout of {benchmark} ({size:,}): not its figure"


def _in_template(part: Part, template: str) -> Part:
    from interlingua.sample import Text

    return (
        Text(template.replace("{}", part.text), part.language) if isinstance(part, Text) else part
    )
