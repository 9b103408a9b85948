from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from interlingua.content import FileContent
from interlingua.evaluate.calibration import probabilities
from interlingua.evaluate.classification import Classification, judge
from interlingua.report.classification import Answer, answers_page, classification_page
from interlingua.report.confusion import MOST_CLASSES, confusion_section
from interlingua.sample import Image, Sample

NASTY = "<script>alert(1)</script>\u202e"


def judged(classes: int = 5, count: int = 60) -> Classification:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, count)
    scores = random.normal(size=(count, classes))
    scores[np.arange(count), labels] += 2
    names = [NASTY, *(f"class {n}" for n in range(1, classes))]
    return judge(scores, labels, names, chances=probabilities(scores, 1.0), bootstrap=20)


def sample(folder: Path, name: str = "a.png") -> Sample:
    pillow.new("RGB", (20, 10), "red").save(folder / name)
    return Sample(f"{NASTY}/{name}", (Image(FileContent(folder / name)),))


def test_a_page_holds_figures_bars_confusion_and_examples(tmp_path: Path) -> None:
    result = judged()
    example = Answer(sample(tmp_path), [(NASTY, 0.75), ("class 1", 0.25)], "class 1")
    path = classification_page(
        tmp_path / "deep" / "p.html", result, {"model": NASTY}, title="T", examples=[example]
    )
    text = path.read_text("utf-8")
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "default-src" in text
    assert text.count('class="card"') == 1
    assert "data:image/webp" in text
    assert "expected calibration error" in text
    for row in result.rows[1:]:
        assert row.name in text
    assert f"{result.accuracy[1].value * 100:.1f}" in text
    assert list((tmp_path / "deep").iterdir()) == [path]


def test_classes_without_pictures_and_pages_without_calibration(tmp_path: Path) -> None:
    result = judge(np.eye(3)[[0, 1]], [0, 1], ["a", "b", "c"], bootstrap=5)
    text = classification_page(tmp_path / "p.html", result, {}, title="T").read_text("utf-8")
    assert "no example" in text
    assert "How sure" not in text
    assert "No picture was taken for another class" in text


def test_many_classes_are_cut_to_the_worst(tmp_path: Path) -> None:
    matrix = np.diag(np.full(100, 5))
    matrix[93, 7] = 4
    drawn = confusion_section(matrix, [f"n{n}" for n in range(100)])
    assert f"The {MOST_CLASSES} classes with the most mistakes, of 100" in drawn
    assert "n93 taken for n7: 4 (44%)" in drawn


def test_a_page_of_answers_shows_what_can_not_be_decoded(tmp_path: Path) -> None:
    good, bad = sample(tmp_path), sample(tmp_path, "b.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    answers = [Answer(one, [("dog", 0.9), ("cat", 0.1)]) for one in (good, bad)]
    text = answers_page(tmp_path / "p.html", answers, {}, title="T").read_text("utf-8")
    assert text.count('class="card"') == 2
    assert "No picture" in text


def test_a_page_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.html").mkdir()
    with pytest.raises(OSError):
        answers_page(tmp_path / "p.html", [], {}, title="T")
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
