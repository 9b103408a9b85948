"""The words of a text, as filters count them."""

from __future__ import annotations

import re

# A word is letters and digits, with apostrophes and hyphens inside. Scripts that are written
# without spaces (Chinese, Japanese kana, Thai, Lao, Khmer, Burmese) have one character as a word;
# anything else would take a whole sentence for one.
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"[^\W_{_NO_SPACES}]"
_WORD = re.compile(rf"{_LETTER}+(?:['’\-]{_LETTER}+)*|[{_NO_SPACES}]")


def split_words(text: str) -> list[str]:
    """The words in lower case: ``A dog's_bone, 2.`` gives ``a``, ``dog's``, ``bone``, ``2``."""
    return _WORD.findall(text.casefold())


def folded(text: str) -> str:
    """The text as it is compared: case folded, white space collapsed."""
    return " ".join(text.casefold().split())
