"""Which class a sample is of, for training: its label, or the group that its source gives it.

Shape legend: S samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from interlingua.config import nearest
from interlingua.data.labels import label_of
from interlingua.errors import DataError
from interlingua.sample import Sample


def class_numbers(samples: Sequence[Sample], classes: Sequence[str]) -> Tensor:
    """The class of each sample.

    Args:
        samples: S of them. One with a label is of the class of that name; another of the class
            that is its group or contains it: ``animals/birds`` contains ``animals/birds/cartoon``.
            Of several, the narrowest counts.
        classes: their names; a class's number is its place.

    Returns:
        [S] int64, -1 = none of them.

    Raises:
        DataError: fewer than two of the classes have samples, so nothing can be told apart.
    """
    found = numbers_among(samples, {name: number for number, name in enumerate(classes)})
    present = len(set(found[found >= 0].tolist()))
    if present < 2:
        raise DataError(
            f"There are samples of {present} of the {len(classes)} classes; two are needed.",
            where="model.classes",
            next_step=_what_there_is(samples, classes),
        )
    return found


def numbers_among(samples: Sequence[Sample], number_of: Mapping[str, int]) -> Tensor:
    """[S] int64 as ``class_numbers``, of any samples at all.

    Args:
        samples: S of them.
        number_of: the classes' numbers.
    """
    numbers = [_number(_class_name(sample), number_of) for sample in samples]
    return torch.tensor(numbers, dtype=torch.int64)


def _class_name(sample: Sample) -> str:
    return label_of(sample) or sample.meta.group


def _number(name: str, number_of: Mapping[str, int]) -> int:
    while name:
        if name in number_of:
            return number_of[name]
        name = name.rpartition("/")[0]
    return -1


def _what_there_is(samples: Sequence[Sample], classes: Sequence[str]) -> str:
    names = Counter(name for name in map(_class_name, samples) if name)
    if not names:
        return "The samples have neither labels nor groups; give a source that has."
    common = ", ".join(name for name, _ in names.most_common(8))
    hint = nearest(classes[0], names) if classes else ""
    return f"The samples are of {common} …{hint}"
