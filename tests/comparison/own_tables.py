"""Small tables of one's own, with real files, made as the tests need them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

KINDS = ("red", "green", "blue")


def write_table(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A CSV file of these columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def two_groups(count: int = 60, seed: int = 0) -> dict[str, list[object]]:
    """Numbers a and b whose signs together, and neither alone, tell the kind."""
    random = np.random.default_rng(seed)
    a, b = random.choice([-1.0, 1.0], (2, count))
    noise = random.normal(0, 0.1, (2, count))
    return {
        "a": [float(value) for value in a + noise[0]],
        "b": [float(value) for value in b + noise[1]],
        "kind": ["same" if one == other else "different" for one, other in zip(a, b, strict=True)],
    }


def media_table(folder: Path, count: int = 24, seed: int = 0) -> Path:
    """Three kinds of things, seen, heard, told; one picture is damaged, one sound is gone."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[object]] = {
        name: [] for name in ("photo", "sketch", "noise", "words", "size", "kind")
    }
    for number in range(count):
        kind = number % 3
        pixels = random.integers(0, 60, (24, 32, 3)).astype(np.uint8)
        pixels[..., kind] += 180
        Image.fromarray(pixels).save(folder / f"photo{number}.png")
        Image.fromarray(pixels[:, :20]).save(folder / f"sketch{number}.png")
        time = np.arange(4_000) / 16_000
        wave = 0.4 * np.sin(2 * np.pi * 300 * (kind + 1) * time) + random.normal(0, 0.01, 4_000)
        soundfile.write(folder / f"noise{number}.wav", wave, 16_000)
        rows["photo"].append(f"photo{number}.png")
        rows["sketch"].append(f"sketch{number}.png" if number % 5 else "")
        rows["noise"].append(f"noise{number}.wav")
        rows["words"].append(f"thing number {number} of its kind, seen on a {KINDS[kind]} day")
        rows["size"].append(round(float(random.normal(kind)), 3))
        rows["kind"].append(KINDS[kind])
    (folder / "photo4.png").write_bytes((folder / "photo4.png").read_bytes()[:60])
    (folder / "noise7.wav").unlink()
    return write_table(folder / "things.csv", rows)
