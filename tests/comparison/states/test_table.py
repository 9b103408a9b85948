from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interlingua.comparison.states.damage import Damage, Pooling, reader
from interlingua.comparison.states.maker import pooled_states
from interlingua.comparison.states.table import StateTable, token_states
from interlingua.config import validate
from interlingua.content import BytesContent, FileContent
from interlingua.data import degrade
from interlingua.data.image import decode_pixels
from interlingua.data.loader import decode
from interlingua.errors import DataError, MediaError
from interlingua.models.tower_use import TowerUse
from interlingua.sample import Audio, Image, Text
from interlingua.towers.tower import frozen_inference

LEVELS = (0.0, 0.5, 1.0)


def use_of(world: Any, name: str, **options: Any) -> TowerUse:
    return validate(TowerUse, world.tower(name, **options), "test")


def pictures(world: Any, *names: str) -> list[Image]:
    return [Image(FileContent(world.things / f"{name}.png")) for name in names]


@pytest.fixture
def made(world: Any, tmp_path: Path) -> Callable[..., StateTable]:
    """``token_states`` in a folder of its own, in fp32."""

    def make(tower: str, parts: list[Any], *, options: Any = None, **more: Any) -> StateTable:
        use = use_of(world, tower, **(options or {}))
        more = {"root": tmp_path / "features", "precision": "fp32", **more}
        return token_states(use, parts, **more)

    return make


def test_pictures_are_what_the_tower_gives(world: Any, made: Callable[..., StateTable]) -> None:
    parts = pictures(world, "dog", "cat", "owl")
    damage = Damage(kind="hide", levels=LEVELS, draws=2)
    table = made("image", parts, damage=damage, pooling=Pooling(grid=1), options={"image_size": 64})
    assert table.rows.shape == (3, 4)
    assert [level for level, _ in table.variants] == [0.0, 0.5, 0.5, 1.0]
    tower = frozen_inference(use_of(world, "image", image_size=64).build(), torch.float32)
    for thing, part in enumerate(parts):
        pixels = decode_pixels(part.content, tower.preprocess)
        with torch.inference_mode():
            states = tower(pixels[None]).states
        assert states.shape[1] == 4, "2 x 2 positions"
        kept = table.states[table.at(0.0)[thing, 0]]
        torch.testing.assert_close(kept.float(), states.mean(1), atol=2e-3, rtol=2e-3)
    blank = table.states[torch.from_numpy(table.at(1.0)[:, 0])]
    assert (blank == blank[:1]).all()
    assert (table.states[table.at(0.5)[0, 0]] != table.states[table.at(0.5)[0, 1]]).any()


def test_hidden_pictures_are_hidden_exactly(world: Any) -> None:
    preprocess = use_of(world, "image").build().preprocess
    part = pictures(world, "dog")[0]
    read = reader(preprocess, Pooling(), Damage(kind="hide", levels=(0.0, 0.25, 0.75)))
    values, mask = read(part, "some digest")
    assert values.shape[:2] == (3, 3) and mask is None
    drawn = [degrade.drawn(one.permute(1, 2, 0).numpy()).sum() for one in values]
    assert drawn[0] - drawn[1] == round(0.25 * drawn[0])
    assert drawn[0] - drawn[2] == round(0.75 * drawn[0])
    assert torch.equal(values[0], decode_pixels(part.content, preprocess))
    again, _ = read(part, "some digest")
    assert torch.equal(values, again)
    other, _ = read(part, "another digest")
    assert not torch.equal(values[1], other[1])


def test_sounds_have_one_window_and_equal_spans(
    world: Any, made: Callable[..., StateTable]
) -> None:
    parts = [
        Audio(FileContent(world.things / f"{name}_fr.wav"), "speech") for name in ("dog", "cat")
    ]
    damage = Damage(kind="drown", levels=LEVELS)
    table = made("audio", parts, damage=damage, pooling=Pooling(seconds=1.0, spans=10))
    assert table.states.shape == (6, 10, 16)
    assert table.mask is None
    tower = use_of(world, "audio", max_seconds=1.0, bucket_seconds=1.0).build()
    chunk = next(decode(parts[:1], tower.preprocess))
    with torch.inference_mode():
        states = tower(chunk.values, chunk.mask).states
    expected = states.unflatten(1, (10, 5)).mean(2)[0]
    torch.testing.assert_close(table.states[0].float(), expected, atol=2e-3, rtol=2e-3)


def test_texts_are_masked_and_cut(world: Any, made: Callable[..., StateTable]) -> None:
    parts = [Text("a dog"), Text("a cat of a pan of a pot")]
    damage = Damage(kind="drop_words", levels=LEVELS)
    table = made("text", parts, damage=damage, pooling=Pooling(words=4))
    assert table.states.shape == (6, 4, 16)
    assert table.mask is not None
    assert table.mask.sum(1).tolist() == [2, 1, 1, 4, 4, 1]
    tower = use_of(world, "text").build()
    chunk = next(decode(parts[:1], tower.preprocess))
    with torch.inference_mode():
        states = tower(chunk.values, chunk.mask).states
    torch.testing.assert_close(table.states[0, :2].float(), states[0], atol=2e-3, rtol=2e-3)


