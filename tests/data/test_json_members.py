"""Read member by member, a JSON file has what Python's own reader finds in it, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data import json_members
from interlingua.data.json_members import read_members

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=9,
)


def as_read(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """What ``read_members`` gives of it."""
    found: list[tuple[str, Any]] = []
    for name, one in value.items():
        if isinstance(one, list):
            found += [(name, item) for item in one if name == "images"]
        elif not isinstance(one, dict):
            found.append((name, one))
    return found


@settings(max_examples=150, deadline=None)
@given(
    value=st.dictionaries(st.sampled_from(("images", "dataset", "b")) | st.text(), VALUES),
    piece=st.integers(1, 9),
    indent=st.sampled_from((None, 1)),
    ascii_only=st.booleans(),
)
def test_whatever_the_window_it_is_what_python_reads(
    tmp_path_factory: pytest.TempPathFactory,
    value: dict[str, Any],
    piece: int,
    indent: int | None,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.mktemp("json") / "file.json"
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_members, "_PIECE", piece)
        try:
            path.read_text("utf-8")
        except UnicodeDecodeError:  # half of a character: no reader takes that
            with pytest.raises(UnicodeDecodeError):
                list(read_members(path, "images"))
        else:
            assert list(read_members(path, "images")) == as_read(value)


WRONG = (
    "", " ", "[]", "3", "{", '{"a"', '{"a":', '{"a": 1', '{"a": 1,}', '{"a": 1 "b": 2}', "{1: 2}",
    '{"a": 1} x', '{"images": [1 2]}', '{"images": [1,]}', '{"images": [1', '{"b": [1, }]}',
    '{"b": {"c": 1, }}', '{"b": {3: 1}}', '{"a": nul}', '{"a": "' + "x" * 50,
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_python_refuses_is_refused(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_members, "_PIECE", 4)
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\S"):
        list(read_members(path, "images"))
    if text not in ("[]", "3"):  # JSON, but no object
        with pytest.raises(ValueError, match=r"\S"):
            json.loads(text)


def test_one_value_is_not_read_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"dataset": "' + "x" * 3_000_000 + '"}')
    assert len(dict(read_members(path, "images"))["dataset"]) == 3_000_000
    monkeypatch.setattr(json_members, "MAX_VALUE", 1_000_000)
    with pytest.raises(ValueError, match="Unterminated string"):
        list(read_members(path, "images"))
    path.write_text('{"dataset": 1' + ".x" * 1_000_000)
    with pytest.raises(ValueError, match="too large"):
        list(read_members(path, "images"))


def test_memory_is_that_of_a_window_and_not_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    entry = {"filename": "a.jpg", "sentences": [{"raw": "some words " * 9, "tokens": ["a"] * 20}]}
    many = ", ".join([json.dumps(entry)] * 20_000)
    path.write_text(f'{{"annotations": [{many}], "images": [{many}], "dataset": "mine"}}')
    del many
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    try:
        number = sum(name == "images" for name, _ in read_members(path, "images"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert number == 20_000
    assert peak < 1_500_000
