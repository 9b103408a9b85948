"""CLIP's vocabulary as a ``tokenizer.json``, made from the list of merges that OpenAI published.

Source: ``simple_tokenizer.py`` of openai/CLIP: the 256 bytes as printable characters, the same at
the end of a word, one token for each merge, and two special tokens.
"""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Sequence
from pathlib import Path

from interlingua.data.tokenizer_file import END, FILE_NAME, START, clip_tokenizer
from interlingua.errors import FetchError

MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
VOCABULARY = 49_408


def prepare(packages: Sequence[Path], folder: Path) -> None:
    """Write ``tokenizer.json`` from the wheel that carries the merges."""
    try:
        with zipfile.ZipFile(packages[0]) as wheel:
            text = gzip.decompress(wheel.read(MEMBER)).decode("utf-8")
        lines = text.split("\n")[1:]  # the first says what made the list
        merges = [_pair(line) for line in lines[: VOCABULARY - 2 * 256 - 2]]
        tokens = [*byte_characters(), *(character + "</w>" for character in byte_characters())]
        tokens += [one + two for one, two in merges]
        vocabulary = {token: number for number, token in enumerate([*tokens, START, END])}
        clip_tokenizer(vocabulary, merges).save(str(folder / FILE_NAME))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise FetchError(
            f"The vocabulary can't be read from the wheel: {error}.",
            where=f"{packages[0].name}::{MEMBER}",
            next_step="Fetch it again.",
        ) from error


def byte_characters() -> list[str]:
    """A printable character for each byte, in the order of the vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(code) for code in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def _pair(line: str) -> tuple[str, str]:
    one, two = line.split()
    return one, two
