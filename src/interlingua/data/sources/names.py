"""Plain names out of the sentences and file names that data sets come with."""

from __future__ import annotations

import re

_ARTICLE = re.compile(r"^(a|an|the|some|this|these)\s+", re.IGNORECASE)
# A name ends where the sentence starts to tell something of the thing.
_END_OF_NAME = re.compile(
    r"[.!?;:,()…]|\s[-–]\s|—|\s(?:is|are|was|were|has|have|means|resembles|lets|stands|carries|"
    r"carry|called|used|worn|which|that|who|for|made|to|from|with|covered|hatched)\s",
    re.IGNORECASE,
)
# A sentence that begins so names nothing; the file name does.
_NO_NAME = re.compile(
    r"^(it|it['’]s|we|you|because|remember|with|important|here|yes|no|these|there)\b", re.IGNORECASE
)
_QUOTES = str.maketrans("", "", '“”"„«»')
MAX_NAME_WORDS = 5


def plain_name(sentence: str, file_stem: str) -> str:
    """The thing's name in lower case, without article: "A dingo." gives "dingo".

    Where the sentence starts with no name ("We remember those who have died.") or the name
    would have more than five words, the words of the file name are taken.
    """
    text = sentence.translate(_QUOTES).strip(" –-")
    text = _ARTICLE.sub("", text)
    name = _END_OF_NAME.split(text, maxsplit=1)[0].strip(" -–'’")
    if not name or _NO_NAME.match(text) or len(name.split()) > MAX_NAME_WORDS:
        name = words_of(file_stem) or name
    return " ".join(name.lower().split())


def words_of(file_stem: str) -> str:
    """The words of a file name: ``Cherry_StellaRed-02`` gives ``cherry stella red``."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", file_stem)
    text = re.sub(r"[\W_]+", " ", text)
    words = [word for word in text.lower().split() if not word.isdigit()]
    if words:
        words[-1] = re.sub(r"(?<=[^\W\d])\d+$", "", words[-1])  # "tiger2" is a second tiger
    return " ".join(words)
