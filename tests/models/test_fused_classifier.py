"""One answer from several modalities: what is missing, out of order, twice, cached or trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from interlingua import ranks
from interlingua.batch import Batch, Media
from interlingua.config import to_plain, validate
from interlingua.errors import ConfigError, DataError
from interlingua.fusion import TABLE
from interlingua.models.fused_classifier import FusedClassifier
from interlingua.objectives.classification import ClassificationObjective
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.tokens import Tokens

WORDS = {"name": "gru_text", "vocabulary": 20, "embedding_width": 6, "width": 8}
EYE = {
    "name": "bert", "vocabulary": 20, "width": 16, "num_layers": 1, "num_heads": 2,
    "hidden_width": 8, "max_positions": 9,
}  # fmt: skip
SMALL = {"width": 8, "num_heads": 2, "hidden_width": 12}
CLASSES = ("cat", "dog", "owl")
B = 6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(fusion: str | dict[str, Any] = "early", **changes: Any) -> dict[str, Any]:
    """A frozen tower whose outputs are cached, and one of words that two modalities share."""
    fusion = {"name": fusion, **SMALL} if isinstance(fusion, str) else fusion
    return {
        "name": "fused_classifier",
        "classes": CLASSES,
        "towers": {
            "eye": {"tower": EYE, "weights": "minilm", "frozen": True},
            "words": {"tower": WORDS},
        },
        "views": {"image": "eye", "title": "words", "name": "words"},
        "fusion": fusion,
        **changes,
    }


def model_of(fusion: str | dict[str, Any] = "early", seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    return validate(FusedClassifier.Config, settings(fusion, **changes), "test").build()


def states_of(seed: int = 3) -> Tensor:
    return torch.randn(B, 4, 16, generator=torch.Generator().manual_seed(seed))


def ids_of(seed: int) -> Tensor:
    return torch.randint(1, 20, (B, 5), generator=torch.Generator().manual_seed(seed))


def batch_of(
    image: Sequence[int] = range(B), title: Sequence[int] = range(B), name: Sequence[int] = range(B)
) -> Batch:
    """The media of these samples, in this order; those of a sample are always the same."""
    lengths = torch.tensor([5, 3, 4, 5, 1, 2])
    mask = torch.arange(5) < lengths[:, None]
    media = {}
    for view, owners in (("image", image), ("title", title), ("name", name)):
        owner = torch.tensor(list(owners), dtype=torch.int64)
        media[view] = Media(owner, torch.zeros_like(owner))
        if view == "image":
            media[view].tokens = Tokens(states=states_of()[owner])
        else:
            values = ids_of(4 if view == "title" else 5)
            media[view].values, media[view].mask = values[owner], mask[owner]
    labels = torch.tensor([0, 1, 2, 0, 1, -1])
    return Batch([f"thing {n}" for n in range(B)], media, torch.arange(B), labels=labels)


def logits_of(model: Any, batch: Batch) -> Tensor:
    logits: Tensor = model.eval()(batch).logits
    return logits.detach()


@pytest.mark.parametrize("fusion", TABLE)
def test_every_fusion_answers_and_learns_end_to_end(fusion: str) -> None:
    model = model_of(fusion, modality_dropout=0.3)
    outputs = model.eval()(batch_of())
    assert outputs.logits.shape == (B, 3) and outputs.logits.dtype == torch.float32
    assert torch.equal(outputs.logit_owner, torch.arange(B)) and outputs.vectors == {}
    objective = ClassificationObjective(ClassificationObjective.Config())
    batch = batch_of(image=[0, 2, 3], title=[1, 2, 3])
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(25):
        torch.manual_seed(1)
        loss = objective(model.train()(batch, needs=objective.needs), batch)
        assert loss.counts == {"classes": 5, "accuracy": 5}
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.8 * losses[0]
    learned = {name for name, one in model.named_parameters() if one.grad is not None}
    missing = {name for name, _ in model.named_parameters()} - learned
    assert all(fusion == "align" and ("pools" in n or "proj" in n or "scale" in n) for n in missing)
    assert "towers.words.token_embedding.weight" in learned


def test_missing_media_are_masked_and_the_others_untouched() -> None:
    model = model_of()
    whole, some = batch_of(), batch_of(image=[0, 3], title=[0, 1, 2], name=[0, 3, 4, 5])
    before, after = logits_of(model, whole), logits_of(model, some)
    assert torch.allclose(after[0], before[0], atol=1e-6)
    assert (after[1:] - before[1:]).abs().amax(1).min() > 1e-6
    tokens = model.tokens_by_sample(some)
    assert list(tokens) == ["image", "title", "name"]
    assert tokens["image"].states.shape == (B, 4, 16)
    assert tokens["image"].mask.any(1).tolist() == [True, False, False, True, False, False]
    assert tokens["title"].mask.sum(1).tolist() == [5, 3, 4, 0, 0, 0]


def test_the_order_of_media_is_irrelevant() -> None:
    model = model_of("cross_attention")
    straight = logits_of(model, batch_of(image=[1, 2, 5]))
    mixed = batch_of(image=[5, 1, 2], title=[3, 5, 0, 4, 1, 2], name=[0, 1, 2, 3, 5, 4])
    assert torch.allclose(logits_of(model, mixed), straight, atol=1e-6)


def test_an_absent_view_is_as_an_empty_one_and_an_unknown_one_is_passed_over() -> None:
    model, empty, absent = model_of(), batch_of(image=[]), batch_of()
    absent.media["smell"] = absent.media.pop("image")
    assert torch.equal(logits_of(model, absent), logits_of(model, empty))


def test_a_modality_twice_is_refused() -> None:
    with pytest.raises(DataError, match="has the modality 'title' twice"):
        model_of()(batch_of(title=[0, 1, 1]))


def test_a_batch_of_nothing_is_refused() -> None:
    for batch in (batch_of([], [], []), Batch(["a"], {})):
        with pytest.raises(DataError, match="none of the modalities"):
            model_of()(batch)


@pytest.mark.parametrize("fusion", TABLE)
def test_samples_with_nothing_get_one_and_the_same_answer(fusion: str) -> None:
    found = logits_of(model_of(fusion), batch_of([0, 1], [0, 2], [0, 3]))
    assert found.isfinite().all()
    assert torch.allclose(found[4], found[5], atol=1e-7)
    if fusion in ("late_average", "late_weighted"):
        assert not found[4:].any()  # no preference


def test_cached_tokens_count_by_their_mask() -> None:
    model, batch = model_of(), batch_of()
    tokens = batch.media["image"].tokens
    assert tokens is not None and tokens.states is not None
    whole = logits_of(model, batch)
    tokens.mask = torch.ones(B, 4, dtype=torch.bool)
    assert torch.equal(logits_of(model, batch), whole)
    tokens.mask[:, 3] = False
    masked = logits_of(model, batch)
    tokens.states[:, 3] = torch.nan
    assert torch.equal(logits_of(model, batch), masked)
    tokens.states, tokens.mask = tokens.states[:, :3], None
    assert torch.allclose(logits_of(model, batch), masked, atol=1e-6)


def test_pooled_vectors_are_one_token() -> None:
    model, batch = model_of(), batch_of()
    states = states_of()[:, :1]
    batch.media["image"].tokens = Tokens(states=states)
    of_states = logits_of(model, batch)
    batch.media["image"].tokens = Tokens(pooled=states[:, 0])
    assert torch.equal(logits_of(model, batch), of_states)
    batch.media["image"].tokens = Tokens()
    with pytest.raises(DataError, match="neither states nor pooled"):
        model(batch)


def test_frozen_towers_run_without_a_cache_and_stay_out_of_checkpoints(world: Any) -> None:
    use = to_plain(world.recipe().model.towers["text"])
    towers = {"eye": {name: use[name] for name in ("tower", "weights", "frozen")}}
    model = model_of(towers=towers, views={"text": "eye"})
    assert not any("eye" in name for name in model.state_dict())
    ids, mask = (
        torch.randint(1, 20, (B, 5)),
        torch.arange(5) < torch.tensor([5, 3, 4, 5, 1, 2])[:, None],
    )
    media = Media(torch.arange(B), torch.zeros(B, dtype=torch.int64), ids, mask)
    batch = Batch(["a"] * B, {"text": media})
    model.train()(batch).logits.sum().backward()
    assert all(one.grad is not None for one in model.parameters())
    cached = model.frozen_towers.encode("eye", ids, mask, torch.device("cpu"))
    found = logits_of(model, batch)
    media.tokens, media.values = Tokens(cached.states.clone(), mask), None
    assert torch.allclose(logits_of(model, batch), found, atol=1e-5)


def test_vectors_of_a_fusion_that_aligns_are_trained_by_a_contrastive_loss() -> None:
    model, batch = model_of("align", modality_dropout=0.9), batch_of(image=[0, 2, 3, 5])
    needs = {"logits", "vectors"}
    outputs = model.train()(batch, needs=needs)
    assert set(outputs.vectors) == {"image", "title", "name"}
    # of all that is there, whatever the answer has to do without
    assert outputs.owner["image"].tolist() == [0, 2, 3, 5] and len(outputs.owner["title"]) == B
    objective = PairwiseContrastive(PairwiseContrastive.Config())
    loss = objective(outputs, batch)
    assert loss.counts == {"image-title": 4, "image-name": 4, "name-title": 6}
    answer = ClassificationObjective(ClassificationObjective.Config())(outputs, batch)
    (loss.total + answer.total).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert model.fusion.log_scale.grad != 0
    with torch.no_grad():
        model.fusion.log_scale.fill_(50.0)
    model.after_step(1)
    assert model(batch, needs=needs).scale.item() == pytest.approx(100.0)


def test_vectors_of_a_fusion_that_does_not_align_are_refused() -> None:
    with pytest.raises(ConfigError, match="fusion 'early' has no vectors to align"):
        model_of()(batch_of(), needs={"logits", "vectors"})
    model_of().after_step(1)  # and nothing to keep in range


def test_saving_and_loading_is_exact(tmp_path: Path) -> None:
    first, second = model_of("low_rank"), model_of("low_rank", seed=1)
    wanted = logits_of(first, batch_of())
    assert not torch.equal(logits_of(second, batch_of()), wanted)
    save_file({k: v.contiguous() for k, v in first.state_dict().items()}, tmp_path / "model")
    second.load_state_dict(load_file(tmp_path / "model"))
    assert torch.equal(logits_of(second, batch_of()), wanted)


def test_modalities_are_lost_in_training_only() -> None:
    model = model_of({"name": "early", **SMALL, "dropout": 0.0}, modality_dropout=0.5)
    whole = logits_of(model, batch_of())
    assert torch.equal(logits_of(model, batch_of()), whole)
    found = [model.train()(batch_of()).logits.detach() for _ in range(2)]
    assert not torch.allclose(found[0], found[1]) and not torch.allclose(found[0], whole)
    still = model_of({"name": "early", **SMALL, "dropout": 0.0})
    assert torch.allclose(still.train()(batch_of()).logits, whole, atol=1e-6)


def test_a_rank_without_a_modality_runs_its_tower_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = model_of()(batch_of(title=[], name=[])).logits
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    model = model_of()
    logits = model(batch_of(title=[], name=[])).logits
    assert torch.allclose(logits, alone, atol=1e-6)
    logits.sum().backward()
    gradient = model.towers["words"].token_embedding.weight.grad
    assert gradient is not None and not gradient.any()


def test_settings_survive_as_plain_data() -> None:
    for fusion in TABLE:
        config = validate(FusedClassifier.Config, settings(fusion), "test")
        assert validate(FusedClassifier.Config, to_plain(config), "test") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": "erly"}, r"fusion: There is no 'erly' in fusion \(did you mean 'early'\?\)"),
        ({"fusion": {"name": "film", "mian": "image"}}, r"'fusion.mian'.*did you mean 'main'"),
        ({"fusion": {"name": "early", "width": 10}}, "4 heads do not divide a width of 10"),
        ({"fusion": {"width": 8}}, "needs a 'name' from fusion"),
        ({"fusion": {"name": "early", "dropout": 1.0}}, "fusion.dropout: .*less than 1"),
        ({"views": {"image": "ear"}}, "has a tower 'ear' that is not there"),
        ({"classes": ("cat", "cat")}, "classes"),
        ({"modality_dropout": 1.0}, "modality_dropout"),
        ({"modality_droput": 0.1}, r"did you mean 'modality_dropout'"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(FusedClassifier.Config, settings(**changes), "test")


def test_a_model_without_modalities_and_a_setting_that_names_a_wrong_one() -> None:
    with pytest.raises(ConfigError, match="one modality at least"):
        model_of(views={})
    with pytest.raises(ConfigError, match=r"no modality 'titel' \(did you mean 'title'"):
        model_of({"name": "film", **SMALL, "main": "titel"})
