"""Whole models in folders: our own layout, parts, frozen towers, runs, and what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import interlingua as il
from interlingua.config import validate
from interlingua.data.tokenizer_file import END, START, clip_tokenizer
from interlingua.errors import CheckpointError, DataError, LayoutError
from interlingua.models.dual_encoder import DualEncoder
from interlingua.models.pretrained import load_pretrained, save_pretrained
from interlingua.space import Space
from interlingua.towers.pretrained import fingerprint, load_tower, load_weights
from interlingua.train.recipe import Recipe, to_yaml
from interlingua.train.run_folder import RunFolder

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "do", "dog</w>", START, END]
END_ID = len(TOKENS) - 1
IMAGE: dict[str, Any] = {
    "name": "vit", "image_size": 30, "patch_size": 6, "width": 24, "num_layers": 2,
    "num_heads": 3, "hidden_width": 40, "interpolation": "bilinear",
}  # fmt: skip
TEXT: dict[str, Any] = {
    "name": "text_transformer", "vocabulary": len(TOKENS), "width": 16, "num_layers": 2,
    "num_heads": 2, "hidden_width": 40, "max_positions": 12, "max_tokens": 12, "end_id": END_ID,
}  # fmt: skip
WORDS = ["a dog", "zebra", "a very long text that is cut"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """CLIP's kind of tokenizer, of single letters and one word."""
    folder = tmp_path_factory.mktemp("tokenizer")
    vocabulary = {token: number for number, token in enumerate(TOKENS)}
    backend = clip_tokenizer(vocabulary, [("d", "o"), ("do", "g</w>")])
    backend.save(str(folder / "tokenizer.json"))
    return str(folder)


def config_of(tokenizer: str, **image: Any) -> DualEncoder.Config:
    towers = {
        "image": {"tower": {**IMAGE, **image}},
        "text": {"tower": {**TEXT, "tokenizer": tokenizer}},
    }
    data = {"name": "dual_encoder", "width": 10, "towers": towers}
    return validate(DualEncoder.Config, data, "a test")


@pytest.fixture
def model(tokenizer: str) -> DualEncoder:
    torch.manual_seed(3)
    return config_of(tokenizer).build().eval()


@pytest.fixture
def run(model: DualEncoder, tmp_path: Path) -> Path:
    """A run folder as training leaves it."""
    recipe = Recipe(
        name="test",
        model=model.config,
        data={"sources": [{"source": {"name": "stamps"}}]},
        objectives={"match": {"objective": {"name": "pairwise_contrastive"}}},
        stages=[{"steps": 10}],
    )
    folder = RunFolder(tmp_path / "run")
    folder.write_text("recipe.yaml", to_yaml(recipe))
    folder.checkpoints.save(10, {"model": model.state_dict()}, {})
    return folder.path


def picture(seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (50, 40, 3), dtype=torch.uint8, generator=generator).numpy()


def assert_same_space(one: Space, two: Space) -> None:
    assert one.embed(texts=WORDS) == pytest.approx(two.embed(texts=WORDS), abs=1e-5)
    assert one.embed(images=[picture()]) == pytest.approx(two.embed(images=[picture()]), abs=1e-5)


@pytest.mark.parametrize("layout", ["hf_clip", "open_clip", "interlingua"])
def test_a_folder_loads_as_a_space_and_moves(
    model: DualEncoder, layout: str, tmp_path: Path
) -> None:
    save_pretrained(model, tmp_path / "saved", layout)
    space = il.load(tmp_path / "saved", device="cpu", precision="fp32")
    assert_same_space(space, Space(model, device="cpu", precision="fp32"))
    assert space.kinds == ("image", "text")
    (tmp_path / "saved").rename(tmp_path / "moved")
    moved = Space.load(tmp_path / "moved", device="cpu", precision="fp32")
    assert moved.id == space.id
    assert moved.run == tmp_path / "moved"
    assert_same_space(moved, space)


def test_a_space_saves_itself_whatever_inference_made_of_it(run: Path, tmp_path: Path) -> None:
    space = il.load(run, device="cpu", precision="bf16")
    space.save(tmp_path / "clip")
    again = il.load(tmp_path / "clip", device="cpu", precision="fp32")
    assert_same_space(again, il.load(run, device="cpu", precision="fp32"))
    again.save(tmp_path / "open", layout="open_clip")
    assert_same_space(il.load(tmp_path / "open", device="cpu", precision="fp32"), again)


def test_a_space_without_a_folder_or_with_a_changed_one(
    model: DualEncoder, run: Path, tmp_path: Path
) -> None:
    space = il.load(run, device="cpu")
    with torch.no_grad():
        model.projections["text"].weight += 1
    RunFolder(run).checkpoints.save(20, {"model": model.state_dict()}, {})
    with pytest.raises(CheckpointError, match="other weights by now"):
        space.save(tmp_path / "clip")
    with pytest.raises(LayoutError, match="not loaded from a folder"):
        Space(model, device="cpu").save(tmp_path / "clip")
    assert not (tmp_path / "clip").exists()


