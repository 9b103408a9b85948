"""What is skipped is counted and written down, and too much of it stops the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interlingua.data.errors_log import SkipLog
from interlingua.errors import DataError, MediaError


def damaged(where: str = "a.png", reason: str = "damaged") -> MediaError:
    return MediaError("The picture is damaged.", reason=reason, where=where)


def test_counts_and_lines(tmp_path: Path) -> None:
    log = SkipLog(tmp_path / "run" / "errors.jsonl")
    log.good(5)
    log.bad(damaged("x\n{}\u2028.png"), key="dog\nforged: 1\ud800", source="stamps")
    log.bad(damaged(reason="too_large"), key="b", shard="things-000001.tar")
    log.bad(damaged(), key="c")
    assert log.counts == {"damaged": 2, "too_large": 1}
    assert (log.good_count, log.bad_count) == (5, 3)
    lines = (tmp_path / "run" / "errors.jsonl").read_bytes().split(b"\n")
    records = [json.loads(line) for line in lines if line]
    assert [record["key"] for record in records] == ["dog\nforged: 1\ud800", "b", "c"]
    assert records[0] == {
        "reason": "damaged",
        "what": "The picture is damaged.",
        "where": "x\n{}\u2028.png",
        "key": "dog\nforged: 1\ud800",
        "source": "stamps",
    }
    assert [record.get("shard") for record in records] == [None, "things-000001.tar", None]
    assert "3 of 8 skipped (damaged 2, too_large 1)" in log.summary()


def test_a_file_that_takes_its_place_is_gone_on_with(tmp_path: Path) -> None:
    log = SkipLog(tmp_path / "errors.jsonl")
    log.bad(damaged(), key="a")
    (tmp_path / "other").write_bytes(b"{}\n")
    (tmp_path / "other").replace(tmp_path / "errors.jsonl")
    log.bad(damaged(), key="b")
    lines = (tmp_path / "errors.jsonl").read_text().splitlines()
    assert [json.loads(line).get("key") for line in lines] == [None, "b"]


def test_nothing_skipped_leaves_no_file(tmp_path: Path) -> None:
    log = SkipLog(tmp_path / "errors.jsonl")
    log.good(10_000)
    assert log.summary() == ""
    assert not log.path.exists()


def test_a_hundred_in_a_row_stop() -> None:
    log = SkipLog()
    log.good(1_000_000)
    for _ in range(99):
        log.bad(damaged())
    log.good(20_000)
    for _ in range(99):
        log.bad(damaged())
    with pytest.raises(DataError, match="100 samples in a row"):
        log.bad(damaged())


def test_more_than_one_percent_stops_from_a_hundred_on() -> None:
    log = SkipLog()
    for _ in range(99):  # 50 %, but too few to say
        log.good()
        log.bad(damaged())
    log.good()
    with pytest.raises(DataError, match="of the last"):
        log.bad(damaged())


def test_exactly_one_percent_goes_on_for_ever() -> None:
    log = SkipLog()
    for _ in range(400):
        log.good(99)
        log.bad(damaged())
    assert log.bad_count == 400


def test_old_failures_are_forgotten() -> None:
    log = SkipLog(window=1000, max_rate=0.05)
    for _ in range(99):
        log.good(1)
        log.bad(damaged())
    log.good(1000)
    for _ in range(50):
        log.good(1)
        log.bad(damaged())
    assert log.bad_count == 149
