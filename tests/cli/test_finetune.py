"""A tiny CLIP from its own checkpoint folder goes on with a small folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from interlingua.errors import ConfigError
from interlingua.recipes.finetune import layer_rates

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 200, 40),
    "blue": (40, 40, 200),
    "grey": (90, 90, 90),
}
WORDS = ("[PAD]", "[START]", "[END]", "[UNK]", "a", "photo", "of", ".", *COLOURS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of random weights in this library's own layout."""
    from interlingua.config import validate
    from interlingua.models.dual_encoder import DualEncoder
    from interlingua.models.pretrained import save_pretrained

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[START] $A [END]", special_tokens=[("[START]", 1), ("[END]", 2)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(folder / "tokenizer.json"))
    size = {"width": 32, "num_layers": 2, "num_heads": 2, "hidden_width": 64}
    image = {"name": "vit", "image_size": 16, "patch_size": 8, **size}
    text = {
        "name": "text_transformer", "vocabulary": len(WORDS), "max_positions": 12, "end_id": 2,
        "max_tokens": 12, "tokenizer": str(folder / "tokenizer.json"), "clean": "none", **size,
    }  # fmt: skip
    towers = {"image": {"tower": image}, "text": {"tower": text}}
    config = validate(DualEncoder.Config, {"width": 24, "towers": towers}, "tiny CLIP")
    torch.manual_seed(0)
    save_pretrained(config.build(), folder / "model", "interlingua")
    return folder / "model"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen noisy pictures of each of four colours; no two look alike."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(16):
            noise = random.integers(-40, 40, (4, 4, 3)).repeat(5, 0).repeat(5, 1)
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of its own, and one thread: tensors this small only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLINGUA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    torch.set_num_threads(before)


def run(interlingua, clip: Path, pictures: Path, out: Path, *options: object):
    return interlingua(
        "finetune", clip, "--data", pictures, "--out", out, "--hold-out", 0.4, "--batch-size", 16,
        "--device", "cpu", "--json", *options, "precision=fp32",
    )  # fmt: skip


_DONE: dict[str, Path] = {}


@pytest.fixture
def tuned(interlingua, clip: Path, pictures: Path, tmp_path_factory) -> Path:
    """A run that has learned; trained once."""
    if "run" not in _DONE:
        out = tmp_path_factory.mktemp("tuned") / "run"
        ended = run(interlingua, clip, pictures, out, "--epochs", 12, "--learning-rate", 3e-3)
        assert ended.code == 0, ended.err
        (out / "printed.json").write_text(ended.out)
        _DONE["run"] = out
    return _DONE["run"]


