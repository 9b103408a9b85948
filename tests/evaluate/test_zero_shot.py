"""Zero-shot on a model that can be understood: its words for colours lie where the colours do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from interlingua.content import FileContent
from interlingua.data.labelled_sources import open_labelled
from interlingua.data.labels import ClassName, parse_class_names
from interlingua.errors import ConfigError, DataError
from interlingua.evaluate.calibration import calibration, model_scale, probabilities
from interlingua.evaluate.labelled import embed_labelled
from interlingua.evaluate.prompts import TEMPLATES, find_templates, prompts
from interlingua.evaluate.zero_shot import class_vectors, zero_shot
from interlingua.sample import Image, Label, Sample, Text
from interlingua.space import Space

COLOURS = {"red": (230, 20, 10), "green": (10, 220, 20), "blue": (20, 10, 240)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of each colour, one of the blue ones damaged."""
    root = tmp_path_factory.mktemp("colours")
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(4):
            shade = tuple(max(0, value - 10 * number) for value in colour)
            pillow.new("RGB", (24, 16), shade).save(root / name / f"{number}.png")
    broken = root / "blue" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    return root


@pytest.fixture
def embed(colour_space: Space) -> Iterator[object]:
    yield colour_space.embed_parts


def test_pictures_are_named_by_the_nearest_words(embed, folder: Path) -> None:
    source = open_labelled(folder)
    found = zero_shot(embed, list(source), source.classes, ["a {} dog"], scale=20.0, bootstrap=50)
    result = found.result
    assert result.n == 11
    assert result.accuracy[1].value == 1
    assert result.accuracy[1].low < 0.8  # Wilson's: eleven right ones prove no certainty
    assert list(result.accuracy) == [1]  # there is no top-5 of three classes
    assert result.balanced.value == 1
    assert result.chance[1] == pytest.approx(1 / 3)
    assert result.majority == pytest.approx(4 / 11)
    assert result.control[1].value == 0
    assert {row.name: row.n for row in result.rows} == {"blue": 3, "green": 4, "red": 4}
    assert found.pictures.left_out == {"a picture that is damaged": 1}
    assert found.pictures.damaged == {"blue": 1}
    assert found.blank in (3 / 11, 4 / 11)
    shown = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert shown["damaged_by_class"] == {"blue": 1}


def test_a_class_vector_is_the_mean_of_unit_vectors(embed) -> None:
    one = ClassName("k", ("red", "green dog"))
    (vector,) = class_vectors(embed, [one], ["{}", "a {}"])
    texts = ["red", "a red", "green dog", "a green dog"]
    rows = embed([Text(text) for text in texts], None).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = rows.mean(0) / np.linalg.norm(rows.mean(0))
    assert np.allclose(vector, mean, atol=1e-6)


