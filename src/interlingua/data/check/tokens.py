"""How many tokens a model's tokenizer makes of each text, and what of them is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.spread import Spread, spread_of
from interlingua.data.check.texts import all_texts
from interlingua.data.text import Tokenizer
from interlingua.errors import MediaError
from interlingua.sample import Sample
from interlingua.towers.tower import TextPreprocess

_LONGEST = 1_000_000  # tokens: as many as a text may have characters
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a tokenizer makes of the texts.

    Attributes:
        tokenizer: its name, as the tower has it.
        max_tokens: longer texts are cut here.
        lengths: tokens of each text, start and end included.
        cut: how many texts are longer than ``max_tokens``.
        lost: the share of all tokens that is cut off.
        cut_examples: the longest.
        unknown: texts with characters that the tokenizer has no token for.
        unknown_examples: of those.
        refused: texts that are too long to be read at all.
    """

    tokenizer: str
    max_tokens: int
    lengths: Spread | None
    cut: int
    lost: float
    cut_examples: tuple[Example, ...]
    unknown: int
    unknown_examples: tuple[Example, ...]
    refused: int


def token_facts(samples: Sequence[Sample], preprocess: TextPreprocess) -> TokenFacts | None:
    """Encode every text without cutting it; None where there is no text.

    Args:
        samples: whose texts are encoded.
        preprocess: the tower's: which tokenizer, and where it cuts.

    Raises:
        DataError: the tokenizer is missing or damaged.
        FetchError: it can't be fetched.
    """
    texts = [(place, part.text) for place, part in all_texts(samples)]
    if not texts:
        return None
    tokenizer = Tokenizer(preprocess.model_copy(update={"max_tokens": _LONGEST}))
    unknown_id = tokenizer.unknown_id
    lengths = np.zeros(len(texts), dtype=np.int64)
    unknown: list[int] = []
    for start in range(0, len(texts), _AT_ONCE):
        rows = _encode(tokenizer, [text for _, text in texts[start : start + _AT_ONCE]])
        for number, row in enumerate(rows, start):
            lengths[number] = len(row)
            if unknown_id is not None and unknown_id in row:
                unknown.append(number)
    read = lengths > 0
    over = np.maximum(lengths - preprocess.max_tokens, 0)
    longest = np.argsort(-over, kind="stable")[: min(EXAMPLES, int((over > 0).sum()))]
    return TokenFacts(
        tokenizer=preprocess.tokenizer,
        max_tokens=preprocess.max_tokens,
        lengths=spread_of(lengths[read], whole=True),
        cut=int((over > 0).sum()),
        lost=round(float(over.sum()) / max(1, int(lengths.sum())), 4),
        cut_examples=tuple(_cut_example(int(one), texts, lengths, samples) for one in longest),
        unknown=len(unknown),
        unknown_examples=tuple(
            Example(samples[texts[one][0]].key, texts[one][1][:200], texts[one][0])
            for one in unknown[:EXAMPLES]
        ),
        refused=int((~read).sum()),
    )


def _encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text; none of one that the gate refuses."""
    try:
        return tokenizer.encode(texts)
    except MediaError:
        if len(texts) == 1:
            return [[]]
        half = len(texts) // 2
        return [*_encode(tokenizer, texts[:half]), *_encode(tokenizer, texts[half:])]


def _cut_example(
    number: int,
    texts: Sequence[tuple[int, str]],
    lengths: NDArray[np.int64],
    samples: Sequence[Sample],
) -> Example:
    place, text = texts[number]
    return Example(samples[place].key, f"{lengths[number]:,} tokens: {text[:200]}", place)