def test_a_model_learns_a_small_folder_and_is_no_worse_for_it(
    interlingua, tuned: Path, pictures: Path
) -> None:
    out = tuned
    found = json.loads((out / "printed.json").read_text())
    assert found["choose_by"] + found["judge_by"] == pytest.approx(26, abs=2)
    assert found["chosen"]["accuracy"] > 0.7 > found["start"]["accuracy"]
    assert found["best"]["step"] > 0
    steps = {one["step"] for one in found["tried"]}
    assert len(steps) >= 5
    assert 0 in steps
    # the newest step is the chosen model, and it is judged as any model
    ended = interlingua("zero-shot", out, pictures, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["accuracy"]["1"]["value"] > 0.7
    assert json.loads((out / "finetuned.json").read_text())["best"] == found["best"]
    assert (found["chance"], found["classes"]) == (1 / 4, 4)
    card = (out / "README.md").read_text("utf-8")
    assert f"judged by {found['judge_by']} held-out samples that chose nothing" in card
    assert "| as loaded |" in card and "| this model |" in card
    assert "The run began with model." in card  # the folder's name, not where it lies
    assert "**not stated**" in card  # the licence of the user's own pictures


def test_the_page_shows_what_chose_nothing(tuned: Path) -> None:
    found = json.loads((tuned / "printed.json").read_text())
    page = (tuned / "report.html").read_text("utf-8")
    assert found["page"] == str(tuned / "report.html")
    assert f"{found['choose_by']} held-out samples chose among the weights" in page
    figures = json.loads((tuned / "figures.json").read_text())
    assert figures["counts"]["held_out"] == found["judge_by"]
    rows = {(row["query"], row["gallery"]): row for row in figures["held_out"]}
    row = rows["image", "text"]
    assert (row["n"], row["gallery_size"]) == (found["judge_by"], found["judge_by"])
    # a text of the picture's class is right, whichever picture it stands with
    assert row["r_at"]["1"]["value"] > 0.7


def test_the_guard_keeps_the_model_where_training_only_harms(
    interlingua, tuned: Path, pictures: Path, tmp_path: Path
) -> None:
    good = tuned
    bad = tmp_path / "bad"
    ended = run(interlingua, good, pictures, bad, "--epochs", 4, "--learning-rate", 3.0)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["tuned"]["accuracy"] < 0.7 < found["start"]["accuracy"]
    assert found["chosen"]["accuracy"] >= found["start"]["accuracy"]
    first = found["tried"][0]
    assert (first["step"], first["share"]) == (0, 0.0)
    assert found["best"]["accuracy"] >= first["accuracy"]
    from interlingua.space import load

    start, chosen = load(good, precision="fp32"), load(bad, precision="fp32")
    if found["best"]["step"] == 0:
        texts = ["a photo of a red."]
        assert np.allclose(start.embed(texts=texts), chosen.embed(texts=texts), atol=1e-6)


def test_the_recipe_of_the_run_runs_again_by_itself(
    interlingua, clip: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(interlingua, clip, pictures, out, "--epochs", 1).code == 0
    from interlingua.train.recipe import read_yaml
    from interlingua.train.session import resume_run, train_recipe

    recipe = read_yaml(out / "recipe.yaml")
    assert recipe.start_from == str(clip)
    assert recipe.data.sources[0].source.templates == ("a photo of a {}.",)
    again = train_recipe(recipe, tmp_path / "again", device="cpu")
    assert again.run.checkpoints.steps()
    assert resume_run(out, device="cpu").run.path == out  # a finished run stays as it is


def test_captions_of_a_manifest_are_learned_too(
    interlingua, clip: Path, pictures: Path, tmp_path: Path
) -> None:
    names = [(name, number) for name in COLOURS for number in range(6)]
    rows = [
        f"{pictures / name / str(number)}.png,a photo of a {name} {number}"
        for name, number in names
    ]
    manifest = tmp_path / "set.csv"
    manifest.write_text("\n".join(["image,text", *rows]))
    ended = run(interlingua, clip, manifest, tmp_path / "run", "--epochs", 1)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["chosen"]["n"] == found["judge_by"]
    figures = json.loads((tmp_path / "run" / "figures.json").read_text())
    assert figures["counts"]["held_out"] == found["judge_by"]
    assert (tmp_path / "run" / "report.html").exists()


def test_a_probe_reads_the_towers_of_a_fine_tuned_model(
    interlingua, tuned: Path, pictures: Path
) -> None:
    from interlingua.cli.models import pooled_embed
    from interlingua.content import FileContent
    from interlingua.sample import Image as Part
    from interlingua.space import load

    space = load(tuned, precision="fp32")
    part = Part(FileContent(pictures / "red" / "0.png"))
    pooled = pooled_embed(space)([part], None)
    assert pooled.shape == (1, 32)  # the tower's width; the space has 24
    projected = torch.from_numpy(pooled) @ space.model.projections["image"].weight.T
    unit = torch.nn.functional.normalize(projected, dim=1).detach().numpy()
    assert np.allclose(unit, space.embed_parts([part]), atol=1e-5)
    ended = interlingua("probe", tuned, "--data", pictures, "--strength", 1, "--knn", 5, "--json")
    assert ended.code == 0, ended.err
    assert all(one["accuracy"]["1"]["value"] > 0.7 for one in json.loads(ended.out)["probes"])


def test_a_run_starts_from_the_weights_and_from_no_others(clip: Path, pictures: Path) -> None:
    from interlingua.model_source import load_model
    from interlingua.models.dual_encoder import DualEncoder
    from interlingua.train.start import start_from

    loaded, _ = load_model(clip)
    torch.manual_seed(5)
    model = loaded.config.build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = start_from(model, str(clip))
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
        assert torch.equal(weights[name], tensor)
    assert any(not torch.equal(before[name], weights[name]) for name in before)
    other = DualEncoder(loaded.config.model_copy(update={"width": 20}))
    with pytest.raises(ConfigError, match=r"of another shape projections\.image\.weight"):
        start_from(other, str(clip))
    biased = DualEncoder(loaded.config.model_copy(update={"initial_bias": -10.0}))
    with pytest.raises(ConfigError, match="has besides bias"):
        start_from(biased, str(clip))


def test_deeper_blocks_learn_more_slowly(clip: Path) -> None:
    from interlingua.model_source import load_model
    from interlingua.train.stages import Stage, multipliers

    model, _ = load_model(clip)
    from interlingua.config import to_plain

    stage = Stage(steps=1, trainable=layer_rates(to_plain(model.config)["towers"], decay=0.5))
    rates = multipliers(stage, [name for name, _ in model.named_parameters()])
    assert rates["towers.image.blocks.1.attention.qkv.weight"] == 0.5
    assert rates["towers.image.blocks.0.attention.qkv.weight"] == 0.25
    assert rates["towers.text.token_embedding.weight"] == 0.125
    assert rates["projections.image.weight"] == rates["towers.text.norm.weight"] == 1
    assert set(rates) == {name for name, _ in model.named_parameters()}


def test_what_can_not_be_fine_tuned(
    interlingua, clip: Path, pictures: Path, tmp_path: Path
) -> None:
    ended = interlingua("finetune", clip, "--out", tmp_path / "a")
    assert (ended.code, "No data are named" in ended.err) == (2, True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    ended = interlingua("finetune", clip, "--data", pictures, "--out", tmp_path / "full")
    assert (ended.code, "already holds something" in ended.err) == (2, True)
    few = tmp_path / "few"
    for name in ("red", "blue"):
        (few / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), COLOURS[name]).save(few / name / "1.png")
    ended = interlingua("finetune", clip, "--data", few, "--out", tmp_path / "b")
    assert ended.code == 2
    assert "needs eight or more" in ended.err
    assert not (tmp_path / "b").exists()
