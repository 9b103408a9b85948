"""The command line, and one real benchmark without peers; no time is asserted."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks import TABLE, chart, machine, memory, peers, results
from benchmarks.__main__ import listing, main
from benchmarks.harness import CaseResult, Check, Prepared, Ratio, Side, SideResult

FOLDER = Path(results.__file__).parent


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120)


def test_the_table_is_the_folder() -> None:
    functions = {
        path.stem: {
            node.name
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        for path in FOLDER.glob("[a-z]*.py")
    }
    entries = {"cases", "measure"}
    assert {name for name, defined in functions.items() if defined & entries} == set(TABLE)
    assert "not written yet" not in listing()


def test_list_and_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert set(TABLE) <= set(capsys.readouterr().out.split())
    with pytest.raises(SystemExit, match="no benchmark 'train_stop'"):
        main(["train_stop"])


SMOKE = ("vector_search", "--quick", "--case", "pictures only", "--threads", "2")


def test_a_real_benchmark_writes_its_results(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    file = tmp_path / "result.json"
    assert main([*SMOKE, "--no-memory", "--json", str(file)]) == 0
    kept = json.loads(file.read_text("utf-8"))
    assert kept["passed"] and kept["benchmark"] == "vector_search"
    assert kept["machine"]["versions"]["torch"] and kept["machine"]["threads"] >= 1
    assert kept["limits"]["flops"]["fp32"] > 0 and kept["limits"]["copy_bytes"] > 0
    (case,) = kept["cases"]
    assert [side["name"] for side in case["sides"]] == ["interlingua", "NumPy, vectors only"]
    assert all(len(side["seconds"]) == 2 and side["rate"] > 0 for side in case["sides"])
    assert case["checks"]["NumPy, vectors only"][0]["value"] == 1.0
    assert all(0 < side["figures"]["p50 ms"] <= side["figures"]["p95 ms"] for side in case["sides"])
    ElementTree.parse(file.with_suffix(".svg"))


@pytest.mark.slow  # three processes that import torch
def test_memory_is_measured_in_a_process_of_each_side(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    file = tmp_path / "result.json"
    done = run(repository, *SMOKE, "--no-limits", "--json", str(file))
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(file.read_text("utf-8"))["cases"]
    own, numpy = (side["memory"] for side in case["sides"])
    assert own["peak"] > numpy["peak"] > 0  # lancedb is loaded in one of them only


def test_different_outputs_give_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import vector_search

    monkeypatch.setattr(vector_search, "accepted", lambda row, wanted: True)
    assert main([*SMOKE, "--no-limits"]) == 1
    shown = capsys.readouterr()
    assert "DIFFERENT: recall@10" in shown.out and "nothing was timed" in shown.out
    assert "FAILED" in shown.err


def test_a_missing_peer_names_the_next_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers, "ENVIRONMENT", tmp_path)
    peers.restart_with_peers(["json"], ["x"])  # nothing is missing
    with pytest.raises(SystemExit, match=r"no_such_peer.*\n.*--setup"):
        peers.restart_with_peers(["json", "no_such_peer"], ["x"])


def test_a_case_may_need_a_peer_that_its_benchmark_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("lancedb")
    monkeypatch.setattr(peers, "ENVIRONMENT", tmp_path)
    if not peers.missing(["faiss", "usearch"]):
        pytest.skip("the peers are here")
    with pytest.raises(SystemExit, match=r"faiss, usearch.*\n.*--setup"):
        main(["vector_search", "--quick", "--case", "20 at once", "--threads", "2"])


def test_pins_are_exact() -> None:
    lines = [line for line in peers.PINS.read_text("utf-8").splitlines() if line[0] != "#"]
    assert lines and all(line.count("==") == 1 for line in lines)


def test_peak_memory_sees_what_the_work_allocates() -> None:
    def prepare() -> Prepared:
        return Prepared(lambda _: bytearray(300 << 20).count(1))

    found = memory.peak_of_side(Side("ours", prepare), "cpu")
    assert 290 < found["added"] < 400
    assert found["peak"] == pytest.approx(found["before"] + found["added"])


def test_limits_are_those_of_the_best_product() -> None:
    limits = machine.measured_limits(quick=True)
    assert set(limits["flops"]) == {"fp32", "bf16"}
    assert all(rate > 1e8 for rate in limits["flops"].values())
    assert len(machine.limit_lines(limits)) == 3


def example() -> CaseResult:
    return CaseResult(
        "a <b> & c",
        10,
        "things",
        axis="batch size",
        at=8,
        checks={"peer": [Check("loss", 0.5, 0.1)]},
        sides=[
            SideResult(
                "ours",
                "bf16",
                [0.5, 1.0, 2.0],
                10.0,
                0.6,
                {"peak": 900.0, "added": 20.0},
                {"p50 ms": 12.3456},
            ),
            SideResult("peer <x>", "fp32", [2.0, 3.0, 4.0], 10 / 3),
        ],
        ratios=[Ratio("peer <x>", 3.0, 2.0, 4.0, goal=4.0)],
    )


def test_lines_say_what_was_missed() -> None:
    result = example()
    assert "nothing was timed" in results.case_lines(result)[-1]
    result.checks = {"peer": [Check("loss", 0.05, 0.1)]}
    text = "\n".join(results.case_lines(result))
    assert "equal: loss to peer: 0.05" in text
    assert "3.00 times as fast [2.00 to 4.00, aim 4 MISSED]" in text
    assert "60% of the bf16 ceiling" in text and "peak 900 MB (+20)" in text
    assert "  ours      p50 ms 12.35" in text.splitlines()


def test_charts_are_well_formed_and_say_everything_in_words() -> None:
    first, second = example(), example()
    second.at = 16
    drawn = chart.of_cases([first, second])
    assert set(drawn) == {"batch-size"}
    title = ElementTree.fromstring(drawn["batch-size"])[1].text
    assert title and "ours ends at 1,000" in title and "peer <x> ends at 3,000" in title
    first.axis = ""
    bars = ElementTree.fromstring(chart.bars([first]))
    assert bars[1].text == "a <b> & c, things a second: ours 10, peer <x> 3.333"
    flat = chart.lines("Loss", {"x": [(0.0, 1.0), (1.0, 1.0)]}, "step")
    ElementTree.fromstring(flat)  # all equal values: no division by zero


def test_what_a_user_can_cause_is_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lancedb")
    arguments = ["text_query", "--quick", "--no-limits", "--threads", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interlingua.data.open_source", lambda name: iter(()))
        assert main([*arguments, "--run", str(tmp_path / "none")]) == 2
    assert "There is no such run" in capsys.readouterr().err
