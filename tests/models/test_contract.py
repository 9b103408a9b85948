"""The contract that every model of the table keeps, on small ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from interlingua.batch import Batch
from interlingua.config import to_plain, validate
from interlingua.embedding import EmbeddingModel
from interlingua.errors import ConfigError, DataError
from interlingua.models import TABLE
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import Session, prepare

# one case or more for each model of the table: which towers are trained, and with named classes?
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "shared_space": ("shared_space", {}),
    "shared_space-unnamed": ("shared_space", {"named": False}),
    "shared_space-trained": (
        "shared_space",
        {"named": False, "trained": ("image", "text", "audio")},
    ),
}


@pytest.fixture(params=CASES)
def session(request: pytest.FixtureRequest, world: Any, tmp_path: Path) -> Session:
    name, options = CASES[request.param]
    recipe = world.recipe(**options)
    assert recipe.model.name == name
    made = prepare(recipe, RunFolder(tmp_path / "run"))
    made.learn_names()
    return made


def batch_of(session: Session, size: int = 12) -> Batch:
    make = session.batches(session.corpus.train)
    return make(range(size), numpy.random.default_rng(0))


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    objective = PairwiseContrastive(PairwiseContrastive.Config())
    return objective(model(batch, needs=objective.needs), batch).total


def test_every_model_of_the_table_has_a_case() -> None:
    alone = {"classifier", "masked_pictures", "masked_words"}  # in test_towers_alone.py
    # in files of their own
    elsewhere = alone | {"dual_encoder", "fused_classifier"}
    assert {name for name, _ in CASES.values()} | elsewhere == set(TABLE)


def test_forward_gives_unit_vectors_of_what_is_there(session: Session) -> None:
    batch = batch_of(session)
    outputs = session.model.eval()(batch)
    assert set(outputs.vectors) == set(outputs.owner) == {"image", "text", "sound", "speech"}
    for view, vectors in outputs.vectors.items():
        assert vectors.shape == (len(batch.media[view]), session.model.dimension)
        assert vectors.dtype == torch.float32
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)
        assert torch.equal(outputs.owner[view], batch.media[view].owner)
    assert outputs.scale.shape == () and outputs.scale > 0
    model: EmbeddingModel = session.model
    assert tuple(model.views) == tuple(session.recipe.model.views)


def test_every_trainable_parameter_gets_a_gradient(session: Session) -> None:
    model = session.model.train()
    loss_of(model, batch_of(session)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad
        if "classifier" in name:  # it answers, it is not compared
            continue
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if name.startswith(("heads", "log_scale")):
            assert parameter.grad.abs().sum() > 0, name


def test_saving_and_loading_is_exact(session: Session, tmp_path: Path) -> None:
    batch = batch_of(session)
    before = session.model.eval()(batch)
    save_file({k: v.contiguous() for k, v in session.model.state_dict().items()}, tmp_path / "m")
    torch.manual_seed(99)
    again = session.recipe.model.build()
    assert not torch.equal(
        again.state_dict()["heads.image.2.weight"],
        session.model.state_dict()["heads.image.2.weight"],
    )
    again.load_state_dict(load_file(tmp_path / "m"))
    after = again.eval()(batch)
    for view, vectors in before.vectors.items():
        assert torch.equal(after.vectors[view], vectors)
    assert torch.equal(after.scale, before.scale)


def test_same_seed_gives_the_same_numbers(session: Session) -> None:
    def built(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return session.recipe.model.build().state_dict()

    first, second, other = built(3), built(3), built(4)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_settings_survive_as_plain_data_and_misspelt_ones_are_named(session: Session) -> None:
    config = session.recipe.model
    plain = to_plain(config)
    assert validate(type(config), plain, "test") == config
    with pytest.raises(ConfigError, match=r"widht.*did you mean 'width'"):
        validate(type(config), {**plain, "widht": 3}, "test")


def test_a_view_that_the_model_lacks_is_refused_in_words(session: Session) -> None:
    with pytest.raises(DataError, match="no tower for 'video'"):
        session.model.preprocess("video")
    batch = batch_of(session)
    batch.media["video"] = batch.media.pop("image")
    with pytest.raises(DataError, match="no tower for 'video'"):
        session.model(batch)


def test_prepared_for_inference_it_gives_the_same_vectors(session: Session) -> None:
    batch = batch_of(session)
    before = session.model.eval()(batch).vectors
    prepared = session.model.for_inference(torch.bfloat16)
    assert not prepared.training
    for view, vectors in prepared(batch).vectors.items():
        assert torch.equal(vectors, before[view])
