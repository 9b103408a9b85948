"""What is embedded in which block: settled before anything is decoded.

A plan depends on the source, the kinds and the block size alone. So a job that was broken off
finds the blocks that are done, and several machines share a job without talking to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from interlingua.errors import DataError
from interlingua.index.build import distinct_parts
from interlingua.index.record import expand_kinds
from interlingua.sample import Audio, Image, Part, Sample, Text

BLOCK_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """A source, cut into blocks.

    Attributes:
        pairs: each part that is embedded, with its sample.
        block_size: parts in a block; the last one may have fewer.
        unknown: parts by kinds that the model has no tower for.
        identity: SHA-256 of what is embedded, in order, and of the block size.
    """

    pairs: list[tuple[Sample, Part]]
    block_size: int
    unknown: dict[str, int]
    identity: str

    def __len__(self) -> int:
        """How many blocks there are."""
        return -(-len(self.pairs) // self.block_size)

    def block(self, number: int) -> list[tuple[Sample, Part]]:
        """The pairs of one block."""
        start = number * self.block_size
        return self.pairs[start : start + self.block_size]


def plan(
    samples: Iterator[Sample],
    name: str,
    model_kinds: Collection[str],
    kinds: Collection[str] | None = None,
    block_size: int = BLOCK_SIZE,
) -> Plan:
    """Every part of every sample that the model takes, in blocks.

    Args:
        samples: of a source.
        name: of the source, for messages.
        model_kinds: the views that the model takes.
        kinds: only these of them (``audio`` stands for sound and speech).
        block_size: parts in a block.

    Raises:
        DataError: nothing of it can be embedded.
    """
    wanted = set(model_kinds if kinds is None else expand_kinds(tuple(kinds))) & set(model_kinds)
    pairs, unknown = [], dict[str, int]()
    digest = hashlib.sha256(f"{block_size}\n".encode())
    for sample in samples:
        for part in distinct_parts(sample):
            if part.view not in model_kinds:
                unknown[part.view] = unknown.get(part.view, 0) + 1
            elif part.view in wanted:
                pairs.append((sample, part))
                named = f"{sample.key}\0{part.view}\0{content_of(part)}\n"
                digest.update(named.encode(errors="surrogatepass"))  # a file name may be no UTF-8
    if not pairs:
        found = ", ".join(sorted(unknown)) or "nothing of the kinds asked for"
        raise DataError(
            f"{name} has nothing to embed with this model: it has {found}.",
            next_step=f"The model takes {', '.join(model_kinds)}.",
        )
    return Plan(pairs, block_size, unknown, digest.hexdigest())


def content_of(part: Part) -> str:
    """The words of a text, the place of a file."""
    if isinstance(part, Text):
        return part.text
    if isinstance(part, (Image, Audio)):
        return part.content.name
    return part.name
