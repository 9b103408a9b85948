"""Sentences to vectors, all-MiniLM-L6-v2: ours and sentence-transformers, short and mixed lengths.

Short texts are distinct titles of the clipart set (some 3 to 20 tokens). Texts of mixed lengths
are WordNet's definitions, one after the other, cut at lengths from 4 to 180 words that are evenly
spread on a logarithmic scale (up to the model's 256 tokens). Both sides tokenize inside the clock,
sort by length and get the same list of texts; one case asks for one text at a time.

Ours: ``Space.embed``, products in bf16 where that is fast. sentence-transformers: ``encode`` of the
model as it is published (mean pooling, unit length), in fp32, which is its default, and with its
weights loaded in bf16.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import flops
from benchmarks.clip_training import DTYPES
from benchmarks.clipart_set import clipart_set
from benchmarks.compare import as_rows, cosines
from benchmarks.harness import Case, Check, Precision, Prepared, Side
from interlingua.device import has_fast_bf16, pick_device

WIDTH, LAYERS, MAX_TOKENS = 384, 6, 256
WORDS = (4, 180)  # of the shortest and the longest text of mixed lengths
Rounds = Sequence[list[str]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--texts-per-round", type=int, default=256)
    parser.add_argument("--alone", type=int, default=32, help="texts of a round, one at a time")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Short texts, mixed lengths, and short texts one at a time."""
    together = 16 if options.quick else options.texts_per_round
    alone = 4 if options.quick else options.alone
    ours: Precision = "bf16" if has_fast_bf16(pick_device(options.device)) else "fp32"
    for name, texts, per_round, at_once in (
        ("short texts", titles(), together, True),
        ("mixed lengths", passages(together * options.rounds), together, True),
        ("short texts, one at a time", titles(), alone, False),
    ):
        chosen = texts[: per_round * options.rounds]
        rounds = [chosen[at : at + per_round] for at in range(0, len(chosen), per_round)]
        rounds = [one for one in rounds if len(one) == per_round]
        yield case(name, rounds, at_once, ours, options.device)


def case(name: str, rounds: Rounds, at_once: bool, ours: Precision, device: str) -> Case:
    """All sides on the same texts."""
    lengths = [one for texts in rounds for one in token_counts(texts)]
    of_first = token_counts(rounds[0])
    peer = f"sentence-transformers {_version()}"
    theirs = functools.partial(sentence_transformer, rounds, at_once, device)
    return Case(
        f"MiniLM, {name}",
        [
            Side("interlingua", lambda: our_space(rounds, at_once, device), ours),
            Side(f"{peer} fp32", lambda: theirs("fp32"), goal=1.5, compare=compare_numbers),
            Side(f"{peer} bf16", lambda: theirs("bf16"), "bf16", goal=1.5),
        ],
        amount=len(rounds[0]),
        unit="texts",
        compare=compare,
        exact=lambda: same_in_fp32(rounds[0], device),
        flops=sum(flops.transformer(length, WIDTH, LAYERS) for length in of_first),
        note=f"{len(lengths)} distinct texts of {min(lengths)} to {max(lengths)} tokens, "
        f"{sum(lengths) / len(lengths):.0f} on average; ours in {ours}",
    )


def compare(ours: Any, peer: Any) -> list[Check]:
    """Vectors of the same texts: a cosine of 0.999 is equal to 1e-3."""
    return cosines(ours, peer, "vectors", 0.999)


def compare_numbers(ours: Any, peer: Any) -> list[Check]:
    """And each number of them, with the peer's fp32; they are 0.05 on average."""
    largest = float(np.abs(as_rows(ours) - as_rows(peer)).max())
    return [*compare(ours, peer), Check("vectors: largest difference of a number", largest, 3e-3)]


def same_in_fp32(texts: list[str], device: str) -> list[Check]:
    """Every number of every vector, both sides in fp32."""
    ours = our_space([texts], True, device, "fp32").outputs()
    theirs = sentence_transformer([texts], True, device, "fp32").outputs()
    apart = float(np.abs(as_rows(ours) - as_rows(theirs)).max())
    return [Check("fp32 vectors: largest difference of a number", apart, 1e-5)]


def our_space(rounds: Rounds, at_once: bool, device: str, precision: str = "auto") -> Prepared:
    """``Space.embed`` of texts by the tower alone."""
    from interlingua.models.tower_alone import TowerAlone, TowerAloneConfig
    from interlingua.space import Space

    towers = {"text": {"tower": {"name": "bert"}, "weights": "minilm"}}
    described = {"name": "tower_alone", "towers": towers, "views": {"text": "text"}}
    model = TowerAlone(TowerAloneConfig.model_validate(described))
    space = Space(model, device=device, precision=precision)
    return _prepared(rounds, at_once, lambda texts: space.embed(texts=texts))


def sentence_transformer(
    rounds: Rounds, at_once: bool, device: str, precision: Precision
) -> Prepared:
    """``SentenceTransformer.encode`` at its own batch size."""
    import sentence_transformers

    with tempfile.TemporaryDirectory() as folder:
        as_published(Path(folder))
        model = sentence_transformers.SentenceTransformer(
            folder, device=device, model_kwargs={"dtype": DTYPES[precision]}
        )

    def encode(texts: list[str]) -> Any:
        vectors = model.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        return vectors.float().cpu().numpy()  # NumPy has no bf16

    return _prepared(rounds, at_once, encode)


def _prepared(rounds: Rounds, at_once: bool, encode: Any) -> Prepared:
    def run(number: int) -> Any:
        texts = rounds[number % len(rounds)]
        if at_once:
            return encode(texts)
        return np.concatenate([encode([text]) for text in texts])

    return Prepared(run)


def as_published(folder: Path) -> None:
    """The weights as the model's own repository lays them out, with its three modules."""
    for file in weights_folder().iterdir():
        (folder / file.name).symlink_to(file)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
    for name, settings in (("1_Pooling", pooling), ("2_Normalize", {})):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(settings), "utf-8")


@functools.lru_cache(maxsize=1)
def weights_folder() -> Path:
    """Fetched where they aren't cached."""
    from interlingua import weights

    return Path(weights.get("minilm"))


def titles() -> list[str]:
    """Distinct titles of the clipart set."""
    return clipart_set().distinct_titles()


def passages(count: int) -> list[str]:
    """Distinct texts of WordNet's definitions, their lengths in a fixed, mixed order."""
    from interlingua import weights

    file = Path(weights.get("imagenet-names")) / "imagenet_wordnet.json"
    entries = json.loads(file.read_text("utf-8")).values()
    words = [word for entry in entries for word in f"{entry['definition']}.".split()]
    shortest, longest = np.log(WORDS)
    lengths = np.exp(np.random.default_rng(0).uniform(shortest, longest, count)).round().astype(int)
    ends = np.cumsum(lengths) % (len(words) - WORDS[1])
    return [" ".join(words[end : end + length]) for end, length in zip(ends, lengths, strict=True)]


def token_counts(texts: Sequence[str]) -> list[int]:
    """Of each text, both special tokens included, as the model cuts it."""
    return [min(MAX_TOKENS, len(one.ids)) for one in _tokenizer().encode_batch(list(texts))]


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _version() -> str:
    import sentence_transformers

    return str(sentence_transformers.__version__)
