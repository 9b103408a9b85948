from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interlingua import data
from interlingua.batch import Batch, Media
from interlingua.config import to_plain, validate
from interlingua.data.gate import MediaLimits
from interlingua.data.loader import decode
from interlingua.device import pick_device, pick_precision
from interlingua.embedding import Embedder
from interlingua.errors import ConfigError, DataError
from interlingua.models.shared_space import SharedSpace
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.recipes import load_recipe
from interlingua.sample import Part, Sample, Text
from interlingua.tokens import Tokens
from interlingua.train.feature_cache import FeatureCache
from interlingua.train.log import Silent
from interlingua.train.recipe import apply_overrides
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session, prepare


@pytest.fixture
def session(world: Any, tmp_path: Path) -> Session:
    made = prepare(world.recipe(), RunFolder(tmp_path / "run"))
    made.learn_names()
    made.model.eval()
    return made


def media_of(values: Tensor | None = None, **more: Any) -> Media:
    count = len(values) if values is not None else len(more["tokens"].pooled)
    return Media(torch.arange(count), torch.zeros(count, dtype=torch.int64), values, **more)


def changed(config: SharedSpace.Config, **changes: Any) -> SharedSpace.Config:
    return validate(SharedSpace.Config, {**to_plain(config), **changes}, "test")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_cosine_is_the_weighted_mean_of_the_parts_cosines(session: Session, share: float) -> None:
    named = to_plain(session.recipe.model)["named_classes"]
    model = changed(session.recipe.model, named_classes={**named, "share": share}).build().eval()
    model.load_state_dict(session.model.state_dict())
    generator = torch.Generator().manual_seed(1)
    width = model.config.width
    vectors = {
        tower: model.project(
            tower, torch.randn(5, model.tower_shape(tower).pooled_width, generator=generator)
        ).detach()
        for tower in ("image", "text", "audio")
    }
    for first, second in (("image", "text"), ("text", "audio"), ("audio", "image")):
        a, b = vectors[first], vectors[second]
        whole = functional.cosine_similarity(a, b)
        learned = functional.cosine_similarity(a[:, :width], b[:, :width])
        by_name = functional.cosine_similarity(a[:, width:], b[:, width:])
        assert torch.allclose(a.norm(dim=1), torch.ones(5), atol=1e-6)
        assert torch.allclose(a[:, width:].square().sum(1), torch.full((5,), share), atol=1e-6)
        assert torch.allclose(whole, (1 - share) * learned + share * by_name, atol=1e-6)


def test_the_named_part_is_the_text_itself_and_the_mixture_of_names(session: Session) -> None:
    model, width = session.model, session.model.config.width
    pooled = {name: torch.randn(4, model.tower_shape(name).pooled_width) for name in model.heads}
    half = math.sqrt(model.config.named_classes.share)
    text = model.project("text", pooled["text"])[:, width:]
    assert torch.allclose(text, half * functional.normalize(pooled["text"], dim=1), atol=1e-6)
    image = model.project("image", pooled["image"])[:, width:]
    assert torch.allclose(image, half * model.named_classes(pooled["image"]), atol=1e-6)
    head = model.heads["audio"](pooled["audio"])
    sound = model.project("audio", pooled["audio"])[:, width:]
    assert head.shape == (4, model.dimension)
    assert torch.allclose(sound, half * functional.normalize(head[:, width:], dim=1), atol=1e-6)
    assert model.heads["image"](pooled["image"]).shape == (4, width)


def test_without_named_classes_the_vector_is_the_learned_part(world: Any) -> None:
    model = world.recipe(named=False).model.build().eval()
    assert model.named_classes is None
    assert model.dimension == model.config.width
    pooled = torch.randn(3, model.tower_shape("image").pooled_width)
    expected = functional.normalize(model.heads["image"](pooled), dim=1)
    assert torch.equal(model.project("image", pooled), expected)
    assert not any("named" in name for name in model.state_dict())


def test_missing_views_change_nothing_for_the_others(session: Session) -> None:
    make = session.batches(session.corpus.train)
    batch = make(range(12), numpy.random.default_rng(0))
    whole = session.model(batch)
    assert len(batch.media["sound"]) < 12  # a third of the things has one
    assert torch.equal(whole.owner["sound"], batch.media["sound"].owner)
    for view in ("sound", "text"):
        rest = {name: media for name, media in batch.media.items() if name != view}
        fewer = session.model(Batch(batch.keys, rest, batch.component, batch.text_id))
        assert set(fewer.vectors) == set(whole.vectors) - {view}
        assert all(torch.equal(fewer.vectors[name], whole.vectors[name]) for name in rest)
    nothing = session.model(Batch(batch.keys))
    assert nothing.vectors == {} and nothing.owner == {}
    objective = PairwiseContrastive(PairwiseContrastive.Config())
    alone = Batch(batch.keys, {"image": batch.media["image"]})
    loss = objective(session.model(alone), alone)
    assert loss.total.item() == 0 and loss.parts == {}


def test_an_empty_view_of_a_batch_is_passed_over(session: Session) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    outputs = session.model(Batch(["a"], {"image": Media(none, none)}))
    assert outputs.vectors == {}


def test_media_with_neither_values_nor_tokens_are_refused(session: Session) -> None:
    none = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(DataError, match="neither values nor cached tokens for 'image'"):
        session.model.embed_media("image", Media(none, none))
    with pytest.raises(DataError, match="'image' gives no pooled"):
        session.model.embed_media("image", media_of(torch.zeros(2), tokens=Tokens()))


