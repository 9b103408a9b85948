"""The direction table: which pairs, under which names, as what."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from interlingua.evaluate import all_directions, by_language, retrieval, wrong_pairing


@pytest.fixture
def views():
    """60 things with picture and text; speech of every second one, in two languages."""
    generator = np.random.default_rng(0)
    base = generator.normal(size=(60, 12))
    vectors = {
        "image": base + 0.4 * generator.normal(size=(60, 12)),
        "text": base + 0.4 * generator.normal(size=(60, 12)),
    }
    component = {"image": np.arange(60), "text": np.arange(60)}
    spoken = np.arange(0, 60, 2)
    speech = base[spoken] + generator.normal(size=(30, 12))
    languages = ["fr", "es", None] * 10
    vectors["speech"], component["speech"] = speech, spoken
    for name, (part, things) in by_language("speech", languages, speech, spoken).items():
        vectors[name], component[name] = part, things
    return vectors, component


def test_every_ordered_pair_of_views_but_no_view_with_its_own_parts(views):
    table = all_directions(*views, bootstrap=50, permutations=2)
    names = {(direction.query, direction.gallery) for direction in table}
    assert len(names) == len(table) == 14
    assert {("text", "image"), ("image", "text"), ("speech[fr]", "image")} <= names
    assert ("speech", "speech[fr]") not in names
    assert ("speech[es]", "speech[fr]") not in names


def test_each_direction_equals_retrieval_alone(views):
    vectors, component = views
    table = all_directions(vectors, component, ks=(1, 3), bootstrap=50, permutations=3, seed=5)
    direction = table.get("speech[es]", "text")
    sides = (
        vectors["speech[es]"],
        vectors["text"],
        component["speech[es]"],
        component["text"],
        (1, 3),
    )
    assert direction.result == retrieval(*sides, bootstrap=50, seed=5)
    assert direction.control == wrong_pairing(*sides, permutations=3, bootstrap=50, seed=5)
    with pytest.raises(KeyError, match="text -> sound"):
        table.get("text", "sound")


def test_languages_are_cut_out_and_unknown_ones_left_out():
    parts = by_language("speech", ["fr", None, "es", "fr"], np.arange(4), np.eye(4))
    assert list(parts) == ["speech[es]", "speech[fr]"]
    assert parts["speech[fr]"][0].tolist() == [0, 3]
    assert parts["speech[fr]"][1].shape == (2, 4)


def test_views_that_no_thing_has_together_are_named(views):
    vectors, component = views
    vectors["sound"], component["sound"] = np.ones((2, 12)), np.array([1000, 1001])
    table = all_directions(
        vectors, component, bootstrap=20, only=[("sound", "image"), ("text", "image")]
    )
    assert [(d.query, d.gallery) for d in table] == [("text", "image")]
    assert table.skipped == (("sound", "image", "no thing has both views"),)


def test_vectors_without_components_are_refused(views):
    vectors, component = views
    del component["speech"]
    with pytest.raises(ValueError, match="speech"):
        all_directions(vectors, component)


def test_json_names_both_views_and_holds_every_figure(views):
    table = all_directions(*views, bootstrap=20, permutations=2, only=[("text", "image")])
    (row,) = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert (row["query"], row["gallery"], row["gallery_size"], row["n"]) == (
        "text",
        "image",
        60,
        60,
    )
    assert set(row["r_at"]) == set(row["chance"]) == set(row["control"]) == {"1", "5", "10"}
    assert row["chance"]["10"] == pytest.approx(10 / 60)


def test_the_terminal_table_shows_them(views):
    table = all_directions(*views, bootstrap=20, permutations=2)
    output = io.StringIO()
    Console(file=output, width=200).print(table.to_rich())
    shown = output.getvalue()
    assert "speech[fr] → image" in shown
    assert f"{table.get('text', 'image').result.r_at[10]:.2f}" in shown
