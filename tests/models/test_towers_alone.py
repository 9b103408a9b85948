"""Models of one tower: what they hide, what they guess, and that a dual encoder can go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from interlingua.batch import Batch, Media
from interlingua.config import to_plain, validate
from interlingua.errors import ConfigError, DataError
from interlingua.models.classifier import Classifier
from interlingua.models.dual_encoder import DualEncoder
from interlingua.models.masked_pictures import MaskedPictures, fold_patches
from interlingua.models.masked_words import MaskedWords
from interlingua.nn.patches import unfold_patches
from interlingua.train.empty_media import empty_media
from interlingua.train.recipe import Recipe
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.session import Session, open_run, prepare, train_recipe

VIT = {
    "name": "vit", "image_size": 32, "patch_size": 8, "width": 16, "num_layers": 2,
    "num_heads": 2, "hidden_width": 32,
}  # fmt: skip
WORDS = {
    "name": "text_transformer", "vocabulary": 27, "width": 16, "num_layers": 2, "num_heads": 2,
    "hidden_width": 32, "max_positions": 20, "max_tokens": 20, "clean": "none",
}  # fmt: skip
BOTH_WAYS = {**WORDS, "causal": False, "pooling": "mean"}
CAUSAL = {**WORDS, "causal": True, "pooling": "last"}
BERT = {
    "name": "bert", "vocabulary": 27, "width": 16, "num_layers": 2, "num_heads": 2,
    "hidden_width": 32, "max_positions": 20,
}  # fmt: skip
# 25 is "of" in tests/tiny_recipe.py: it stands in for a mask token; 26 is [UNK]
MASK, SPECIAL = 25, (25, 26)
CLASSES = ("animals", "things")


def pictures(**options: Any) -> dict[str, Any]:
    return {"towers": {"image": {"tower": {**VIT, **options}}}}


def words(tower: dict[str, Any], **options: Any) -> dict[str, Any]:
    ids = {"mask_id": MASK, "special_ids": SPECIAL}
    return {"towers": {"text": {"tower": tower}}, **ids, **options}


CASES: dict[str, tuple[type[Any], dict[str, Any], str]] = {
    "classifier": (Classifier, {**pictures(), "classes": CLASSES}, "classification"),
    "masked_pictures": (MaskedPictures, pictures(), "masked_patches"),
    "masked_words": (MaskedWords, words(BOTH_WAYS), "masked_words"),
    "masked_words-bert": (MaskedWords, words(BERT), "masked_words"),
    "next_words": (MaskedWords, words(CAUSAL, predict="next"), "masked_words"),
}


def recipe_of(world: Any, case: str, **changes: Any) -> Recipe:
    model, settings, objective = CASES[case]
    settings = {"name": model.Config.model_fields["name"].default, **settings}
    for use in settings["towers"].values():
        if use["tower"]["name"] in ("text_transformer", "bert"):
            use["tower"]["tokenizer"] = str(world.folder / "tokenizer.json")
    stage = {"name": "alone", "steps": 30, "batch_size": 18, "learning_rate": 3e-3, "log_every": 1}
    return world.recipe(
        model=settings,
        objectives={"alone": {"objective": {"name": objective}}},
        stages=[stage],
        **changes,
    )


@pytest.fixture(params=CASES)
def session(request: pytest.FixtureRequest, world: Any, tmp_path: Path) -> Session:
    return prepare(recipe_of(world, request.param), RunFolder(tmp_path / "run"))


def batch_of(session: Session, size: int = 12) -> Batch:
    return session.batches(session.corpus.train)(range(size), np.random.default_rng(0))


def loss_of(session: Session, batch: Batch, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    objective = next(iter(session.recipe.objectives.values())).objective.build()
    return objective(session.model(batch, needs=objective.needs), batch)


def test_every_parameter_that_the_tower_uses_learns(session: Session) -> None:
    """But for what makes the pooled vector, where only the states are read, and the other way."""
    model = session.model.train()
    loss_of(session, batch_of(session)).total.backward()
    without = {name for name, one in model.named_parameters() if one.grad is None}
    assert without <= {"towers.text.segment_embedding.weight"}
    if isinstance(model, Classifier):  # its head begins at zero: the tower learns from step two
        assert model.head.weight.grad.abs().sum() > 0
        return
    still = {n for n, one in model.named_parameters() if n not in without and not one.grad.any()}
    assert not still


def test_a_dual_encoder_has_the_same_tower(session: Session) -> None:
    """Same settings, same names, same shapes: ``weights export`` needs no other map."""
    view = session.model.view
    use = session.recipe.model.towers[view]
    other = {**pictures(), **words(BOTH_WAYS)}["towers"]
    config = {"width": 8, "towers": {"image": pictures()["towers"]["image"],
                                     "text": {"tower": BOTH_WAYS}}}  # fmt: skip
    config["towers"][view] = to_plain(use)
    assert other
    dual = validate(DualEncoder.Config, config, "test").build()
    state = {n: t for n, t in session.model.state_dict().items() if n.startswith("towers.")}
    missing, unexpected = dual.load_state_dict(state, strict=False)
    assert not unexpected
    assert not any(name.startswith(f"towers.{view}.") for name in missing)
    batch = batch_of(session)
    alone = session.model.eval().pooled(view, batch.media[view])
    assert torch.allclose(dual.eval().pooled(view, batch.media[view]), alone, atol=1e-6)


def test_saving_and_loading_is_exact(session: Session, tmp_path: Path) -> None:
    batch = batch_of(session)
    before = loss_of(session, batch).total
    save_file({k: v.contiguous() for k, v in session.model.state_dict().items()}, tmp_path / "m")
    torch.manual_seed(99)
    session.model = session.recipe.model.build()
    session.model.load_state_dict(load_file(tmp_path / "m"))
    assert torch.equal(loss_of(session, batch).total, before)


def test_settings_survive_as_plain_data(session: Session) -> None:
    config = session.recipe.model
    assert validate(type(config), to_plain(config), "test") == config


def test_it_is_a_space_of_its_own(session: Session) -> None:
    batch, model = batch_of(session), session.model.eval()
    vectors = model.embed_media(model.view, batch.media[model.view])
    assert vectors.shape == (12, model.dimension) and model.dimension == 16
    assert torch.allclose(vectors.norm(dim=1), torch.ones(12), atol=1e-5)
    assert model.views == tuple(session.recipe.model.views)
    with pytest.raises(DataError, match="no tower for 'video'"):
        model.preprocess("video")


def test_a_batch_of_one_and_of_nothing_readable(session: Session) -> None:
    model = session.model.train()
    one = loss_of(session, batch_of(session, 1))
    assert one.total.isfinite() and next(iter(one.counts.values())) > 0
    empty = batch_of(session, 2)
    nothing = torch.zeros(0, dtype=torch.int64)
    for media in (None, Media(nothing, nothing), empty_media(model.preprocess(model.view))):
        empty.media = {} if media is None else {model.view: media}
        loss = loss_of(session, empty)
        assert float(loss.total.detach()) == 0 and not any(loss.counts.values())
        model.zero_grad()
        loss.total.backward()
    # with values of no row the tower ran, as in a process whose share has no such medium
    assert all(one.grad is not None for one in model.tower.blocks.parameters())


@pytest.mark.parametrize("case", CASES)
def test_it_learns_and_goes_on(world: Any, tmp_path: Path, case: str) -> None:
    recipe = recipe_of(world, case)
    train_recipe(recipe, tmp_path / "run")
    rows = [row for row in read_lines(tmp_path / "run" / "metrics.jsonl") if row["kind"] == "train"]
    losses = [row["loss"] for row in rows]
    assert np.mean(losses[-5:]) < 0.97 * np.mean(losses[:5])
    opened = open_run(tmp_path / "run")
    assert opened.model.views == (opened.model.view,)


def test_only_the_hidden_patches_are_guessed_from_the_others(world: Any, tmp_path: Path) -> None:
    session = prepare(recipe_of(world, "masked_pictures"), RunFolder(tmp_path / "run"))
    model, batch = session.model.eval(), batch_of(session)
    hidden = torch.zeros(12, 16, dtype=torch.bool)
    hidden[:, 3] = True
    model.choose = lambda count, grid, device: hidden
    outputs = model(batch)
    assert outputs.predicted.shape == outputs.target.shape == (12, 3 * 8 * 8)
    changed = batch.media["image"].values.clone()
    changed[:, :, 0:8, 24:32] += 90  # patch 3 is the last of the first row
    batch.media["image"].values = changed
    again = model(batch)
    assert torch.equal(again.predicted, outputs.predicted)
    assert not torch.equal(again.target, outputs.target)
    changed[:, :, 8:16, 0:8] += 90  # a patch that is seen
    assert not torch.equal(model(batch).predicted, outputs.predicted)


def test_squares_are_hidden_whole_and_equally_many() -> None:
    config = MaskedPictures.Config(**pictures(), mask_share=0.5, mask_unit=16)
    hidden = config.build().choose(50, (4, 4), torch.device("cpu")).view(50, 2, 2, 2, 2)
    whole = hidden.permute(0, 1, 3, 2, 4).flatten(3)
    assert torch.equal(whole.all(3), whole.any(3))
    assert (hidden.flatten(1).sum(1) == 8).all()
    assert len({tuple(row.tolist()) for row in hidden.flatten(1)}) > 3


def test_patches_are_folded_back() -> None:
    pixels = torch.randn(3, 3, 16, 24)
    assert torch.equal(fold_patches(unfold_patches(pixels, 8), (2, 3)), pixels)


@pytest.mark.parametrize(
    ("options", "tower", "message"),
    [
        ({"mask_unit": 12}, {}, "no multiple of the patch"),
        ({"patch_size": 16}, {}, "no state for each of 2 x 2"),
        ({}, {"patch_dropout": 0.5}, "Patch dropout must be off"),
        ({"mask_unit": 32}, {}, "no two whole squares"),
    ],
)
def test_what_cant_be_hidden(options: dict[str, Any], tower: dict[str, Any], message: str) -> None:
    values = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    owner = torch.arange(2)
    with pytest.raises(ConfigError, match=message):
        model = MaskedPictures.Config(**pictures(**tower), **options).build().train()
        model(Batch(["a", "b"], {"image": Media(owner, owner, values)}))


def test_a_convolutional_tower_learns_patches_of_its_stride() -> None:
    tower = {"name": "efficientnet", "width_multiplier": 0.25, "depth_multiplier": 0.3,
             "image_size": 64, "num_classes": 0}  # fmt: skip
    with pytest.raises(ConfigError, match="32 for EfficientNet"):
        MaskedPictures.Config(towers={"image": {"tower": tower}}).build()
    model = MaskedPictures.Config(towers={"image": {"tower": tower}}, patch_size=32).build()
    owner = torch.arange(3)
    batch = Batch(list("abc"), {"image": Media(owner, owner, torch.zeros(3, 3, 64, 64).byte())})
    assert model(batch).predicted.shape == (3 * 2, 3 * 32 * 32)  # 60 % of four


def hiding(share: float = 0.15) -> tuple[MaskedWords, torch.Tensor, torch.Tensor]:
    model = MaskedWords.Config(**words(BOTH_WAYS, mask_share=share)).build()
    ids = torch.randint(0, 27, (400, 20))
    ids[:, 0] = SPECIAL[1]
    real = torch.arange(20)[None] < torch.randint(2, 21, (400, 1))
    return model, ids, real


def test_words_are_hidden_as_in_bert() -> None:
    model, ids, real = hiding(0.5)
    shown, chosen = model.hide(ids, real)
    candidates = real & (ids != SPECIAL[0]) & (ids != SPECIAL[1])
    assert not (chosen & ~candidates).any()
    assert torch.equal(shown[~chosen], ids[~chosen])
    share = float(chosen.sum() / candidates.sum())
    assert 0.47 < share < 0.56  # a little more: one at least
    became, was = shown[chosen], ids[chosen]
    masked = (became == MASK).float().mean()
    kept = (became == was).float().mean()
    assert 0.77 < float(masked) < 0.84  # 80 %, and 1 in 27 of a tenth
    assert 0.07 < float(kept) < 0.14


def test_each_text_has_a_word_to_guess() -> None:
    model, ids, real = hiding(0.01)
    _, chosen = model.hide(ids, real)
    has_candidates = (real & (ids != SPECIAL[0]) & (ids != SPECIAL[1])).any(1)
    assert torch.equal(chosen.any(1), has_candidates)
    only_special = torch.full((3, 4), SPECIAL[1])
    assert not model.hide(only_special, torch.ones(3, 4, dtype=torch.bool))[1].any()


def test_the_next_word_is_guessed_from_those_before_it() -> None:
    model = MaskedWords.Config(**words(CAUSAL, predict="next")).build().eval()
    ids = torch.randint(0, 25, (2, 6))
    real = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    owner = torch.arange(2)

    def outputs(values: torch.Tensor) -> Any:
        return model(Batch(["a", "b"], {"text": Media(owner, owner, values, real)}))

    first = outputs(ids)
    assert first.target.tolist() == [*ids[0, 1:].tolist(), *ids[1, 1:3].tolist()]
    changed = ids.clone()
    changed[0, 4] = (ids[0, 4] + 1) % 25
    second = outputs(changed)
    assert torch.allclose(second.logits[:4], first.logits[:4], atol=1e-6)
    assert not torch.allclose(second.logits[4], first.logits[4], atol=1e-4)


def test_the_decoder_is_the_embedding() -> None:
    model = MaskedWords.Config(**words(BOTH_WAYS)).build()
    names = {name for name, _ in model.named_parameters() if not name.startswith("towers")}
    assert names == {"transform.weight", "transform.bias", "transform_norm.weight",
                     "transform_norm.bias", "bias"}  # fmt: skip
    states = torch.randn(3, 16)
    before = model._decode(states)
    with torch.no_grad():
        model.tower.token_embedding.weight[4] += 1
    differs = (model._decode(states) != before).any(0)
    assert differs.nonzero().flatten().tolist() == [4]


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (Classifier, {**pictures(), "classes": ["a"]}, "with 1 classes; give two"),
        (Classifier, {**pictures(), "classes": []}, "with 0 classes; give two"),
        (Classifier, {**pictures(), "classes": ["a", " "]}, "a class has no name"),
        (Classifier, {**pictures(), "classes": ["a", "b", "a"]}, "'a' is named twice"),
        (Classifier, {"towers": {}, "classes": CLASSES}, "one tower and one view, not 0"),
        (
            Classifier,
            {"towers": {"image": {"tower": VIT, "weights": "x", "frozen": True}},
             "classes": CLASSES},
            "a frozen tower learns nothing",
        ),
        (MaskedPictures, {**pictures(), "views": {"image": "eye"}}, "tower 'eye' that is not"),
        (MaskedWords, words(CAUSAL), "set predict=next"),
        (MaskedWords, words(BOTH_WAYS, predict="next"), "set predict=masked"),
        (MaskedWords, words(BOTH_WAYS, mask_id=27), "not in the vocabulary of 27"),
        (MaskedWords, {"towers": {"text": {"tower": VIT}}}, "it takes no text"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(model: type[Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(model.Config, settings, "test")


def test_classes_that_the_data_lack_are_named(world: Any, tmp_path: Path) -> None:
    recipe = recipe_of(world, "classifier")
    model = recipe.model.model_copy(update={"classes": ("birds", "fish")})
    session = prepare(recipe.model_copy(update={"model": model}), RunFolder(tmp_path / "run"))
    with pytest.raises(DataError, match=r"(?s)samples of 0 of the 2 .*animals/small"):
        session.batches(session.corpus.train)


def test_a_stage_may_train_on_other_sizes() -> None:
    model: nn.Module = Classifier.Config(**pictures(), classes=CLASSES).build()
    model.enter_stage({"image": {"image_size": 16}})
    assert model.preprocess("image").size == 16
    model.enter_stage({})
    assert model.preprocess("image").size == 32
    with pytest.raises(ConfigError, match="not trained here"):
        model.enter_stage({"text": {}})
