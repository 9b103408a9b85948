from __future__ import annotations

import pytest

from interlingua.data.sources.names import plain_name, words_of


@pytest.mark.parametrize(
    ("sentence", "stem", "name"),
    [
        ("A dingo.", "dingo", "dingo"),
        ("An inukshuk (or inuksuk), a landmark made of stones.", "x", "inukshuk"),
        ("Jupiter—the largest planet in our solar system!", "5_jupiter", "jupiter"),
        ("A “Granny Smith” apple.", "apple", "granny smith apple"),
        ("A hoverfly resembles a honeybee drone.", "hoverfly", "hoverfly"),
        ("“Yield” means you have to let other people go first.", "yield", "yield"),
        ("A computer mouse. Squeak!", "mouse", "computer mouse"),
        ("We remember those who have died.", "final-roll-call", "final roll call"),
        ("It's a cep, or they are two ceps?", "cep-2", "cep"),
        ("An important part of Hanukkah is the menorah—a candleholder", "menorah", "menorah"),
        ("Tux and spider - two friends.", "x", "tux and spider"),
        ("The Voyager-2 deep-space probe.", "x", "voyager-2 deep-space probe"),
        ("", "brown_bear3", "brown bear"),
        ("...", "", ""),
    ],
)
def test_the_name_in_a_sentence(sentence: str, stem: str, name: str) -> None:
    assert plain_name(sentence, stem) == name


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("Cherry_StellaRed-02", "cherry stella red"),
        ("ww2_german_gun", "ww2 german gun"),
        ("tiger2", "tiger"),
        ("2001", ""),
        ("Ünïcode_Name", "ünïcode name"),
    ],
)
def test_the_words_of_a_file_name(stem: str, words: str) -> None:
    assert words_of(stem) == words
