"""Short texts to vectors: ours, open_clip and transformers, the text tower of CLIP ViT-B/32.

The texts are distinct titles of the clipart set, tokenised inside the clock by each side's own
tokenizer, in batches of 64. open_clip pads to 77 tokens, transformers to the longest of a batch,
ours sorts by length. Each runs in fp32, which is the peers' default, or under bf16.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import clip_models, flops
from benchmarks.clip_training import DTYPES, autocast
from benchmarks.clipart_set import clipart_set
from benchmarks.compare import cosines
from benchmarks.harness import Case, Check, Precision, Prepared, Side
from interlingua.device import has_fast_bf16, pick_device

BATCH_SIZE = 64
Rounds = Sequence[Sequence[str]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--model", default="ViT-B-32", choices=sorted(clip_models.SIZES))
    parser.add_argument("--texts-per-round", type=int, default=256)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One case: titles to vectors."""
    model = "small" if options.quick else options.model
    per_round = 16 if options.quick else options.texts_per_round
    texts = clipart_set().distinct_titles()[: per_round * options.rounds]
    rounds = [texts[start : start + per_round] for start in range(0, len(texts), per_round)]
    rounds = [one for one in rounds if len(one) == len(rounds[0])]
    folder, device = clip_models.checkpoint(model, clip_models.SPREAD), options.device
    ours: Precision = "bf16" if has_fast_bf16(pick_device(device)) else "fp32"
    yield Case(
        f"{model}, titles to vectors",
        [
            Side("interlingua", lambda: our_texts(folder, rounds, device), ours),
            Side("open_clip fp32", lambda: open_clip_texts(folder, rounds, "fp32", device), goal=4),
            Side("open_clip bf16", lambda: open_clip_texts(folder, rounds, "bf16", device), "bf16"),
            Side("transformers fp32", lambda: hf_texts(folder, rounds, "fp32", device)),
            Side("transformers bf16", lambda: hf_texts(folder, rounds, "bf16", device), "bf16"),
        ],
        amount=len(rounds[0]),
        unit="texts",
        compare=compare,
        flops=needed(model, folder, rounds[0]),
        note=f"{len(rounds) * len(rounds[0])} distinct titles, ours in {ours}",
    )


def needed(model: str, folder: Path, texts: Sequence[str]) -> float:
    """Operations for these texts at their own lengths."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lengths = [min(77, len(tokenizer.encode(text).tokens)) for text in texts]
    return sum(flops.text(clip_models.SIZES[model], length) for length in lengths)


def compare(ours: Any, peer: Any) -> list[Check]:
    """Vectors of the same texts."""
    return cosines(ours, peer, "vectors", 0.999)


def our_texts(folder: Path, rounds: Rounds, device: str) -> Prepared:
    """``Space.embed`` of texts."""
    from interlingua.space import Space

    space = Space(clip_models.ours(folder), device=device)
    return Prepared(lambda number: space.embed(texts=list(rounds[number % len(rounds)])))


def open_clip_texts(folder: Path, rounds: Rounds, precision: Precision, device: str) -> Prepared:
    """Its tokenizer and ``encode_text``."""
    import open_clip

    model, _ = clip_models.open_clip_model(folder, device=device)
    model.eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32")

    def encode(texts: list[str]) -> torch.Tensor:
        vectors: torch.Tensor = model.encode_text(tokenizer(texts).to(device), normalize=True)
        return vectors

    return in_batches(encode, rounds, precision, device)


def hf_texts(folder: Path, rounds: Rounds, precision: Precision, device: str) -> Prepared:
    """``CLIPModel.get_text_features`` with the fast tokenizer of the same vocabulary."""
    from transformers import CLIPModel, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = CLIPModel.from_pretrained(clip_models.for_transformers(folder)).to(device).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<end_of_text>"
    )

    def encode(texts: list[str]) -> torch.Tensor:
        ids = tokenizer(texts, padding=True, truncation=True, max_length=77, return_tensors="pt")
        chosen = {name: ids[name].to(device) for name in ("input_ids", "attention_mask")}
        found = model.get_text_features(**chosen)
        vectors: torch.Tensor = getattr(found, "pooler_output", found)
        return torch.nn.functional.normalize(vectors, dim=-1)

    return in_batches(encode, rounds, precision, device)


def in_batches(encode: Any, rounds: Rounds, precision: Precision, device: str) -> Prepared:
    """Batches in the order given."""

    def run(number: int) -> Any:
        texts = rounds[number % len(rounds)]
        found = []
        with torch.no_grad(), autocast(device, DTYPES[precision]):
            for start in range(0, len(texts), BATCH_SIZE):
                vectors = encode(list(texts[start : start + BATCH_SIZE]))
                found.append(vectors.float().cpu().numpy())
        return np.concatenate(found)

    return Prepared(run)
