from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua.errors import DataError, FetchError
from interlingua.weights.class_names import FILE_NAME, class_texts


def test_lemmas_come_first_and_the_definition_last(tmp_path: Path) -> None:
    classes = [
        {"lemmas": ["tench", "Tinca tinca"], "definition": "a freshwater fish"},
        {"lemmas": ["crane"], "definition": "lifts things: heavy ones"},
    ]
    (tmp_path / FILE_NAME).write_text(json.dumps(classes))
    assert class_texts(str(tmp_path)) == [
        ["tench", "Tinca tinca", "tench, Tinca tinca: a freshwater fish"],
        ["crane", "crane: lifts things: heavy ones"],
    ]


def test_the_real_names_are_imagenets(real_weights: Callable[[str], Path]) -> None:
    real_weights("imagenet-names")
    texts = class_texts("imagenet-names")
    assert len(texts) == 1000
    assert texts[0][0] == "tench"
    assert "toilet tissue" in texts[999]
    assert min(len(one) for one in texts) >= 2
    assert all(text.strip() for one in texts for text in one)
    assert all(one[-1].startswith(", ".join(one[:-1]) + ": ") for one in texts)


def test_an_unknown_entry_is_named() -> None:
    with pytest.raises(FetchError, match="imagenet-names"):
        class_texts("imagenet-nmes")


@pytest.mark.parametrize("text", [None, "{", "[1]", '[{"lemmas": ["a"]}]', "7"])
def test_a_folder_without_good_names_is_said(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(DataError, match="names of the classes can't be read") as raised:
        class_texts(str(tmp_path))
    assert str(tmp_path) in str(raised.value)
