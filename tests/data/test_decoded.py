"""Pictures are decoded once, texts are encoded once, and a limit is a limit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent
from interlingua.data import decoded
from interlingua.data.decoded import DecodedPictures, TokenRows
from interlingua.data.loader import decode
from interlingua.errors import MediaError
from interlingua.sample import Image, Part, Text
from interlingua.towers.tower import ImagePreprocess, TextPreprocess

SMALL = ImagePreprocess(size=16, fit="pad")
PICTURE = 3 * 16 * 16
PLENTY = 1 << 20


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was decoded, in order."""
    names: list[str] = []

    def counting(parts: list[Part], *arguments: Any, **options: Any) -> Any:
        names.extend(Path(part.content.name).stem for part in parts if isinstance(part, Image))
        names.extend(part.text for part in parts if isinstance(part, Text))
        return decode(parts, *arguments, **options)

    monkeypatch.setattr(decoded, "decode", counting)
    return names


def images(world: Any, *names: str) -> list[Part]:
    return [Image(FileContent(world.things / f"{name}.png")) for name in names]


def refuse(place: int, part: Part, error: MediaError) -> None:
    raise error


def test_they_are_what_the_decoder_gives_in_the_order_asked(
    world: Any, decoding: list[str]
) -> None:
    store = DecodedPictures()
    parts = images(world, "dog", "cat", "dog", "owl")
    for _ in range(3):
        places, values = store.get(parts, SMALL, PLENTY, refuse)
        assert places == [0, 1, 2, 3] and values is not None
        expected = next(decode(parts, SMALL, batches=[range(4)])).values
        assert torch.equal(values, expected) and values.stride() == expected.stride()
    assert sorted(decoding) == ["cat", "dog", "owl"]
    assert store.num_bytes == 3 * PICTURE


def test_a_damaged_one_is_told_of_each_time_and_decoded_once(
    world: Any, decoding: list[str]
) -> None:
    store, told = DecodedPictures(), []
    parts = images(world, "broken", "dog")
    for _ in range(2):
        places, values = store.get(
            parts, SMALL, PLENTY, lambda place, part, error: told.append((place, error.reason))
        )
        assert places == [1] and values is not None and len(values) == 1
    assert told == [(0, "damaged")] * 2
    assert decoding.count("broken") == 1
    assert store.get(parts[:1], SMALL, PLENTY, lambda *_: None) == ([], None)


def test_a_missing_file_is_looked_for_again(tmp_path: Path) -> None:
    store, path = DecodedPictures(), tmp_path / "late.png"
    part: Part = Image(FileContent(path))
    assert store.get([part], SMALL, PLENTY, lambda *_: None) == ([], None)
    Pillow.new("RGB", (20, 20), "red").save(path)
    assert store.get([part], SMALL, PLENTY, refuse)[0] == [0]


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    store, path = DecodedPictures(), tmp_path / "picture.png"
    part: Part = Image(FileContent(path))
    shown = []
    for number, colour in enumerate(("red", "blue")):
        Pillow.new("RGB", (20, 20), colour).save(path)
        os.utime(path, ns=(number, number))
        values = store.get([part], SMALL, PLENTY, refuse)[1]
        assert values is not None
        shown.append(values[0, :, 0, 0].tolist())
    assert shown == [[255, 0, 0], [0, 0, 255]]


def test_no_more_is_kept_than_allowed(world: Any, decoding: list[str]) -> None:
    store = DecodedPictures()
    parts = images(world, "dog", "cat", "owl")
    for _ in range(2):
        places, values = store.get(parts, SMALL, 2 * PICTURE, refuse)
        assert places == [0, 1, 2] and values is not None
    assert store.num_bytes == 2 * PICTURE
    assert decoding == ["dog", "cat", "owl", "owl"]  # what fitted stays, the rest comes anew
    nothing = DecodedPictures()
    nothing.get(parts, SMALL, 0, refuse)
    assert nothing.num_bytes == 0


def test_other_sizes_make_room_for_the_present_one(world: Any) -> None:
    store = DecodedPictures()
    parts = images(world, "dog", "cat")
    large = SMALL.model_copy(update={"size": 32})
    limit = 2 * 4 * PICTURE
    store.get(parts, SMALL, limit, refuse)
    store.get(parts, large, limit, refuse)
    assert store.num_bytes == limit  # the small ones are gone
    store.get(parts, SMALL, limit, refuse)
    assert store.num_bytes <= limit
    store.clear()
    assert store.num_bytes == 0


def test_pictures_in_memory_are_told_apart_by_their_bytes(world: Any) -> None:
    store = DecodedPictures()
    parts: list[Part] = [
        Image(BytesContent((world.things / f"{name}.png").read_bytes())) for name in ("dog", "cat")
    ]
    values = store.get(parts, SMALL, PLENTY, refuse)[1]
    assert values is not None and not torch.equal(values[0], values[1])


def token_rows(world: Any, *texts: str, **options: Any) -> TokenRows:
    preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"), **options)
    return TokenRows([Text(text) for text in texts], preprocess)


def test_texts_are_encoded_once_as_the_decoder_does(world: Any, decoding: list[str]) -> None:
    texts = ["a dog of a cat", "owl", "  ", "a hen", "a dog " * 600]
    rows = token_rows(world, *texts, max_tokens=2000)
    told: list[int] = []
    for _ in range(3):
        kept, ids = rows.get(
            np.array([4, 1, 2, 0, 1]), lambda place, part, error: told.append(place)
        )
        assert kept == [0, 1, 3, 4]
        values, mask = rows.pad(ids)
        sound: list[Part] = [Text(texts[number]) for number in (4, 1, 0, 1)]
        expected = next(decode(sound, rows.preprocess, batches=[range(4)]))
        assert torch.equal(values, expected.values) and torch.equal(mask, expected.mask)
    assert told == [2, 2, 2]  # an empty text, each time
    assert decoding.count(texts[0]) == 1 and "a hen" not in decoding
