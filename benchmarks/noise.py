"""Does cleaning help: raw, rule-filtered, learned-filtered and randomly thinned clip art titles.

Open Clip Art's titles as they stand there ("gramastar" on 1,375 stars, "Part of the Flat Icon
Collection (Wed Aug 25 23:29:46 2004)" on 599 icons) train a dual encoder for equal steps:

- ``raw``: all pairs;
- ``rules``: what the rules below leave;
- ``learned``: the best-scored pairs, as many as the rules leave. Cross-fitted: the things are
  halved by component, a model is trained on the raw pairs of each half and scores the other one,
  so no pair is scored by a model that saw it or its twin, and none of them saw what is held out;
- ``random``: as many pairs by chance, the control that the two others have to beat.

Held out, by component and before anything else: stamps (names written by people for children), and
clip art whose title says what its file name says. Retrieval in both directions, intervals by
resampling components, differences paired by query, all of it over the split seeds together.

Towers: frozen EfficientNet-Lite0 and MiniLM with trained linear projections, features from the
cache; ``--scratch`` trains a small ViT and a small text Transformer from random weights instead.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Findings
from interlingua import data
from interlingua.config import NamedConfig, resolve, validate
from interlingua.content import BytesContent
from interlingua.data.component import Split, assign_components, split_by_component
from interlingua.data.filters.chain import apply_filters, describe, to_json
from interlingua.data.filters.filter import Filtered
from interlingua.data.filters.words import folded, split_words
from interlingua.data.gate import ImageLimits
from interlingua.data.image import open_image, trimmed
from interlingua.data.source import Source
from interlingua.data.sources.names import words_of
from interlingua.errors import MediaError
from interlingua.evaluate.intervals import bootstrap_rates, paired_difference
from interlingua.evaluate.retrieval import RetrievalResult, retrieval
from interlingua.evaluate.run import embed_view
from interlingua.sample import Image, Sample, Text
from interlingua.train.corpus import Corpus
from interlingua.train.log import Silent
from interlingua.train.loop import fit
from interlingua.train.pair_score import score
from interlingua.train.recipe import Recipe
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session

# Settled before the first run, for titles that are mostly one or two words long; nothing here was
# chosen by what is held out. Rare words are left out: in a corpus this small they are the names
# of things ("binoculars" stands once).
RULES: tuple[dict[str, Any], ...] = (
    {"name": "size", "min_side": 32, "max_aspect": 3},
    {"name": "exact_duplicates"},
    {"name": "near_duplicates"},
    {"name": "boilerplate"},
    {"name": "shared_text", "max_samples": 10},
    {"name": "repeated_words"},
    {"name": "text_length", "min_words": 1, "max_words": 20},
)
ARMS = ("raw", "rules", "learned", "random")
# What is asked: does an arm beat no filter, and does it beat as few pairs by chance?
COMPARED = (
    ("rules", "raw"),
    ("learned", "raw"),
    ("random", "raw"),
    ("rules", "random"),
    ("learned", "random"),
    ("learned", "rules"),
)
KS = (1, 10)
HELD_OUT = 300  # of each kind
MAX_TWINS = 20  # a held-out thing must not take a whole family out of training
DIRECTIONS = (("text", "image"), ("image", "text"))
TESTS = ("stamps", "clipart")
SIDE = 64  # of pictures for towers that are trained from nothing


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the split")
    parser.add_argument("--steps", type=int, default=400, help="of every training")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="things of each kind")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--scratch", action="store_true", help="train small towers from nothing")


def measure(options: argparse.Namespace) -> Findings:
    """All arms of all seeds; differences are over the seeds together."""
    if options.quick:
        options.seeds, options.steps = options.seeds[:1], min(options.steps, 20)
    samples = corpus()
    counts = {source: sum(one.meta.source == source for one in samples) for source in TESTS}
    lines = [f"{counts['clipart']:,} clip art with titles, {counts['stamps']:,} stamps"]
    rounds = []
    for seed in options.seeds:
        began = time.perf_counter()
        rounds.append(one_seed(samples, seed, options))
        print(f"  seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    lines += ["", *(describe(step) for step in rounds[0].rules), ""]
    rows = results(rounds)
    differences = compared(rounds)
    return Findings(
        figures={
            "settings": {name: getattr(options, name) for name in ("seeds", "steps", "batch")},
            "scratch": options.scratch,
            "rules": [to_json(one.rules) for one in rounds],
            "train_pairs": [one.sizes for one in rounds],
            "agreement": [one.agreement for one in rounds],
            "results": rows,
            "differences": differences,
        },
        lines=[*lines, *table(rounds, rows, differences)],
    )


@dataclass
class Round:
    """One split seed: what was trained on, and how well it finds."""

    seed: int
    rules: list[Filtered]
    sizes: dict[str, int] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    found: dict[tuple[str, str, str], RetrievalResult] = field(default_factory=dict)


def corpus() -> list[Sample]:
    """Clip art with its raw titles and the stamps, with components of all of them together."""
    for name in TESTS:
        data.get(name)
    sources: tuple[Source, ...] = (
        data.open_source("clipart", titles="raw"),
        data.open_source("stamps"),
    )
    samples = assign_components([sample for source in sources for sample in source])
    return [
        replace(one, parts=tuple(p for p in one.parts if p.view in ("image", "text")))
        for one in samples
    ]


def one_seed(samples: Sequence[Sample], seed: int, options: argparse.Namespace) -> Round:
    """Split, choose the pairs of each arm, train and test each."""
    first = hold_out(samples, seed, options, [one.key for one in small_families(samples, "stamps")])
    clean = clean_titles(first.train, [one for one in samples if one.meta.source == "clipart"])
    second = hold_out(first.train, seed, options, clean)
    tests = {"stamps": first.held_out, "clipart": second.held_out}
    raw = [one for one in second.train if one.meta.source == "clipart"]
    held = {one.meta.component for one in (*first.held_out, *second.held_out)}
    assert not held & {one.meta.component for one in raw}, "a held-out thing is trained on"

    rules = apply_filters(raw, [config(one) for one in RULES])
    size = len(rules[-1].kept)
    done = Round(seed, rules)
    chosen = {"raw": prepared(raw, options), "rules": prepared(rules[-1].kept, options)}
    tests = {kind: prepared(held_out, options) for kind, held_out in tests.items()}
    if "learned" in options.arms:
        chosen["learned"] = learned(chosen["raw"], size, seed, options)
    thinned = config({"name": "random_thin", "number": size, "seed": seed})
    chosen["random"] = apply_filters(chosen["raw"], [thinned])[-1].kept
    # how many of the kept titles say what the file name says: what the filters can't see
    for arm, kept in chosen.items():
        done.agreement[arm] = sum(map(agrees, kept)) / len(kept)
    for arm in options.arms:
        done.sizes[arm] = len(chosen[arm])
        session = trained(chosen[arm], seed, options)
        for kind, held_out in tests.items():
            views = {view: embed_view(session, held_out, view) for view in ("image", "text")}
            for query, gallery in DIRECTIONS:
                a, b = views[query], views[gallery]
                done.found[arm, kind, f"{query} → {gallery}"] = retrieval(
                    a.vectors, b.vectors, a.component, b.component, KS
                )
    return done


def hold_out(
    samples: Sequence[Sample], seed: int, options: argparse.Namespace, keys: Sequence[str]
) -> Split:
    """Some of these keys, drawn by the seed; what shares their components leaves training."""
    source = next(one.meta.source for one in samples if one.key == keys[0])
    drawn = random.Random(seed).sample(sorted(keys), min(options.held_out, len(keys)))
    return split_by_component(samples, held_out=drawn, source=source)


def small_families(samples: Sequence[Sample], source: str) -> list[Sample]:
    """Samples of a source that few others share a component with.

    A star among the stamps would take 1,600 others out of training, most of the noise with them.
    """
    family = Counter(one.meta.component for one in samples)
    return [
        one
        for one in samples
        if one.meta.source == source and family[one.meta.component] <= MAX_TWINS
    ]


def clean_titles(candidates: Sequence[Sample], everything: Sequence[Sample]) -> list[str]:
    """The keys of clip art whose title is its own: few share it, and the file name says it too."""
    shared = Counter(folded(title(one)) for one in everything)
    return [
        one.key
        for one in small_families(candidates, "clipart")
        if shared[folded(title(one))] <= 10 and agrees(one)
    ]


def agrees(sample: Sample) -> bool:
    """Whether title and file name have a word in common."""
    file_name = words_of(sample.key.rpartition("/")[2]).split()
    return bool(set(split_words(words_of(title(sample)))) & set(file_name))


def title(sample: Sample) -> str:
    part = sample.alternatives("text")[0]
    return part.text if isinstance(part, Text) else ""


def learned(
    raw: Sequence[Sample], size: int, seed: int, options: argparse.Namespace
) -> list[Sample]:
    """The best-scored pairs of each half, by the model of the other half, in their first order."""
    halves: tuple[list[Sample], list[Sample]] = ([], [])
    for sample in raw:
        name = f"{seed}/{sample.meta.component}"
        halves[hashlib.sha256(name.encode()).digest()[0] % 2].append(sample)
    kept: set[str] = set()
    for mine, others in (halves, halves[::-1]):
        session = trained(others, seed, options)
        filtered = resolve("data.filters", "pair_score")(
            config({"name": "pair_score", "run": "the other half", "keep": size / len(raw)}),
            lambda _, session=session: lambda pairs: score(session, pairs),
        )(mine)
        kept |= {one.key for one in filtered.kept}
    return [one for one in raw if one.key in kept]


def config(plain: dict[str, Any]) -> NamedConfig:
    found: NamedConfig = validate(
        resolve("data.filters", plain["name"]).Config, plain, "benchmark noise"
    )
    return found


def trained(samples: Sequence[Sample], seed: int, options: argparse.Namespace) -> Session:
    """A dual encoder that learned from these pairs; its folder is gone again."""
    recipe = recipe_of(seed, options)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        session = Session(recipe, run, torch.device(options.device), torch.float32, Silent())
        torch.manual_seed(seed)
        session.model = recipe.model.build()
        keys = hashlib.sha256("\n".join(one.key for one in samples).encode()).hexdigest()
        session.corpus = Corpus(list(samples), repeats=[1.0] * len(samples), identity=keys)
        fit(
            session.model,
            {name: (use.objective.build(), use.weight) for name, use in recipe.objectives.items()},
            recipe.stages,
            session.stream_for(),
            run,
            device=session.device,
        )
    session.model.eval()
    return session


def recipe_of(seed: int, options: argparse.Namespace) -> Recipe:
    """Linear projections over frozen towers, or small towers from random weights."""
    towers: dict[str, Any] = {
        "image": {
            "tower": {"name": "efficientnet", "variant": "lite0", "fit": "pad", "trim": True},
            "weights": "efficientnet-lite0",
            "frozen": True,
            "dropout": 0.3,
        },
        "text": {
            "tower": {"name": "bert"}, "weights": "minilm", "frozen": True, "dropout": 0.1,
        },
    }  # fmt: skip
    if options.scratch:
        small_vit = {
            "name": "vit", "image_size": SIDE, "patch_size": 8, "width": 128, "num_layers": 4,
            "num_heads": 4, "hidden_width": 512, "activation": "gelu", "fit": "pad",
        }  # fmt: skip
        small_text = {
            "name": "bert", "width": 128, "num_layers": 2, "num_heads": 4, "hidden_width": 512,
            "max_positions": 32, "max_tokens": 32,
        }  # fmt: skip
        towers = {"image": {"tower": small_vit}, "text": {"tower": small_text}}
    plain = {
        "name": "noise",
        "seed": seed,
        "model": {"name": "dual_encoder", "width": 256, "towers": towers},
        "data": {"sources": [{"source": {"name": "clipart", "titles": "raw"}}]},
        "objectives": {"contrastive": {"objective": {"name": "pairwise_contrastive"}}},
        "stages": [
            {
                "steps": options.steps,
                "batch_size": options.batch,
                "learning_rate": 1e-3,
                "warmup_steps": min(50, options.steps // 4),
                "weight_decay": 0.05,
                "log_every": 0,
            }
        ],
    }
    return validate(Recipe, plain, "benchmark noise")


def prepared(samples: Sequence[Sample], options: argparse.Namespace) -> list[Sample]:
    """The samples with pictures that are quick to decode, where they are decoded in every step."""
    return [small(one) for one in samples] if options.scratch else list(samples)


def small(sample: Sample) -> Sample:
    """The sample with its picture cut, shrunk and kept in memory."""
    parts = tuple(shrunk(part) if isinstance(part, Image) else part for part in sample.parts)
    return replace(sample, parts=parts)


@functools.cache
def shrunk(part: Image) -> Image:
    try:
        picture = trimmed(open_image(part.content, ImageLimits(), near_size=SIDE))
    except MediaError:
        return part
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "BMP")
    return Image(BytesContent(file.getvalue(), f"{part.content.name}.bmp"))


def results(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """A row for each arm, test and direction: the seeds together, and each alone."""
    rows = []
    for arm, kind, direction in rounds[0].found:
        found = [one.found[arm, kind, direction] for one in rounds]
        pooled, component = pool(found)
        estimates = bootstrap_rates(pooled, component)
        rows.append(
            {
                "arm": arm,
                "test": kind,
                "direction": direction,
                "n": len(pooled),
                "gallery_size": found[0].gallery,
                **{f"r_at_{k}": one.to_json() for k, one in zip(KS, estimates, strict=True)},
                "seeds": [{str(k): one.r_at[k].value for k in KS} for one in found],
                "chance": {str(k): float(np.mean([one.chance[k] for one in found])) for k in KS},
                "median_rank": [one.median_rank for one in found],
            }
        )
    return rows


def pool(found: Sequence[RetrievalResult]) -> tuple[np.ndarray, np.ndarray]:
    """Hits [n, K] and components [n] of all seeds; a thing of two seeds is one cluster."""
    hits = [np.stack([one.hits[k] for k in KS], axis=1) for one in found]
    return np.concatenate(hits), np.concatenate([one.component for one in found])


def compared(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Differences of R@k between arms over the same queries, the seeds together."""
    rows = []
    for a, b in COMPARED:
        for kind in TESTS:
            for query, gallery in DIRECTIONS:
                direction = f"{query} → {gallery}"
                pairs = [
                    (one.found[a, kind, direction], one.found[b, kind, direction])
                    for one in rounds
                    if (a, kind, direction) in one.found and (b, kind, direction) in one.found
                ]
                if not pairs:
                    continue
                assert all(np.array_equal(one.query, two.query) for one, two in pairs)
                first, component = pool([one for one, _ in pairs])
                second, _ = pool([two for _, two in pairs])
                rows.append(
                    {"a": a, "b": b, "test": kind, "direction": direction, "n": len(first)}
                    | {
                        f"r_at_{k}": paired_difference(
                            first[:, place], second[:, place], component
                        ).to_json()
                        for place, k in enumerate(KS)
                    }
                )
    return rows


