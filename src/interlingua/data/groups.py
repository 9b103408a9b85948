"""Groups of things as classes: ``animals/birds`` of a source becomes the label ``animals``.

Sources say of their things which kind they are of; so a model can be judged by telling these
kinds apart, without labels that somebody would have to give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from interlingua.data.labels import ClassName, class_words
from interlingua.errors import DataError
from interlingua.sample import Label, Sample


def labelled_by_group(samples: Iterable[Sample], depth: int = 1) -> list[Sample]:
    """The samples with the first steps of their group as their label, in place of any other.

    Args:
        samples: of any source; one without a group is given back without a label.
        depth: how many steps: of ``animals/birds/owls`` one is ``animals``, two ``animals/birds``.
            A group of fewer steps counts as it is.

    Raises:
        DataError: fewer than two groups, so that nothing can be told apart.
    """
    found, groups = [], set()
    for sample in samples:
        group = group_of(sample, depth)
        parts = tuple(part for part in sample.parts if part.view != "label")
        if group:
            groups.add(group)
            parts = (*parts, Label(group))
        found.append(replace(sample, parts=parts))
    if len(groups) < 2:
        raise DataError(
            f"The things are of {len(groups)} groups; two are needed.",
            where=next(iter(groups), None),
            next_step="Take a greater depth, or data whose things have groups: folders in a "
            "folder, a column `group` in a manifest.",
        )
    return found


def group_of(sample: Sample, depth: int = 1) -> str:
    """The first steps of a sample's group; empty where it has none."""
    steps = [step for step in sample.meta.group.split("/") if step]
    return "/".join(steps[:depth])


def group_classes(samples: Iterable[Sample], depth: int = 1) -> list[ClassName]:
    """The groups as classes, by the alphabet, each under the words of its last step.

    Where two end alike (``toys/birds``, ``animals/birds``) both go by all their words.
    """
    keys = sorted({group_of(sample, depth) for sample in samples} - {""})
    last = [class_words(key.rpartition("/")[2]) for key in keys]
    counts = Counter(word.lower() for word in last)
    return [
        ClassName(key, (word if counts[word.lower()] == 1 else _all_words(key),))
        for key, word in zip(keys, last, strict=True)
    ]


def _all_words(key: str) -> str:
    steps: Sequence[str] = key.split("/")
    return " ".join(class_words(step) for step in steps)
