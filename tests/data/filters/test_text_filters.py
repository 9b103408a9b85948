"""The filters of texts on corpora small enough to count by hand."""

from __future__ import annotations

import pytest

from interlingua.data.filters.boilerplate import PATTERNS
from interlingua.data.filters.words import split_words
from interlingua.errors import ConfigError


def keys(done) -> list[str]:
    return [one.key for one in done.kept]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog's_bone, 2.", ["a", "dog's", "bone", "2"]),
        ("well-known — CAFÉ", ["well-known", "café"]),
        ("'quoted' -- ---", ["quoted"]),
        ("赤い犬 dog", ["赤", "い", "犬", "dog"]),
        ("สวย", ["ส", "ว", "ย"]),
        ("собака 12", ["собака", "12"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_text_length(make_sample, run_filter, taken) -> None:
    samples = [
        make_sample("none", "…"),
        make_sample("one", "dog"),
        make_sample("three", "a brown dog"),
        make_sample("many", "a " * 21),
    ]
    done = run_filter("text_length", samples)
    assert taken(done) == [
        ("none", "…", "too few words", 0, True),
        ("one", "dog", "too few words", 1, True),
        ("many", "a " * 21, "too many words", 21, True),
    ]
    assert keys(run_filter("text_length", samples, min_words=1)) == ["one", "three"]
    assert keys(run_filter("text_length", samples, min_words=0, max_words=21)) == [
        "none", "one", "three", "many",
    ]  # fmt: skip


def test_shared_text_counts_samples_not_sayings(make_sample, run_filter, taken) -> None:
    samples = [make_sample(f"s{n}", text) for n, text in enumerate(["Star", "star ", "STAR", "x"])]
    samples.append(make_sample("twice", ["sun", "Sun"]))
    assert keys(run_filter("shared_text", samples, max_samples=3)) == [s.key for s in samples]
    done = run_filter("shared_text", samples, max_samples=2)
    assert [row[0] for row in taken(done)] == ["s0", "s1", "s2"]
    assert {row[2:] for row in taken(done)} == {("text of many samples", 3, True)}
    assert keys(run_filter("shared_text", samples, max_samples=1)) == ["s3", "twice"]


def test_rare_words(make_sample, run_filter, taken) -> None:
    samples = [
        make_sample("a", "red dog"),
        make_sample("b", "red cat"),
        make_sample("c", "dog xqz xqz xqz"),  # one sample, however often it says it
    ]
    done = run_filter("rare_words", samples)
    assert taken(done) == [
        ("b", "red cat", "rare words", "cat", True),
        ("c", "dog xqz xqz xqz", "rare words", "xqz", True),
    ]
    assert keys(run_filter("rare_words", samples, max_share=0.5)) == ["a", "b"]
    assert keys(run_filter("rare_words", samples, max_share=0.8)) == ["a", "b", "c"]
    assert keys(run_filter("rare_words", samples, min_samples=1)) == ["a", "b", "c"]


def test_repeated_words(make_sample, run_filter, taken) -> None:
    samples = [
        make_sample("row", "Image image IMAGE"),
        make_sample("bye", "bye bye"),
        make_sample("city", "New York, New York"),
        make_sample("shoes", "cheap shoes cheap shoes shoes"),
        make_sample("fine", "a dog and a cat and a cow"),
        make_sample("empty", "!!!"),
    ]
    done = run_filter("repeated_words", samples)
    assert taken(done) == [
        ("row", "Image image IMAGE", "one word in a row", 3, True),
        ("shoes", "cheap shoes cheap shoes shoes", "few different words", 0.4, True),
    ]
    strict = run_filter("repeated_words", samples, max_in_a_row=1)
    assert keys(strict) == ["city", "fine", "empty"]


NOISE = {
    "nothing": ["", " -- ", "___"],
    "address": ["see http://x.org/a", "www.x.org", "mail ralf@ark.in-berlin.de", "nicu.com"],
    "file name": ["dog.JPG", "my dog (2).png", "help-books-aj.svg", "/a/b/c.webp"],
    "camera's name": ["IMG_1234", "DSC00231", "dscn 0042", "P1010101", "IMG_1234_edited"],
    "screen shot": ["Screenshot 2021-02-03"],
    "digits only": ["1080 1920", "42", "2004-08-25", "#7"],
    "code": ["0x8b754fc", "hash(0x1)", "deadbeefdeadbeef01", "550e8400-e29b-41d4-a716-44"],
    "time stamp": ["Part of it (Wed Aug 25 23:29:46 2004)"],
    "untitled": ["Untitled", "untitled-2", "no title", "New Document 1", "null", "sans titre"],
    "names no thing": ["image", "Clip Art 12", "a picture", "Icons", "drawing_3"],
    "call to click": ["Click to enlarge", "click here for more", "view larger", "Read more"],
    "part of a collection": ["Part of the Flat Icon Collection", "from the Nature series"],
}  # fmt: skip
FINE = (
    "dog", "a picture of a dog", "7up can", "Clicker", "iconic building", "p 51 mustang",
    "the title page",
    "image of Jupiter", "Boeing 747", "R2D2", "50 cents", "collection of shells", "no smoking",
    "scan of a letter", "hashish", "file cabinet", "10 o'clock", "Download arrow", "犬",
)  # fmt: skip


def test_the_examples_cover_the_patterns() -> None:
    assert set(NOISE) == set(PATTERNS)


@pytest.mark.parametrize("name", NOISE)
def test_boilerplate_is_found_and_named(name: str, make_sample, run_filter) -> None:
    samples = [make_sample(f"s{n}", text) for n, text in enumerate(NOISE[name])]
    done = run_filter("boilerplate", samples)
    assert [(one.sample.key, one.reason) for one in done.removals] == [
        (sample.key, name) for sample in samples
    ]


def test_words_of_things_are_no_boilerplate(make_sample, run_filter, taken) -> None:
    assert taken(run_filter("boilerplate", [make_sample(text, text) for text in FINE])) == []


def test_boilerplate_skips_and_adds_patterns(make_sample, run_filter, taken) -> None:
    samples = [make_sample("a", "Icons"), make_sample("b", "Lemon SVG  theme")]
    done = run_filter("boilerplate", samples, skip=["names no thing"], patterns=["svg theme$"])
    assert taken(done) == [("b", "Lemon SVG  theme", "pattern svg theme$", "svg theme", True)]


def test_a_text_of_a_megabyte_takes_no_time(make_sample, run_filter) -> None:
    samples = [make_sample("long", "a" * 1_000_000), make_sample("dots", "x." * 500_000)]
    assert len(run_filter("boilerplate", samples).kept) == 2


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("text_length", {"min_words": 9, "max_words": 2}, "min_words 9 is over max_words 2"),
        ("text_length", {"min_word": 9}, "did you mean 'min_words'"),
        ("rare_words", {"max_share": 1.0}, "max_share"),
        ("shared_text", {"max_samples": 0}, "max_samples"),
        ("repeated_words", {"min_different": 2}, "min_different"),
        ("boilerplate", {"skip": ["urls"]}, "no pattern 'urls'"),
        ("boilerplate", {"patterns": ["(a"]}, "'(a' is no regular expression"),
        ("size", {"max_aspect": 0.5}, "max_aspect"),
        ("random_thin", {}, "one of share and number"),
        ("random_thin", {"share": 0.5, "number": 3}, "one of share and number"),
        ("random_thin", {"share": 0}, "share"),
        ("pair_score", {"run": "x"}, "one of keep and min_score"),
        ("pair_score", {"keep": 0.5}, "run"),
    ],
)  # fmt: skip
def test_wrong_settings_are_said(name: str, settings, words: str, run_filter) -> None:
    with pytest.raises(ConfigError) as error:
        run_filter(name, [], **settings)
    assert words in str(error.value)