def test_views_that_share_a_tower_share_a_head(session: Session) -> None:
    tokens = Tokens(pooled=torch.randn(3, session.model.tower_shape("audio").pooled_width))
    sound = session.model.embed_media("sound", media_of(tokens=tokens))
    assert torch.equal(sound, session.model.embed_media("speech", media_of(tokens=tokens)))
    assert set(session.model.heads) == {"image", "text", "audio"}


def test_frozen_towers_are_in_no_state_and_no_parameter(session: Session, world: Any) -> None:
    model = session.model
    assert not any(name.startswith(("towers", "frozen")) for name in model.state_dict())
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"heads", "log_scale"}
    trained = world.recipe(trained=("image",), named=False).model.build()
    assert any(name.startswith("towers.image.") for name, _ in trained.named_parameters())
    assert not any(name.startswith("towers.text.") for name in trained.state_dict())


@pytest.mark.parametrize("start, end", [(1e9, 100.0), (1e-9, 1.0), (7.0, 7.0)])
def test_the_inverse_temperature_stays_in_its_range(
    session: Session, start: float, end: float
) -> None:
    with torch.no_grad():
        session.model.log_scale.fill_(math.log(start))
    session.model.after_step(1)
    assert session.model(Batch([])).scale.item() == pytest.approx(end)


def test_cached_tokens_give_the_vectors_of_raw_values(session: Session) -> None:
    same_vectors(session, session.corpus.train, 1 - 1e-5)


@pytest.mark.parametrize("precision, closeness", [("fp32", 1 - 1e-5), ("bf16", 0.999)])
def test_cached_tokens_give_the_vectors_of_raw_values_with_the_real_towers(
    precision: str, closeness: float, real_weights: Any, real_data: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real_data("stamps")
    for name in ("minilm", "efficientnet-lite0", "whisper-tiny.en"):
        real_weights(name)
    recipe = apply_overrides(
        load_recipe("demo", tiny=True), ["model.named_classes=null", f"precision={precision}"]
    )
    samples = [sample for sample in data.open_source("stamps") if sample.alternatives("sound")][:4]
    device = pick_device("cpu")
    session = Session(
        recipe, RunFolder(tmp_path), device, pick_precision(precision, device), Silent()
    )
    session._cache = FeatureCache(tmp_path / "features")  # nothing is read that was there before
    session.model = recipe.model.build().for_inference(session.precision)
    same_vectors(session, samples, closeness)


def same_vectors(session: Session, samples: Sequence[Sample], closeness: float) -> None:
    model = session.model
    for view in model.views:
        parts: list[Part] = [sample.alternatives(view)[0] for sample in samples
                             if sample.alternatives(view)]  # fmt: skip
        table = session.view_features(view, parts)
        tokens = Tokens(pooled=table.values[table.rows].float())
        cached = model.embed_media(view, media_of(tokens=tokens))
        raw = torch.empty_like(cached)
        for chunk in decode(parts, model.preprocess(view)):
            raw[chunk.index] = model.embed_media(view, media_of(chunk.values, mask=chunk.mask))
        assert len(parts) > 1
        assert functional.cosine_similarity(cached, raw).min() > closeness, view
        assert (cached[:1] @ cached[1:].T).max() < 0.99999, view


def test_the_embedder_takes_it_for_a_space(session: Session) -> None:
    sample = session.corpus.train[0]
    parts = [sample.alternatives("text")[0], sample.alternatives("image")[0]]
    embed = Embedder(session.model, torch.device("cpu"), MediaLimits())
    vectors = embed([*parts, Text("a dog")], None, None)
    assert vectors.shape == (3, session.model.dimension)
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"views": {"image": "eye"}}, "the view 'image' names a tower 'eye'"),
        ({"named_classes": {"picture_tower": "eye"}}, "names a tower 'eye' that is not there"),
        ({"named_classes": {"share": 1.5}}, "less than or equal to 1"),
        ({"named_classes": {"top_k": 0}}, "greater than 0"),
        ({"width": 0}, "greater than 0"),
        ({"initial_scale": 0}, "greater than 0"),
    ],
)
def test_wrong_settings_are_refused(world: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        changed(world.recipe().model, **change)


def test_a_frozen_tower_needs_weights(world: Any) -> None:
    towers = to_plain(world.recipe().model)["towers"]
    towers["image"]["weights"] = ""
    with pytest.raises(ConfigError, match="a frozen tower needs weights"):
        changed(world.recipe().model, towers=towers)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_named_classes_need_their_towers_frozen(world: Any, tower: str) -> None:
    with pytest.raises(ConfigError, match=f"needs the tower '{tower}' frozen"):
        world.recipe(trained=(tower,))
    assert world.recipe(trained=("audio",)).model.build().named_classes is not None


def test_a_picture_tower_without_classes_knows_nothing_by_name(world: Any) -> None:
    towers = to_plain(world.recipe().model)["towers"]
    towers["image"]["tower"]["num_classes"] = 0
    with pytest.raises(ConfigError, match="knows nothing by name") as raised:
        changed(world.recipe().model, towers=towers).build()
    assert "named_classes=null" in str(raised.value)


def test_more_classes_than_the_tower_knows_are_refused(world: Any) -> None:
    with pytest.raises(ConfigError, match="knows 7 classes only"):
        changed(world.recipe().model, named_classes={"top_k": 8}).build()
