"""What the models' own code did to texts before it split them, so that ours sees the same.

Source: ``basic_clean`` and ``whitespace_clean`` of openai/CLIP's ``simple_tokenizer.py``, which
call ``ftfy``; ``canonicalize_text`` of google-research/big_vision's ``prompt_engineering.py``.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from collections.abc import Callable

# What ftfy does to sound text. Its guesses at text that was decoded wrongly ("Ã©") are left out.
_PLAIN: dict[int, str | None] = {
    **dict.fromkeys(range(0x2018, 0x201C), "'"),
    0x02BC: "'",
    **dict.fromkeys(range(0x201C, 0x2020), '"'),
    0x0149: "'n",
    0x3000: " ",
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width letters
    **{
        code: unicodedata.normalize("NFKC", chr(code))  # ligatures, half-width letters
        for code in (
            *range(0xFB00, 0xFB07), 0x0132, 0x0133, *range(0x01C4, 0x01CD), *range(0x01F1, 0x01F4),
            *range(0xFF61, 0xFFEF),
        )
        if unicodedata.name(chr(code), "")
    },
    **dict.fromkeys(
        (
            *range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF,
            *range(0xFFF9, 0xFFFD),
        )
    ),  # controls that do nothing to the reading
}  # fmt: skip
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")


def _clip(text: str) -> str:
    if "<" not in text:  # ftfy takes what has tags for a page that is meant to keep its entities
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def _siglip(text: str) -> str:
    return " ".join(text.replace("_", " ").translate(_PUNCTUATION).lower().split())


CLEANERS: dict[str, Callable[[str], str]] = {
    "none": str,
    "clip": _clip,
    "siglip": _siglip,
    "lower": str.lower,
}
