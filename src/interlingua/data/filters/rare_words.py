"""Texts of words that hardly anybody else uses: typing errors, codes, other people's names.

Source: Jia et al. 2021 (ALIGN, arXiv:2102.05918), section 3: alt-texts with any token outside of
the 100 million most frequent ones are dropped. In a small corpus half of all words stand in one
text only, and many of them are right: raise ``max_share`` there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import Field, PositiveInt

from interlingua.data.filters.filter import Filter, Verdict, each_text
from interlingua.data.filters.words import split_words
from interlingua.sample import Sample


class RareWords(Filter):
    """Takes texts in which too many of the words are rare among these samples.

    The words are counted before anything is taken, so a second application may find more.
    """

    class Config(Filter.Config):
        """Settings.

        Attributes:
            min_samples: a word is rare if fewer samples have it.
            max_share: the share of a text's words that may be rare; 0 = none, as in ALIGN.
        """

        name: str = "rare_words"
        min_samples: PositiveInt = 2
        max_share: float = Field(default=0.0, ge=0, lt=1)

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        texts = [
            (place, number, split_words(part.text)) for place, number, part in each_text(samples)
        ]
        of_samples: dict[int, set[str]] = {}
        for place, _, words in texts:
            of_samples.setdefault(place, set()).update(words)
        counts = Counter(word for words in of_samples.values() for word in words)
        for place, number, words in texts:
            rare = [word for word in words if counts[word] < self.config.min_samples]
            if len(rare) > self.config.max_share * len(words):
                yield Verdict(place, "rare words", " ".join(dict.fromkeys(rare)), number)
