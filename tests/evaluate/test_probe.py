from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from interlingua.data.labels import ClassName
from interlingua.errors import DataError
from interlingua.evaluate import linear_probe, probe
from interlingua.evaluate.class_split import split_by_class
from interlingua.evaluate.labelled import Labelled
from interlingua.evaluate.linear_probe import STRENGTHS, fit, sweep
from interlingua.evaluate.nearest_neighbours import neighbour_votes
from interlingua.sample import Sample


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def features(
    count: int, classes: int = 3, width: int = 8, apart: float = 2.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, width)) * apart
    labels = random.integers(0, classes, count)
    return centres[labels] + random.normal(size=(count, width)), labels


def labelled(count: int, seed: int = 0, **options) -> Labelled:
    vectors, labels = features(count, seed=seed, **options)
    classes = [ClassName(str(n), (f"class {n}",)) for n in range(options.get("classes", 3))]
    samples = [Sample(str(n), ()) for n in range(count)]
    return Labelled(classes, vectors.astype(np.float32), labels, np.arange(count), samples)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
def test_the_probe_is_where_the_gradient_of_its_definition_is_zero(strength: float) -> None:
    table, labels = features(60)
    found = fit(table, labels, 3, strength)
    scaled = torch.from_numpy((table - table.mean(0)) / table.std(0))
    weight = torch.from_numpy(found.weight).requires_grad_()
    bias = torch.from_numpy(found.bias).requires_grad_()
    logits = scaled @ weight.T + bias
    chosen = logits.log_softmax(1)[range(60), labels]
    loss = -chosen.sum() + strength / 2 * (weight**2).sum()
    slopes = torch.autograd.grad(loss, (weight, bias))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-4
    assert found.gradient < 1e-6
    assert np.allclose(found.logits(table), logits.detach().numpy())


def test_a_stronger_penalty_makes_smaller_weights() -> None:
    table, labels = features(60)
    sizes = [np.square(fit(table, labels, 3, strength).weight).sum() for strength in (0.01, 1, 100)]
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]
    chances = fit(table, labels, 3, 1e5).probabilities(table)
    shares = np.bincount(labels) / 60
    assert np.allclose(chances, shares, atol=3e-3)  # the bias is free


def test_it_learns_and_is_the_same_each_time_and_at_any_scale_of_the_features() -> None:
    table, labels = features(120)
    new, truth = features(200, seed=1)
    first, again = fit(table, labels, 3, 1.0), fit(table, labels, 3, 1.0)
    assert np.array_equal(first.weight, again.weight)
    assert (first.probabilities(new).argmax(1) == truth).mean() > 0.9
    scaled = fit(table * 1e3 + 5, labels, 3, 1.0)
    assert np.allclose(scaled.probabilities(new * 1e3 + 5), first.probabilities(new), atol=1e-5)


def test_constant_features_and_classes_without_pictures_do_no_harm() -> None:
    table, labels = features(40)
    with_constant = np.column_stack([table, np.full(40, 7.0)])
    found = fit(with_constant, labels, 5, 1.0)
    assert np.isfinite(found.weight).all()
    assert set(found.probabilities(with_constant).argmax(1)) <= {0, 1, 2}


def test_the_sweep_finds_what_a_fine_grid_finds() -> None:
    table, labels = features(40, width=30, apart=0.7)
    held, truth = features(300, width=30, apart=0.7, seed=2)
    best, tried = sweep(table, labels, held, truth, 3)
    grid = [10.0**power for power in np.arange(-6, 6.01, 0.5)]
    accuracy = {
        one: (fit(table, labels, 3, one).probabilities(held).argmax(1) == truth).mean()
        for one in grid
    }
    assert set(STRENGTHS) <= set(tried)
    assert tried[best] == max(tried.values())
    assert tried[best] >= max(accuracy.values()) - 0.01
    assert accuracy[1e-6] < tried[best]  # there was something to choose


def test_bad_features() -> None:
    table, labels = features(10)
    with pytest.raises(DataError, match="one class"):
        fit(table, np.zeros(10), 3, 1.0)
    table[3, 3] = np.inf
    with pytest.raises(DataError, match="not finite"):
        fit(table, labels, 3, 1.0)
    with pytest.raises(DataError, match="no training picture"):
        fit(np.zeros((0, 4)), [], 3, 1.0)


