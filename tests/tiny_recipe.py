"""A whole run in small and offline: files of things, three towers with weights, and a recipe.

Every thing has a picture, words and spoken names in three languages, each third one a sound; the
towers are the real ones with random weights, kept in the layouts of their public checkpoints.
"""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image as Pillow
from tokenizers import Tokenizer, models, pre_tokenizers

from interlingua.config import NamedConfig, resolve, validate
from interlingua.content import FileContent
from interlingua.data.source import ListSource
from interlingua.sample import Audio, Image, Meta, OneOf, Part, Sample, Text
from interlingua.towers.pretrained import build_tower
from interlingua.train.recipe import Recipe

NAMES = (
    "dog", "cat", "owl", "cow", "hen", "pig", "fox", "bat", "ant", "bee", "car", "van", "bus",
    "cup", "pan", "pot", "hat", "key", "bell", "drum", "ship", "tree", "moon", "star",
)  # fmt: skip
LANGUAGES = ("en", "fr", "da")
CLASSES = NAMES[:7]
RATE = 16_000

TOWERS: dict[str, dict[str, Any]] = {
    "image": {
        "name": "efficientnet", "width_multiplier": 0.25, "depth_multiplier": 0.3,
        "image_size": 32, "num_classes": len(CLASSES), "fit": "pad",
    },
    "text": {
        "name": "bert", "vocabulary": len(NAMES) + 3, "width": 16, "num_layers": 2,
        "num_heads": 2, "hidden_width": 32, "max_positions": 20,
    },
    "audio": {
        "name": "whisper_encoder", "width": 16, "num_heads": 2, "num_layers": 2, "num_mels": 8,
        "max_tokens": 100, "max_seconds": 2.0, "bucket_seconds": 0.5, "pooling": "mean_std",
    },
}  # fmt: skip


class Things(ListSource):
    """The things of a folder that ``make_world`` filled, some of them perhaps."""

    class Config(NamedConfig):
        folder = "data"
        name: str = "tiny_recipe:Things"
        path: Path
        called: str = "things"
        first: int = 0
        last: int = len(NAMES)
        damaged: bool = False

    def __init__(self, config: Config):
        numbers = range(config.first, config.last)
        samples = [thing(config.path, number, config.called) for number in numbers]
        if config.damaged:
            broken = Image(FileContent(config.path / "broken.png"))
            samples.append(Sample("broken", (broken, Text("a pot of keys")), meta=Meta("things")))
        super().__init__(config.called, samples)


def thing(folder: Path, number: int, source: str) -> Sample:
    name = NAMES[number]
    parts: list[Part | OneOf] = [
        Image(FileContent(folder / f"{name}.png")),
        OneOf((Text(f"a {name}", "en"), Text(name, "en")), (3.0, 1.0)),
        OneOf(
            tuple(
                Audio(FileContent(folder / f"{name}_{language}.wav"), "speech", language, name)
                for language in LANGUAGES
            )
        ),
    ]
    if number % 3 == 0:
        parts.append(Audio(FileContent(folder / f"{name}.wav"), "sound"))
    meta = Meta(source, ("animals/small", "things")[number > 9], "CC0-1.0", name=name)
    return Sample(name, tuple(parts), meta=meta)


@dataclass(frozen=True)
class World:
    """What ``make_world`` made.

    Attributes:
        folder: with ``things``, ``weights`` and ``names``.
        cache: for INTERLINGUA_CACHE.
    """

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def things(self) -> Path:
        return self.folder / "things"

    def tower(self, name: str, *, frozen: bool = True, **options: Any) -> dict[str, Any]:
        """A ``TowerUse``; one that isn't frozen begins with random weights."""
        settings = {**TOWERS[name], **options}
        if name == "text":
            settings["tokenizer"] = str(self.folder / "tokenizer.json")
        weights = str(self.folder / "weights" / name) if frozen else ""
        return {"tower": settings, "weights": weights, "frozen": frozen}

    def source(self, **options: Any) -> dict[str, Any]:
        return {"name": "tiny_recipe:Things", "path": str(self.things), **options}

    def recipe(
        self, *, trained: tuple[str, ...] = (), named: bool = True, **changes: Any
    ) -> Recipe:
        """Frozen towers but for ``trained``; ``changes`` are whole sections of the recipe."""
        names = {"names": str(self.folder / "names"), "top_k": 3}
        recipe = {
            "name": "tiny",
            "model": {
                "name": "shared_space",
                "width": 12,
                "towers": {name: self.tower(name, frozen=name not in trained) for name in TOWERS},
                "views": {"image": "image", "text": "text", "sound": "audio", "speech": "audio"},
                "named_classes": names if named else None,
            },
            "data": {
                "sources": [{"source": self.source()}],
                # by seed 1 three of the six held-out things have sounds
                "split": {"source": "things", "held_out": 6, "seed": 1, "unseen_languages": ["da"]},
            },
            "objectives": {"contrastive": {"objective": {"name": "pairwise_contrastive"}}},
            "stages": [
                {"name": "heads", "steps": 6, "batch_size": 10, "checkpoint_every": 3,
                 "log_every": 1, "learning_rate": 3e-3}
            ],
            "evaluation": {"bootstrap": 20, "ks": [1, 2, 3]},
            "device": "cpu",
            "precision": "fp32",
        }  # fmt: skip
        return validate(Recipe, {**recipe, **changes}, "tiny recipe")


def make_world(folder: Path) -> World:
    world = World(folder)
    for name in ("things", "weights", "names"):
        (folder / name).mkdir(parents=True)
    random = numpy.random.default_rng(0)
    for number, name in enumerate(NAMES):
        blocks = random.integers(0, 256, (5, 5, 3), numpy.uint8)
        picture = Pillow.fromarray(blocks).resize((40, 40), Pillow.Resampling.NEAREST)
        picture.save(world.things / f"{name}.png")
        write_tone(world.things / f"{name}.wav", 200 + 50 * number, 0.4)
        for place, language in enumerate(LANGUAGES):
            seconds = 0.1 * len(name) + 0.03 * number
            write_tone(world.things / f"{name}_{language}.wav", 900 + 60 * number + place, seconds)
    whole = (world.things / "dog.png").read_bytes()
    (world.things / "broken.png").write_bytes(whole[:40])
    write_tokenizer(folder / "tokenizer.json")
    classes = [
        {"index": number, "lemmas": [name], "definition": f"a {name}"}
        for number, name in enumerate(CLASSES)
    ]
    (folder / "names" / "imagenet_names.json").write_text(json.dumps(classes))
    for number, name in enumerate(TOWERS):
        write_weights(world, name, seed=number)
    return world


def write_weights(world: World, name: str, seed: int) -> None:
    """Random weights as the public checkpoint of this kind of tower is laid out."""
    settings = world.tower(name)["tower"]
    torch.manual_seed(seed)
    tower = build_tower(resolve("towers", settings["name"]).Config(**settings))
    path = world.folder / "weights" / name
    path.mkdir()
    resolve("layouts", tower.layout).write(tower, path)


def write_tokenizer(path: Path) -> None:
    words = (*NAMES, "a", "of", "[UNK]")
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def write_tone(path: Path, frequency: float, seconds: float) -> None:
    time = numpy.arange(round(RATE * seconds)) / RATE
    samples = (12_000 * numpy.sin(2 * numpy.pi * frequency * time)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