def table(
    rounds: Sequence[Round], rows: list[dict[str, Any]], differences: list[dict[str, Any]]
) -> list[str]:
    """The figures for people: R@10 with interval, then the differences."""
    lines = [
        f"training pairs (and share whose title has a word of the file name), {len(rounds)} seeds:"
    ]
    for arm in rounds[0].sizes:
        sizes = ", ".join(f"{one.sizes[arm]:,} ({one.agreement[arm]:.0%})" for one in rounds)
        lines.append(f"  {arm:8} {sizes}")
    for kind in TESTS:
        for query, gallery in DIRECTIONS:
            direction = f"{query} → {gallery}"
            here = [row for row in rows if (row["test"], row["direction"]) == (kind, direction)]
            first = here[0]
            lines += [
                "",
                f"{kind}, {direction}: R@10, n {first['n']}, gallery {first['gallery_size']}, "
                f"chance {first['chance']['10']:.3f}",
            ]
            for row in here:
                seeds = " ".join(f"{one['10']:.3f}" for one in row["seeds"])
                lines.append(f"  {row['arm']:18} {shown(row['r_at_10'])}   seeds {seeds}")
            for row in differences:
                if (row["test"], row["direction"]) == (kind, direction):
                    name = f"{row['a']} - {row['b']}"
                    lines.append(f"  {name:18} {shown(row['r_at_10'], '+.3f')}")
    return lines


def shown(estimate: dict[str, float | None], spec: str = ".3f") -> str:
    low, high = estimate["low"], estimate["high"]
    interval = "" if low is None or high is None else f" [{low:{spec}}, {high:{spec}}]"
    return f"{estimate['value']:{spec}}{interval}"
