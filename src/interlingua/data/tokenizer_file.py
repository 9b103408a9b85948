"""Tokenizers from the files that checkpoints bring: ``tokenizer.json``, or what older ones have.

``vocab.json`` with ``merges.txt`` is CLIP's byte-level BPE; ``vocab.txt`` is BERT's WordPiece. A
``spiece.model`` is not read: its text normaliser is compiled into it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlingua.errors import DataError

FILE_NAME = "tokenizer.json"
START, END = "<|startoftext|>", "<|endoftext|>"
_OLDER = ("vocab.json", "vocab.txt")
# Radford et al. 2021 (CLIP): its published simple_tokenizer.py, special tokens left out
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def open_tokenizer(path: Path) -> tuple[Any, int]:
    """A tokenizer of the ``tokenizers`` package, and the id that short texts are filled with.

    Args:
        path: a ``tokenizer.json``, or a folder with one of the files that the module names.

    Raises:
        DataError: there is none of these, or it is damaged.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / FILE_NAME if path.is_dir() or path.name in _OLDER else path
    try:
        backend = _from_files(file, folder)
        notes = _notes(folder)
        _add_ends(backend, notes)
        return backend, _pad_id(backend, notes)
    except DataError:
        raise
    except Exception as error:  # the only type that the package raises
        raise DataError(
            f"The tokenizer is missing or damaged: {' '.join(str(error).split())[:120]}.",
            where=str(file),
            next_step="Put its tokenizer.json there; of a catalogue entry, run "
            "`interlingua weights verify`.",
        ) from error


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """What is asked of a tokenizer when it is written for others.

    Attributes:
        special: by their ids, its special tokens.
        is_clip: whether it is CLIP's byte-level BPE, with any vocabulary.
    """

    special: Mapping[int, str]
    is_clip: bool


def describe_tokenizer(backend: Any) -> TokenizerFacts:
    """The facts of a tokenizer of the ``tokenizers`` package."""
    added = backend.get_added_tokens_decoder()
    special = {number: token.content for number, token in added.items() if token.special}
    suffix = getattr(backend.model, "end_of_word_suffix", None)
    return TokenizerFacts(special, is_clip=suffix == "</w>" and END in special.values())


def clip_tokenizer(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> Any:
    """CLIP's byte-level BPE with lower case, as a tokenizer of the ``tokenizers`` package.

    Args:
        vocabulary: token to id, start and end token included.
        merges: pairs in the order they are merged in.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    backend = Tokenizer(
        models.BPE(
            dict(vocabulary),
            list(merges),
            unk_token=END,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([START, END])
    backend.post_processor = processors.RobertaProcessing(
        (END, vocabulary[END]), (START, vocabulary[START]), trim_offsets=False,
        add_prefix_space=False,
    )  # fmt: skip
    backend.enable_padding(pad_id=0, pad_token="!")  # OpenAI's zeros
    return backend


def _from_files(file: Path, folder: Path) -> Any:
    from tokenizers import Tokenizer

    if file.exists():
        return Tokenizer.from_file(str(file))
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        vocabulary = json.loads((folder / "vocab.json").read_bytes())
        lines = (folder / "merges.txt").read_text("utf-8").splitlines()
        pairs = [line.split() for line in lines if line and not line.startswith("#version")]
        return clip_tokenizer(vocabulary, [(one, two) for one, two in pairs])
    if (folder / "vocab.txt").exists():
        return _word_piece(folder)
    if (folder / "spiece.model").exists():
        raise DataError(
            "The folder has its tokenizer as spiece.model only, which is not read here.",
            where=str(folder / "spiece.model"),
            next_step="Bring the tokenizer.json of the same checkpoint, or make it with "
            "transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    raise FileNotFoundError("no such file")


def _word_piece(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    words = (folder / "vocab.txt").read_text("utf-8").splitlines()
    vocabulary = {word: number for number, word in enumerate(words)}
    lower = bool(_notes(folder).get("do_lower_case", True))
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lower)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(
        [word for word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if word in vocabulary]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")],
    )
    backend.enable_padding(pad_id=vocabulary.get("[PAD]", 0), pad_token="[PAD]")
    return backend


def _notes(folder: Path) -> dict[str, Any]:
    """What stands beside the tokenizer; the file is not needed."""
    notes: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            read = json.loads((folder / name).read_bytes())
            notes |= read if isinstance(read, dict) else {}
    return notes


def _token(notes: Mapping[str, Any], key: str) -> str:
    token = notes.get(key)
    return str(token.get("content", "")) if isinstance(token, Mapping) else str(token or "")


def _add_ends(backend: Any, notes: Mapping[str, Any]) -> None:
    """Start and end tokens by the flags that Gemma's and Llama's tokenizers have."""
    from tokenizers import processors

    flags = [notes.get(f"add_{name}_token") for name in ("bos", "eos")]
    if not any(isinstance(flag, bool) for flag in flags):
        return
    tokens = [_token(notes, f"{name}_token") for name in ("bos", "eos")]
    first, last = (token if flag else "" for token, flag in zip(tokens, flags, strict=True))
    known = [(token, backend.token_to_id(token)) for token in (first, last) if token]
    if any(number is None for _, number in known):
        raise DataError(f"The tokenizer has no id for one of {[token for token, _ in known]}.")
    template = " ".join(part for part in (first, "$A", last) if part)
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=known)


def _pad_id(backend: Any, notes: Mapping[str, Any]) -> int:
    padding = backend.padding
    if padding is not None:
        return int(padding["pad_id"])
    token = _token(notes, "pad_token")
    number = backend.token_to_id(token) if token else None
    return 0 if number is None else int(number)
