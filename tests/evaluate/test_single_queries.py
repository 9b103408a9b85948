from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from interlingua.errors import DataError
from interlingua.evaluate.directions import all_directions
from interlingua.evaluate.retrieval import compare, retrieval
from interlingua.evaluate.single_queries import (
    Asked,
    from_json,
    item_names,
    paired,
    thing_names,
    to_json,
)
from interlingua.sample import Meta, Sample, Text

COUNT = 60


def world(seed: int, noise: float, component: np.ndarray, order: np.ndarray | None = None) -> Any:
    """Noisy pairs of pictures and texts, kept as a run keeps them; perhaps in another order."""
    random = np.random.default_rng(0)
    pictures = random.normal(size=(COUNT, 16))
    texts = pictures + noise * np.random.default_rng(seed).normal(size=(COUNT, 16))
    order = np.arange(COUNT) if order is None else order
    samples = [Sample(f"k{n}", (Text("x"),), meta=Meta("s", component=int(component[n])))
               for n in order]  # fmt: skip
    vectors = {"image": pictures[order], "text": texts[order]}
    components = dict.fromkeys(vectors, component[order])
    names = {view: item_names(samples, range(COUNT), [0] * COUNT) for view in vectors}
    table = all_directions(vectors, components, ks=(1, 5), bootstrap=20)
    return vectors, components, to_json(table, names, components, thing_names(samples))


def test_items_are_named_by_source_key_and_place() -> None:
    samples = [Sample("a", (Text("x"),), meta=Meta("s")), Sample("b", (Text("x"),))]
    assert item_names(samples, [0, 0, 1], [0, 2, 0]) == ["s/a", "s/a#2", "/b"]


def test_a_thing_is_named_after_its_first_sample_by_the_alphabet() -> None:
    samples = [Sample(key, (Text("x"),), meta=Meta("s", component=number))
               for key, number in (("z", 7), ("b", 7), ("c", 9))]  # fmt: skip
    samples.append(Sample("lonely", (Text("x"),)))
    assert thing_names(samples) == {7: "s/b", 9: "s/c"}


def test_what_is_kept_comes_back_through_json() -> None:
    component = np.arange(COUNT) // 2
    vectors, components, kept = world(1, 1.0, component)
    found = from_json(json.loads(json.dumps(kept)))
    assert set(found) == {("image", "text"), ("text", "image")}
    asked = found["text", "image"]
    sides = (vectors["text"], vectors["image"], components["text"], components["image"], (1, 5))
    direct = retrieval(*sides, bootstrap=20)
    assert list(asked.names) == [f"s/k{n}" for n in range(COUNT)]
    assert asked.things[3] == "s/k2"
    for k in (1, 5):
        assert np.allclose(asked.hits[k], direct.hits[k])


def test_the_paired_difference_is_that_of_compare() -> None:
    component = np.arange(COUNT) // 2
    results, asked = [], []
    for noise in (1.0, 2.5):
        vectors, components, kept = world(3, noise, component)
        sides = (vectors["text"], vectors["image"], components["text"], components["image"])
        results.append(retrieval(*sides, ks=(1, 5), bootstrap=20))
        asked.append(from_json(kept)["text", "image"])
    found = paired(*asked, 5, bootstrap=500)
    direct = compare(results[1], results[0], 5, bootstrap=500)
    assert not isinstance(found, str)
    assert found.difference.value == pytest.approx(direct.value)
    assert (found.first, found.second) == tuple(pytest.approx(one.r_at[5].value) for one in results)
    assert found.difference.high < 0  # the noisier run is worse, and the interval says so
    assert (found.n, found.things) == (COUNT, COUNT // 2)
    assert 0 < found.changed <= COUNT
    # narrower than two intervals side by side would make it
    apart = sum(one.r_at[5].high - one.r_at[5].low for one in results)
    assert found.difference.high - found.difference.low < apart


def test_another_order_and_numbering_of_the_same_things_is_the_same() -> None:
    component = np.arange(COUNT) // 2
    order = np.random.default_rng(5).permutation(COUNT)
    first = from_json(world(1, 1.0, component)[2])["text", "image"]
    second = from_json(world(1, 1.0, component + 100, order)[2])["text", "image"]
    assert first.gallery == second.gallery
    found = paired(first, second, 1)
    assert not isinstance(found, str)
    assert (found.n, found.changed, found.difference.value) == (COUNT, 0, 0.0)


def test_other_things_are_not_paired() -> None:
    component = np.arange(COUNT) // 2
    first = from_json(world(1, 1.0, component)[2])["text", "image"]
    joined = from_json(world(1, 1.0, component // 2)[2])["text", "image"]
    assert paired(first, joined, 1) == "other things were searched"  # more counts as right there
    assert paired(first, first, 10) == "R@10 was not measured in both"
    stranger = replace(first, names=[f"other/{name}" for name in first.names])
    assert paired(first, stranger, 1) == "no query is in both"


def test_only_the_queries_of_both_count() -> None:
    first = from_json(world(1, 1.0, np.arange(COUNT))[2])["text", "image"]
    some = Asked(first.names[10:], first.things[10:], {1: first.hits[1][10:]}, first.gallery)
    found = paired(first, some, 1)
    assert not isinstance(found, str)
    assert found.n == COUNT - 10
    assert found.first == pytest.approx(first.hits[1][10:].mean())


def test_damaged_and_later_files_are_refused() -> None:
    kept = world(1, 1.0, np.arange(COUNT))[2]
    with pytest.raises(DataError, match="format version 2"):
        from_json({**kept, "format_version": 2})
    for harm in ("things", "items", "directions"):
        with pytest.raises(DataError, match="damaged"):
            from_json({name: value for name, value in kept.items() if name != harm})
    short = json.loads(json.dumps(kept))
    short["directions"][0]["hits"]["1"].pop()
    with pytest.raises(DataError, match="damaged"):
        from_json(short, "here")
    far = json.loads(json.dumps(kept))
    far["directions"][0]["rows"][0] = 10_000
    with pytest.raises(DataError, match="damaged"):
        from_json(far)