def test_neighbours_vote_as_the_definition_says() -> None:
    table, labels = features(50)
    asked, _ = features(7, seed=3)
    found = neighbour_votes(asked, table, labels, 3, k=9, temperature=0.07)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    for row, query in zip(found, asked, strict=True):
        near = unit @ (query / np.linalg.norm(query))
        best = np.argsort(-near)[:9]
        votes = np.zeros(3)
        for place in best:
            votes[labels[place]] += np.exp(near[place] / 0.07)
        assert np.allclose(row, votes / votes.sum(), atol=1e-5)


def test_neighbours_in_blocks_and_with_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    table, labels = features(20)
    asked, _ = features(9, seed=3)
    whole = neighbour_votes(asked, table, labels, 3, k=100)
    monkeypatch.setattr("interlingua.evaluate.nearest_neighbours.QUERIES_AT_A_TIME", 4)
    assert np.allclose(neighbour_votes(asked, table, labels, 3, k=20), whole)
    for bad in ({"k": 0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="positive"):
            neighbour_votes(asked, table, labels, 3, **bad)
    with pytest.raises(ValueError, match="not all finite"):
        neighbour_votes(asked * np.nan, table, labels, 3)
    with pytest.raises(ValueError, match="labels"):
        neighbour_votes(asked, table, labels[1:], 3)


@pytest.mark.parametrize("kind", ["linear", "neighbours"])
def test_probes_beat_chance_and_fall_to_it_on_shuffled_labels(kind: str) -> None:
    judged = getattr(probe, kind)(labelled(150), labelled(150, seed=5), bootstrap=100)
    assert judged.result.accuracy[1].low > 0.85
    assert judged.shuffled.accuracy[1].low < 0.5
    assert judged.shuffled.accuracy[1].value < 0.6
    again = getattr(probe, kind)(labelled(150), labelled(150, seed=5), bootstrap=100)
    shown = json.dumps(judged.to_json(), allow_nan=False)
    assert shown == json.dumps(again.to_json(), allow_nan=False)


def test_the_strength_is_chosen_without_the_test_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = labelled(60), labelled(40, seed=5)
    seen = []

    def watched(inner, inner_labels, outer, outer_labels, count):
        seen.extend((len(inner), len(outer)))
        rows = {row.tobytes() for row in train.vectors}
        assert {row.tobytes() for row in (*inner, *outer)} == rows
        return 2.5, {2.5: 1.0}

    monkeypatch.setattr(linear_probe, "sweep", watched)
    found = probe.linear(train, test, bootstrap=20)
    assert seen[0] + seen[1] == 60
    assert seen[1] == pytest.approx(12, abs=2)
    assert found.settings["strength"] == 2.5
    assert probe.linear(train, test, strength=0.1, bootstrap=20).settings["tried"] == {}


def test_probe_refuses_what_can_not_be_judged() -> None:
    train, test = labelled(30), labelled(30, seed=1)
    with pytest.raises(DataError, match="one class"):
        probe.linear(train.take(np.flatnonzero(train.labels == 0)), test)
    with pytest.raises(DataError, match="no test picture"):
        probe.neighbours(train, test.take([]))
    test.classes = test.classes[:2]
    with pytest.raises(DataError, match="different classes"):
        probe.linear(train, test)


def test_a_split_is_even_over_classes_and_keeps_components_whole() -> None:
    labels = np.repeat([0, 1, 2], [40, 10, 1])
    clusters = np.concatenate([np.repeat(np.arange(20), 2), 100 + np.arange(10), [200]])
    first, second = split_by_class(labels, clusters, 0.2, seed=1)
    assert sorted([*first, *second]) == list(range(51))
    assert not set(clusters[first]) & set(clusters[second])
    assert np.bincount(labels[second], minlength=3).tolist() == [8, 2, 0]
    assert np.array_equal(split_by_class(labels, clusters, 0.2, seed=1)[1], second)
    assert not np.array_equal(split_by_class(labels, clusters, 0.2, seed=2)[1], second)
    with pytest.raises(DataError, match="too few"):
        split_by_class([0, 1, 2], [0, 1, 2], 0.5)
    with pytest.raises(ValueError, match="share"):
        split_by_class(labels, clusters, 1.0)