def test_transformers_opens_the_whole_folder(model: DualEncoder, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_pretrained(model, tmp_path / "clip")
    theirs = transformers.CLIPModel.from_pretrained(tmp_path / "clip").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "clip")
    ids = tokenizer(WORDS, padding=True, truncation=True, return_tensors="pt")
    assert ids["input_ids"].shape == (3, 12)
    with torch.inference_mode():
        found = theirs.get_text_features(**ids)
        found = found if isinstance(found, torch.Tensor) else found.pooler_output
    expected = Space(model, device="cpu", precision="fp32").embed(texts=WORDS)
    assert torch.nn.functional.normalize(found).numpy() == pytest.approx(expected, abs=1e-5)
    notes = json.loads((tmp_path / "clip" / "preprocessor_config.json").read_text())
    assert (notes["size"], notes["resample"]) == ({"shortest_edge": 30}, 2)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_tower_alone_serves_as_weights(model: DualEncoder, kind: str, tmp_path: Path) -> None:
    save_pretrained(model, tmp_path / "tower", "interlingua", part=f"towers.{kind}")
    use = model.config.towers[kind]
    loaded = load_weights(use.tower, str(tmp_path / "tower"))
    assert fingerprint(loaded) == fingerprint(model.towers[kind])
    frozen = use.model_copy(update={"weights": str(tmp_path / "tower"), "frozen": True})
    config = model.config.model_copy(update={"towers": {**model.config.towers, kind: frozen}})
    other = config.build()
    assert kind not in other.towers
    save_pretrained(other, tmp_path / "whole", "hf_clip")  # the frozen tower goes into it
    whole = load_pretrained(tmp_path / "whole")
    for key, tensor in model.towers[kind].state_dict().items():
        assert torch.equal(whole.towers[kind].state_dict()[key], tensor), key
    save_pretrained(other, tmp_path / "again", "interlingua", part=f"towers.{kind}")
    assert fingerprint(load_weights(use.tower, tmp_path / "again")) == fingerprint(loaded)


def test_parts_that_there_are_not(model: DualEncoder, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"no part 'towers.sound'") as caught:
        save_pretrained(model, tmp_path / "x", "interlingua", part="towers.sound")
    assert "towers.image, towers.text" in str(caught.value.next_step)
    with pytest.raises(LayoutError, match="part of a model can't be written in the layout hf_clip"):
        save_pretrained(model, tmp_path / "x", "hf_clip", part="towers.image")
    save_pretrained(model, tmp_path / "tower", "interlingua", part="towers.image")
    with pytest.raises(LayoutError, match="a tower alone"):
        il.load(tmp_path / "tower")
    with pytest.raises(LayoutError, match="weights of a vit, the tower is a text_transformer"):
        load_weights(model.config.towers["text"].tower, tmp_path / "tower")


def test_a_tower_of_another_shape_is_refused_by_name(model: DualEncoder, tmp_path: Path) -> None:
    save_pretrained(model, tmp_path / "saved", "interlingua")
    settings = {key: value for key, value in IMAGE.items() if key != "name"}
    with pytest.raises(LayoutError, match=r"missing .*blocks\.2"):
        load_tower("vit", tmp_path / "saved", **{**settings, "num_layers": 3})
    with pytest.raises(LayoutError, match="misshapen"):
        load_tower("vit", tmp_path / "saved", **{**settings, "image_size": 36})


def test_nothing_is_written_over_and_nothing_left_of_a_failure(
    model: DualEncoder, tmp_path: Path
) -> None:
    save_pretrained(model, tmp_path / "saved")
    with pytest.raises(LayoutError, match="something at this place"):
        save_pretrained(model, tmp_path / "saved")
    shutil.rmtree(tmp_path / "saved")
    gone = config_of(str(tmp_path / "nowhere.json")).build()
    with pytest.raises(DataError, match="tokenizer is missing"):
        save_pretrained(gone, tmp_path / "saved")
    (tmp_path / "file").write_text("")
    with pytest.raises(LayoutError, match="can't be written"):
        save_pretrained(model, tmp_path / "file" / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_our_own_description_is_checked(model: DualEncoder, tmp_path: Path) -> None:
    save_pretrained(model, tmp_path / "saved", "interlingua")
    file = tmp_path / "saved" / "model.json"
    good = json.loads(file.read_text())
    file.write_text(json.dumps({**good, "format_version": 2}))
    with pytest.raises(LayoutError, match="format version 2; this release reads 1"):
        load_pretrained(tmp_path / "saved")
    good["config"]["towers"]["image"]["tower"]["widht"] = 3
    file.write_text(json.dumps(good))
    with pytest.raises(il.InterlinguaError, match="did you mean 'width'"):
        load_pretrained(tmp_path / "saved")


def test_a_tokenizer_of_another_tower_is_refused_before_anything_is_embedded(
    model: DualEncoder, tmp_path: Path
) -> None:
    save_pretrained(model, tmp_path / "saved")
    more = {token: number for number, token in enumerate([*TOKENS[:-2], "extra", START, END])}
    other = clip_tokenizer(more, [("d", "o"), ("do", "g</w>")])
    other.save(str(tmp_path / "saved" / "tokenizer.json"))
    space = il.load(tmp_path / "saved", device="cpu")
    with pytest.raises(DataError, match=r"ids up to 56, the text tower's vocabulary ends at 55"):
        space.embed(texts="a dog")
    fewer = {token: number for number, token in enumerate([*TOKENS[:-3], START, END])}
    clip_tokenizer(fewer, [("d", "o")]).save(str(tmp_path / "saved" / "tokenizer.json"))
    space = il.load(tmp_path / "saved", device="cpu", precision="fp32")
    with pytest.raises(DataError, match="waits for the end token 55"):
        space.embed(texts="another dog")


def test_the_shared_space_keeps_its_frozen_towers_outside(
    finished_run: Path, world: Any, tmp_path: Path
) -> None:
    space = il.load(finished_run, device="cpu", precision="fp32")
    with pytest.raises(LayoutError, match="name is 'shared_space'"):
        space.save(tmp_path / "clip", "hf_clip")
    space.save(tmp_path / "own", "interlingua")
    again = il.load(tmp_path / "own", device="cpu", precision="fp32")
    texts = ["a dog", "red"]
    assert again.embed(texts=texts) == pytest.approx(space.embed(texts=texts), abs=1e-6)
