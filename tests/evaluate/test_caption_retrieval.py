"""Five captions per picture, counted as the published figures count them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from interlingua.content import FileContent
from interlingua.data.labelled_sources import open_labelled
from interlingua.errors import DataError
from interlingua.evaluate.caption_retrieval import caption_retrieval, size_note
from interlingua.sample import Image, OneOf, Sample, Text

PICTURES, CAPTIONS = 12, 5


def samples() -> list[Sample]:
    return [
        Sample(
            str(n),
            (
                Image(FileContent(Path(f"{n}.png"))),
                OneOf(tuple(Text(f"{n} {c}") for c in range(CAPTIONS))),
            ),
        )
        for n in range(PICTURES)
    ]


def embed(parts, on_error) -> np.ndarray:
    """A picture lies on its axis; its caption c is right, or lies on the next picture's axis."""
    rows = np.zeros((len(parts), PICTURES), np.float32)
    for row, part in zip(rows, parts, strict=True):
        if isinstance(part, Image):
            row[int(part.content.path.stem)] = 1
        else:
            number, caption = map(int, part.text.split())
            right = caption == 2 or number % 2 == 0  # odd pictures have one right caption of five
            row[number if right else (number + 1) % PICTURES] = 1
            row[number] += 0.01 * (caption + 1)
    return rows


def test_any_of_the_five_captions_is_right_and_each_is_a_query() -> None:
    found = caption_retrieval(embed, samples(), bootstrap=50, permutations=3)
    assert (found.pictures, found.captions) == (12, 60)
    image = found.table.get("image", "text").result
    text = found.table.get("text", "image").result
    assert (image.n, image.gallery, image.clusters) == (12, 60, 12)
    assert (text.n, text.gallery, text.clusters) == (60, 12, 12)
    # an odd picture has one right caption, an even one five and its neighbour's wrong ones
    assert image.r_at[1].value == pytest.approx(1.0)
    assert text.r_at[1].value == pytest.approx((6 * 5 + 6 * 1) / 60)
    assert text.chance[1] == pytest.approx(1 / 12)
    assert image.chance[1] == pytest.approx(5 / 60)
    json.dumps(found.to_json(), allow_nan=False)


def test_it_is_the_same_as_counting_by_hand() -> None:
    random = np.random.default_rng(0)
    table = {n: random.normal(size=8) for n in range(PICTURES)}

    def noisy(parts, on_error) -> np.ndarray:
        rows = []
        for part in parts:
            number = int(
                part.content.path.stem if isinstance(part, Image) else part.text.split()[0]
            )
            noise = np.random.default_rng(abs(hash(str(part))) % 2**32).normal(size=8)
            rows.append(table[number] + 1.2 * noise)
        return np.array(rows, np.float32)

    chosen = samples()
    found = caption_retrieval(noisy, chosen, bootstrap=20, permutations=2)
    images = noisy([s.alternatives("image")[0] for s in chosen], None)
    texts = noisy([t for s in chosen for t in s.alternatives("text")], None)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    scores = images @ texts.T
    owner = np.repeat(np.arange(PICTURES), CAPTIONS)
    for k in (1, 5, 10):
        top = np.argsort(-scores, axis=1)[:, :k]
        by_image = np.mean([(owner[row] == n).any() for n, row in enumerate(top)])
        top = np.argsort(-scores.T, axis=1)[:, :k]
        by_text = np.mean([(row == owner[n]).any() for n, row in enumerate(top)])
        assert found.table.get("image", "text").result.r_at[k].value == pytest.approx(by_image)
        assert found.table.get("text", "image").result.r_at[k].value == pytest.approx(by_text)


def test_a_damaged_picture_leaves_with_its_captions(colour_space, tmp_path: Path) -> None:
    entries = []
    for number, (name, colour) in enumerate(
        [("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))]
    ):
        pillow.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
        sentences = [{"raw": f"{start} {name} dog"} for start in ("a", "dog", "a a", "dog a", name)]
        entries.append({"filename": f"{number}.png", "split": "test", "sentences": sentences})
    path = tmp_path / "dataset_flickr8k.json"
    path.write_text(json.dumps({"images": entries, "dataset": "flickr8k"}))
    source = open_labelled(path)
    found = caption_retrieval(colour_space.embed_parts, list(source), bootstrap=20)
    assert {direction.result.r_at[1].value for direction in found.table} == {1.0}
    (tmp_path / "1.png").write_bytes(b"\x89PNG")
    told = []
    found = caption_retrieval(
        colour_space.embed_parts, list(source), bootstrap=20, on_error=lambda s, e: told.append(s)
    )
    assert (found.pictures, found.captions) == (2, 10)
    assert sum(found.left_out.values()) == len(told) == 1
    (tmp_path / "2.png").unlink()
    with pytest.raises(DataError, match="two pictures"):
        caption_retrieval(colour_space.embed_parts, list(source), bootstrap=20)


def test_a_small_set_is_never_called_by_the_name_of_the_benchmark() -> None:
    assert size_note("coco test", 5000, 5000) == "coco test, all 5,000 pictures"
    assert "not its figure" in size_note("coco test", 5000, 4999)
    assert size_note("", 0, 12) == "12 pictures of your own"