def test_a_second_use_reads_the_file(
    world: Any, made: Callable[..., StateTable], tmp_path: Path
) -> None:
    parts = pictures(world, "dog", "cat")
    told: list[tuple[str, int, int]] = []

    def progress(message: str, done: int = 0, total: int = 0) -> None:
        told.append((message, done, total))

    first = made("image", parts, progress=progress)
    assert first.computed and told[-1][1:] == (2, 2)
    told.clear()
    second = made("image", parts, progress=progress)
    assert not second.computed and not told
    assert torch.equal(first.states, second.states)
    assert np.array_equal(first.rows, second.rows)
    for change in (
        {"pooling": Pooling(grid=2)},
        {"damage": Damage(kind="hide", levels=LEVELS)},
        {"damage": Damage(kind="hide", levels=LEVELS, seed=1)},
        {"options": {"image_size": 64}},
        {"precision": "bf16"},
    ):
        assert made("image", parts, **change).computed, change
    assert made("image", parts[::-1]).computed, "other media"


def test_a_damaged_table_is_made_again(
    world: Any, made: Callable[..., StateTable], tmp_path: Path
) -> None:
    parts = pictures(world, "dog", "cat")
    first = made("image", parts)
    (path,) = (tmp_path / "features").glob("image-states-*/states.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF
    path.write_bytes(data)
    again = made("image", parts)
    assert again.computed
    assert torch.equal(first.states, again.states)
    path.write_bytes(bytes(data[:100]))
    assert made("image", parts).computed
    assert not list(path.parent.glob("*.tmp-*"))


def test_what_is_missing_or_broken_has_no_rows(world: Any, made: Callable[..., StateTable]) -> None:
    dog, cat = pictures(world, "dog", "cat")
    broken = Image(FileContent(world.things / "broken.png"))
    gone = Image(FileContent(world.things / "gone.png"))
    parts = [dog, None, broken, cat, gone]
    damage = Damage(kind="hide", levels=(0.0, 0.5))
    for _ in range(2):  # computed, then read
        failed: dict[int, str] = {}

        def on_error(number: int, error: MediaError, failed: dict[int, str] = failed) -> None:
            failed[number] = error.reason

        table = made("image", parts, damage=damage, on_error=on_error)
        assert set(failed) == {2, 4} and failed[4] == "missing"
        assert table.rows.tolist() == [[0, 1], [-1, -1], [-1, -1], [2, 3], [-1, -1]]
        assert len(table.states) == 4
    with pytest.raises(MediaError):
        made("image", parts, damage=damage)
    alone = made("image", [cat], damage=damage)
    torch.testing.assert_close(alone.states.float(), table.states[2:].float(), atol=2e-3, rtol=1e-3)


def test_nothing_that_can_be_read_is_an_empty_table(made: Callable[..., StateTable]) -> None:
    table = made("image", [None, None])
    assert table.rows.tolist() == [[-1], [-1]]
    bad = Image(BytesContent(b"no picture", "x.png"))
    table = made("image", [bad], on_error=lambda number, error: None)
    assert table.rows.tolist() == [[-1]] and len(table.states) == 0


def test_media_and_damage_of_another_kind_are_refused(
    world: Any, made: Callable[..., StateTable]
) -> None:
    with pytest.raises(DataError, match="given a text"):
        made("image", [Text("a dog")])
    with pytest.raises(DataError, match="'drown' is not for"):
        made("image", pictures(world, "dog"), damage=Damage(kind="drown", levels=LEVELS))
    with pytest.raises(DataError, match=r"level 0\.25"):
        made("image", pictures(world, "dog")).at(0.25)
    with pytest.raises(ValueError, match="0 to 1"):
        Damage(kind="hide", levels=(0.0, 1.5))


def test_pooling_by_grid_and_by_time() -> None:
    states = torch.arange(2 * 17 * 3.0).reshape(2, 17, 3)
    pooled = pooled_states(states, (1, 4, 4), None, Pooling(grid=2))
    square = states[:, 1:].unflatten(1, (4, 4))
    assert torch.equal(pooled[:, 0], square[:, :2, :2].mean((1, 2)))
    assert torch.equal(pooled[:, 3], square[:, 2:, 2:].mean((1, 2)))
    pooled = pooled_states(states[:, 1:], None, None, Pooling(spans=4))
    assert torch.equal(pooled[:, 1], states[:, 5:9].mean(1))
    few = pooled_states(states[:, :2], None, None, Pooling(spans=4))
    assert torch.equal(few, states[:, :2]), "what is small stays as it is"


def test_a_moved_file_is_the_same_medium(
    world: Any, made: Callable[..., StateTable], tmp_path: Path
) -> None:
    first = made("image", pictures(world, "dog"))
    shutil.copy(world.things / "dog.png", tmp_path / "elsewhere.png")
    assert not made("image", [Image(FileContent(tmp_path / "elsewhere.png"))]).computed
    assert len(first.states) == 1
