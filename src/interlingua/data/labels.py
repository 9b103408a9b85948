"""Classes and the words for them: what label files, folders and class lists give.

A label file has one class per line: ``dog``, or with other names for the same thing ``dog;
puppy``, or with the key that a folder or a table has for it, ``n02084071<TAB>dog; puppy``.
Empty lines and lines that begin with ``#`` are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlingua.errors import DataError
from interlingua.sample import Label, Sample, Text

MAX_FILE_BYTES = 16 << 20
MAX_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class ClassName:
    """One class.

    Attributes:
        key: what the data call it; a ``Label`` of a sample has this name.
        names: what people call it, the first one first; never empty.
    """

    key: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]


def read_class_names(path: Path, *, repeats: bool = False) -> list[ClassName]:
    """The classes of a label file, in its order.

    Args:
        path: of the file, UTF-8.
        repeats: two classes may have one name, as two of ImageNet's 1,000 have.

    Raises:
        DataError: no such file, no class in it, a class without a name, or a class twice.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError("The label file has more than 16 MB.", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "The label file can't be read as UTF-8 text.",
            where=str(path),
            next_step="Give a text file with one class per line.",
        ) from error
    classes: list[ClassName] = []
    has_keys = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, tab, words = line.partition("\t")
        has_keys = has_keys or bool(tab)
        names = aliases(words if tab else line)
        if not names or (tab and not key.strip()):
            missing = "key" if names else "name"
            raise DataError(
                f"A class has no {missing}.",
                where=f"{path}:{number}",
                next_step="Write `name`, or the key, a tab and the name.",
            )
        classes.append(ClassName(key.strip() if tab else names[0], names))
    if not repeats:
        check_classes(classes, str(path))
    else:  # without keys it is the order that counts
        check_classes(classes, str(path), ("key",) if has_keys else ())
    return classes


def parse_class_names(text: str) -> list[ClassName]:
    """``dog;puppy,cat``: classes between commas, other names of one after semicolons.

    Raises:
        DataError: an empty class, or a class twice.
    """
    classes = []
    for item in text.split(","):
        names = _split(item, ";")
        if not names:
            raise DataError(
                "A class has no name.", where=f"labels {text!r}", next_step="Write dog,cat,bird."
            )
        classes.append(ClassName(names[0], names))
    check_classes(classes, f"labels {text!r}")
    return classes


def aliases(text: str) -> tuple[str, ...]:
    """The names in one line of a label file: between semicolons, or commas where it has none."""
    return _split(text, ";" if ";" in text else ",")


def check_classes(
    classes: Sequence[ClassName], where: str, differ: Sequence[str] = ("key", "name")
) -> None:
    """Refuse what can't be classified into.

    Args:
        classes: to be told apart.
        where: for the message.
        differ: what no two of them may have in common.

    Raises:
        DataError: no class, too many, or two alike.
    """
    if not classes:
        raise DataError(
            "There is no class here.", where=where, next_step="Write one class per line."
        )
    if len(classes) > MAX_CLASSES:
        raise DataError(f"There are more than {MAX_CLASSES:,} classes.", where=where)
    for what in differ:
        seen: set[str] = set()
        for one in classes:
            value = " ".join(getattr(one, what).lower().split()) if what == "name" else one.key
            if value in seen:
                raise DataError(
                    f"Two classes have the {what} {getattr(one, what)!r}.",
                    where=where,
                    next_step="Leave one out, or give them names that differ.",
                )
            seen.add(value)


def classes_of(source: Iterable[Sample], names: Path | None = None) -> list[ClassName]:
    """The classes of a source: its own list, else a label file's, else its samples' labels.

    A label is named by the words in it: ``red_panda`` is "red panda".

    Args:
        source: may have ``classes``.
        names: a label file, whose keys are labels.

    Raises:
        DataError: the label file is wrong.
    """
    own: Sequence[ClassName] | None = getattr(source, "classes", None)
    if own is not None:
        return list(own)
    if names is not None:
        return read_class_names(names)
    found: dict[str, ClassName] = {}
    for sample in source:
        key = label_of(sample)
        if key is not None and key not in found:
            found[key] = ClassName(key, (class_words(key),))
    return [found[key] for key in sorted(found)]


def class_words(key: str) -> str:
    """The words in a folder's name or a label: ``red_panda`` gives "red panda"; digits stay."""
    return " ".join(re.split(r"[_\-\s]+", key)).strip() or key


def label_of(sample: Sample) -> str | None:
    """The key of the class that a sample is of; None where it has no label."""
    for part in sample.alternatives("label"):
        if isinstance(part, Label):
            return part.name
    return None


def class_texts(one: ClassName, templates: Sequence[str]) -> tuple[Text, ...]:
    """The texts that stand for a class in training: its names, in templates if there are any."""
    texts = [
        template.replace("{}", name) for template in templates or ("{}",) for name in one.names
    ]
    return tuple(Text(text) for text in dict.fromkeys(texts))


def _split(text: str, separator: str) -> tuple[str, ...]:
    names = (" ".join(name.split()) for name in re.split(re.escape(separator), text))
    return tuple(dict.fromkeys(name for name in names if name))
