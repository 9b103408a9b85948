"""``embed SOURCE --out DIR``: through the program, into Parquet and Lance, resumed and shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

import interlingua as il
from tests.faults import disk_switch


def rows(folder: Path) -> dict[tuple[str, str], list[float]]:
    """(path or text, kind) -> vector, read as any reader of Parquet would."""
    table = pyarrow.parquet.read_table(folder, schema=None).to_pylist()
    return {(row["path"] or row["text"], row["kind"]): row["vector"] for row in table}


def test_a_folder_becomes_parquet_that_equals_one_by_one(
    interlingua, run, media, tmp_path: Path
) -> None:
    out = tmp_path / "vectors"
    ended = interlingua("embed", media, "--run", run, "--out", out, "--block-size", 3, "--json")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["left_out"] == {"damaged": 1}
    assert len(list(out.glob("part-*.parquet"))) == report["blocks"] > 1
    found = rows(out)
    assert len(found) == report["written"]
    space = il.load(run)
    for (what, kind), vector in found.items():
        alone = space.embed(images=Path(what)) if kind == "image" else None
        if alone is not None:
            np.testing.assert_allclose(vector, alone[0], atol=1e-6)
    described = json.loads((out / "_vectors.json").read_text())
    assert described["model"] == space.id
    damaged = [json.loads(line) for one in out.glob("_left-out-*") for line in one.open()]
    assert [Path(row["path"]).name for row in damaged] == ["broken.png"]


def test_a_broken_off_job_goes_on_and_does_nothing_twice(
    interlingua, run, media, tmp_path: Path
) -> None:
    out = tmp_path / "vectors"
    arguments = ("embed", media, "--run", run, "--out", out, "--block-size", 2)
    assert interlingua(*arguments).code == 0
    whole = rows(out)
    parts = sorted(out.glob("part-*.parquet"))
    kept = {path: path.stat().st_mtime_ns for path in parts[1:]}
    parts[0].unlink()
    ended = interlingua(*arguments, "--json")
    assert json.loads(ended.out)["blocks_before"] == len(parts) - 1
    assert rows(out) == whole
    assert {path: path.stat().st_mtime_ns for path in parts[1:]} == kept


def test_shares_add_up(interlingua, run, media, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert interlingua("embed", media, "--run", run, "--out", whole, "--block-size", 2).code == 0
    for share in ("0/2", "1/2"):
        arguments = ("--out", shared, "--block-size", 2, "--share", share)
        assert interlingua("embed", media, "--run", run, *arguments).code == 0
    assert rows(shared) == rows(whole)


def test_lance(interlingua, run, media, tmp_path: Path) -> None:
    import lancedb

    out = tmp_path / "vectors.lance"
    for _ in range(2):  # the second call adds nothing
        ended = interlingua("embed", media, "--run", run, "--out", out, "--block-size", 3)
        assert ended.code == 0, ended.err
    parquet = tmp_path / "parquet"
    assert interlingua("embed", media, "--run", run, "--out", parquet).code == 0
    table = lancedb.connect(str(out)).open_table("vectors").to_arrow().to_pylist()
    found = {(row["path"] or row["text"], row["kind"]): row["vector"] for row in table}
    assert len(table) == len(found)
    assert found.keys() == rows(parquet).keys()


def test_another_plan_is_refused_and_nothing_is_lost(
    interlingua, run, media, tmp_path: Path
) -> None:
    out = tmp_path / "vectors"
    assert interlingua("embed", media, "--run", run, "--out", out).code == 0
    before = rows(out)
    ended = interlingua("embed", media, "--run", run, "--out", out, "--in", "text")
    assert ended.code == 1
    assert "new folder" in ended.err
    assert rows(out) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--share", "2/2"), "no share"),
        (("--share", "half"), "no share"),
        (("--in", "speech"), "nothing to embed"),
        (("--ray", "1", "--share", "0/2"), "Ray shares by itself"),
        (("--text", "a dog"), "alone"),
    ],
)
def test_what_makes_no_sense(interlingua, run, media, tmp_path: Path, arguments, said) -> None:
    ended = interlingua("embed", media, "--run", run, "--out", tmp_path / "v", *arguments)
    assert ended.code in (1, 2)
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_of_other_things_is_left_alone(interlingua, run, media, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    ended = interlingua("embed", media, "--run", run, "--out", tmp_path)
    assert ended.code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_killed_at_any_write_it_goes_on_to_the_same_vectors(
    run, media, tmp_path: Path, switch_library: Path
) -> None:
    """SIGKILL at a spread of a job's changes of the disk; then the job is given again."""
    script = (
        "import sys; from pathlib import Path; import tiny_space, interlingua as il;"
        "from interlingua import data; from interlingua.vectors.bulk import embed_source;"
        "embed_source(il.load(sys.argv[1]), data.open_source(sys.argv[2]), Path(sys.argv[3]),"
        " block_size=2)"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])

    def job(out: Path, crash: int | None) -> int:
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        if crash is not None:
            environment |= disk_switch.environment(switch_library, out, "kill", crash)
        command = [sys.executable, "-c", script, str(run), str(media), str(out)]
        return subprocess.run(command, env=environment, check=False, timeout=120).returncode

    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert job(whole, None) == 0
    for crash in (4, 14):  # in the description, in a block
        assert job(out, crash) == -9
    assert job(out, None) == 0
    assert rows(out) == rows(whole)