def test_many_classes_are_embedded_in_blocks(embed, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = [ClassName(str(n), (name,)) for n, name in enumerate(["red", "green", "blue"] * 3)]
    whole = class_vectors(embed, classes, ["a {}", "{} dog"])
    monkeypatch.setattr("interlingua.evaluate.zero_shot.TEXTS_AT_A_TIME", 3)
    calls = []

    def counted(parts, on_error):
        calls.append(len(parts))
        return embed(parts, on_error)

    assert np.allclose(class_vectors(counted, classes, ["a {}", "{} dog"]), whole, atol=1e-6)
    assert calls == [4, 4, 4, 4, 2]


def test_a_class_without_pictures_counts_as_an_answer_only(embed, folder: Path) -> None:
    source = open_labelled(folder)
    classes = [*source.classes, ClassName("dog", ("dog",))]
    result = zero_shot(embed, list(source), classes, ["{}"], scale=1.0, bootstrap=20).result
    assert result.rows[3].n == 0
    assert result.rows[3].recall is None
    assert result.chance[1] == 0.25
    assert result.to_json()["per_class"][3]["recall"] is None


def test_one_class_and_no_class_are_refused(embed, folder: Path) -> None:
    source = open_labelled(folder)
    for classes in ([], list(source.classes)[:1]):
        with pytest.raises(DataError, match="nothing can be told apart"):
            zero_shot(embed, list(source), classes, ["{}"], scale=1.0)
    twice = [source.classes[0], source.classes[0]]
    with pytest.raises(DataError, match="Two classes"):
        class_vectors(embed, twice, ["{}"])


def test_no_usable_picture_says_why(embed, folder: Path) -> None:
    broken = Image(FileContent(folder / "blue" / "3.png"))
    samples = [
        Sample("a", (broken, Label("blue"))),
        Sample("b", (Text("no picture"), Label("blue"))),
        Sample("c", (broken, Label("pink"))),
        Sample("d", (broken,)),
    ]
    with pytest.raises(DataError) as caught:
        embed_labelled(embed, samples, parse_class_names("red,blue"))
    for reason in ("damaged", "no picture", "no label", "no class"):
        assert reason in str(caught.value)


def test_a_single_picture_is_enough(embed, folder: Path) -> None:
    source = open_labelled(folder)
    result = zero_shot(embed, [source[0]], source.classes, ["{}"], scale=1.0).result
    assert (result.n, result.accuracy[1].value) == (1, 1.0)


def test_vectors_that_are_not_finite_are_an_error(embed, folder: Path) -> None:
    def poisoned(parts, on_error):
        vectors = np.array(embed(parts, on_error))
        vectors[0, 0] = np.nan
        return vectors

    source = open_labelled(folder)
    with pytest.raises(DataError, match="not finite"):
        zero_shot(poisoned, list(source), source.classes, ["{}"], scale=1.0)
    with pytest.raises(DataError, match="not finite"):
        class_vectors(poisoned, source.classes, ["{}"])


def test_names_that_cancel_are_an_error() -> None:
    def opposed(parts, on_error):
        return np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)[: len(parts)]

    with pytest.raises(DataError, match="cancel"):
        class_vectors(opposed, [ClassName("k", ("up", "down"))], ["{}"])


def test_the_templates_are_complete() -> None:
    assert {name: len(TEMPLATES[name]) for name in ("imagenet", "imagenet7", "cifar")} == {
        "imagenet": 80,
        "imagenet7": 7,
        "cifar": 18,
    }
    assert set(TEMPLATES["imagenet7"]) < set(TEMPLATES["imagenet"])
    for templates in TEMPLATES.values():
        assert len(set(templates)) == len(templates)
        assert all(template.count("{}") == 1 for template in templates)


def test_templates_by_name_or_of_ones_own() -> None:
    assert find_templates("simple") == ("a photo of a {}.",)
    assert find_templates("a scan of {}") == ("a scan of {}",)
    assert find_templates(["{}", "the {}", "{}"]) == ("{}", "the {}")
    assert prompts(["a{}b", "c"], ["<{}>"]) == ["<a{}b>", "<c>"]
    with pytest.raises(ConfigError, match="did you mean 'imagenet'"):
        find_templates("imagnet")
    for wrong in (["no place"], []):
        with pytest.raises(ConfigError):
            find_templates(wrong)


def test_calibration_is_that_of_its_definition() -> None:
    chances = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    labels = np.array([0, 1, 0, 1])
    found = calibration(chances, labels, bins=10)
    # bin 0.9: two pictures, half right; 0.6: one, right; 0.7: one, right
    assert found.error == pytest.approx((2 * 0.4 + 0.4 + 0.3) / 4)
    assert found.nll == pytest.approx(-np.log([0.9, 0.1, 0.6, 0.7]).mean())
    assert (found.confidence, found.accuracy) == (pytest.approx(0.775), 0.75)
    assert sum(one.n for one in found.bins) == 4
    with pytest.raises(ValueError, match="add up"):
        calibration(chances * 2, labels)


def test_probabilities_at_any_scale() -> None:
    scores = np.array([[1.0, 0.0, -1.0]])
    assert np.allclose(probabilities(scores, 0.0), 1 / 3)
    assert np.allclose(probabilities(scores, 1e6), [[1, 0, 0]])
    model = torch.nn.Module()
    assert model_scale(model) == 1.0
    model.log_scale = torch.nn.Parameter(torch.tensor(math.log(50.0)))
    assert model_scale(model) == pytest.approx(50.0)
