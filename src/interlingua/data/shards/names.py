"""Names in a shard: which are safe, which sample they belong to, and how keys become names.

The member ``animals/dog.left.jpg`` belongs to the sample ``animals/dog`` and has the ending
``left.jpg``: the key reaches to the first dot of the last step (WebDataset's convention).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote

MAX_NAME_BYTES = 1024
MAX_KEY_BYTES = 200  # of a key that is written; with its ending it fits a plain tar header

# What WebDataset and others load by unpickling, which runs whatever the file says.
PICKLED_ENDINGS = frozenset(("pkl", "pickle", "pyd", "pth", "pt", "joblib", "dill"))

LEAVES = "a name that leaves the archive"
CONTROL = "a name with control characters"
TOO_LONG = "a name over 1,024 bytes"
PICKLED = "a pickle, which is never read"
NO_KEY = "a name without a key and an ending"

_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
_PLAIN = re.compile(r"\w[\w%+=@,~-]*(/[\w%+=@,~-]+)*(\.\w+)?", re.ASCII)  # nearly all names
_METADATA = re.compile(r"__[^/]*__(/|$)")  # what WebDataset passes over
_DRIVE = re.compile(r"[A-Za-z]:")
# They turn the reading direction, so that "gnp.exe" is shown as "exe.png".
_DIRECTIONS = frozenset(("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"))


def why_unsafe(name: str) -> str:
    """Why a member of this name is refused, a short fixed phrase; empty where it is safe."""
    if len(name) <= MAX_NAME_BYTES and _PLAIN.fullmatch(name):
        return ""
    if len(name) > MAX_NAME_BYTES or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return TOO_LONG
    if not (name.isascii() and name.isprintable()) and any(map(_is_control, name)):
        return CONTROL
    if name.startswith("/") or "\\" in name or _DRIVE.match(name) or ".." in name.split("/"):
        return LEAVES
    return ""


def shown(name: str) -> str:
    """The name for messages: nothing in it turns the text, ends the line or fills the screen."""
    return "".join(f"\\u{ord(one):04x}" if _is_control(one) else one for one in name[:200])


def split_name(name: str) -> tuple[str, str] | None:
    """(key, ending) of a member's name; None where it has none of them."""
    match = _NAME.fullmatch(name.removeprefix("./"))
    return (match[1], match[2]) if match else None


def is_metadata(name: str) -> bool:
    """Whether WebDataset keeps something about the shard under this name, no sample."""
    return _METADATA.match(name) is not None


def is_pickled(ending: str) -> bool:
    """Whether a member would have to be unpickled: ``pkl``, and ``01.pkl`` and ``pkl.gz`` too."""
    return not PICKLED_ENDINGS.isdisjoint(ending.lower().split("."))


def one_form(key: str) -> str:
    """The key in one Unicode form, in which ``é`` and ``e`` with an accent are equal."""
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def written_key(key: str) -> str:
    """The key as a name for members: plain ASCII without dots, the same for equal keys only.

    Everything but letters, digits and ``_-+=@,~/`` is percent-encoded; a long key ends in a hash.
    """
    safe = "+=@,~" if "" in key.split("/") else "/+=@,~"  # an empty step is lost by some tools
    name = quote(key, safe=safe, errors="surrogatepass").replace(".", "%2E")
    if is_metadata(name):
        name = f"%5F{name[1:]}"
    if len(name) > MAX_KEY_BYTES or not name:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name.replace('/', '%2F')[: MAX_KEY_BYTES - 40]}-{digest[:32]}"
    return name


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return unicodedata.bidirectional(character) in _DIRECTIONS
