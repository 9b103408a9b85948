"""Names that leave, turn or hide are refused; keys become names that every tool takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data.shards import names

webdataset = pytest.importorskip("webdataset")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../dog.png", names.LEAVES),
        ("a/../../dog.png", names.LEAVES),
        ("/etc/passwd", names.LEAVES),
        ("C:/dog.png", names.LEAVES),
        ("a\\..\\dog.png", names.LEAVES),
        ("dog\0.png", names.CONTROL),
        ("dog\n.png", names.CONTROL),
        ("dog\u202egnp.exe", names.CONTROL),
        ("dog\u2066.png", names.CONTROL),
        ("dog\ud800.png", names.CONTROL),
        (f"{'d' * 1021}.png", names.TOO_LONG),
        (f"{'é' * 511}.png", names.TOO_LONG),
        ("dog.png", ""),
        ("a/..dog/dog.png", ""),
        ("собака/犬.png", ""),
        ("می‌خواهم.png", ""),  # a zero-width non-joiner belongs to Persian
        ("👩‍🚀.png", ""),
    ],
)
def test_what_is_unsafe(name: str, reason: str) -> None:
    assert names.why_unsafe(name) == reason


@pytest.mark.parametrize(
    "name", ["dog.jpg", "a/dog.jpg", "a.b/dog.left.jpg", "dog.tar.gz", "dog", "a/dog"]
)
def test_keys_are_those_of_webdataset(name: str) -> None:
    from webdataset.tariterators import base_plus_ext

    assert (names.split_name(name) or (None, None)) == base_plus_ext(name)


def test_a_leading_dot_and_slash_is_no_part_of_the_key() -> None:
    assert names.split_name("./dog.jpg") == ("dog", "jpg")
    assert names.split_name("dog.") is None
    assert names.split_name("a/.dog.jpg") is None  # hidden, as macOS leaves them in tars


@pytest.mark.parametrize("ending", ["pkl", "PYD", "pth", "pickle", "01.pkl", "pkl.gz", "pt"])
def test_pickles_are_told_by_any_part_of_their_ending(ending: str) -> None:
    assert names.is_pickled(ending)
    assert not names.is_pickled("jpg")


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_written_keys_are_safe_and_as_different_as_keys(one: str, other: str) -> None:
    from webdataset.tariterators import base_plus_ext

    written = names.written_key(one)
    name = f"{written}.jpg"
    assert written.isascii()
    assert len(written) <= names.MAX_KEY_BYTES
    assert names.why_unsafe(name) == ""
    assert not names.is_metadata(name)
    assert names.split_name(name) == (written, "jpg") == base_plus_ext(name)
    assert (written == names.written_key(other)) == (one == other)


def test_long_keys_stay_different() -> None:
    long = "a/" * 500
    assert names.written_key(f"{long}1") != names.written_key(f"{long}2")


def test_messages_show_no_control_characters() -> None:
    assert names.shown("dog\u202egnp\n.exe") == "dog\\u202egnp\\u000a.exe"
    assert len(names.shown("d" * 5000)) == 200
