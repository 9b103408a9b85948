"""The whole way of a newcomer, in small: train, judge, embed, index, search, report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

pytestmark = pytest.mark.slow


def program(*arguments: object, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program as its own process."""
    ended = subprocess.run(
        [sys.executable, "-m", "interlingua", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, f"{arguments}\n{ended.stdout}\n{ended.stderr}"
    return ended


@pytest.fixture(scope="module")
def run(tmp_path_factory, real_data, real_weights) -> Path:
    """A finished tiny run."""
    for name in ("minilm", "efficientnet-lite0", "whisper-tiny.en", "imagenet-names"):
        real_weights(name)
    real_data("stamps")
    folder = tmp_path_factory.mktemp("end-to-end")
    program("train", "demo", "--tiny", "--out", "runs/tiny", folder=folder)
    return folder / "runs" / "tiny"


@pytest.fixture(scope="module")
def index(run: Path) -> Path:
    """The stamps' pictures and words, searchable."""
    folder = run.parents[1]
    command = ["index", "build", "stamps", "--run", run, "--out", "indexes/stamps"]
    added = json.loads(program(*command, "--in", "image,text", "--json", folder=folder).stdout)
    assert added["added"]["image"] > 500
    return folder / "indexes" / "stamps"


def test_a_second_training_in_the_same_folder_is_refused(run: Path) -> None:
    ended = program("train", "demo", "--tiny", "--out", run, folder=run.parent, code=2)
    assert "--resume" in ended.stderr


def test_a_finished_run_resumes_to_itself(run: Path) -> None:
    before = sorted(path.name for path in (run / "steps").iterdir())
    program("train", "--resume", run, folder=run.parent)
    assert sorted(path.name for path in (run / "steps").iterdir()) == before


def test_eval_is_json_or_a_table(run: Path) -> None:
    figures = json.loads(program("eval", run, "--json", folder=run.parent).stdout)
    assert figures
    assert "image → text" in program("eval", run, folder=run.parent).stdout


def test_embed_writes_unit_vectors(run: Path, tmp_path: Path) -> None:
    program("embed", "--text", "a dog", "--text", "a red car", "--run", run, "--out", "v.npy",
            folder=tmp_path)  # fmt: skip
    vectors = numpy.load(tmp_path / "v.npy")
    assert vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_a_damaged_file_is_named_and_left_out(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 10)
    ended = program(
        "embed", "bad.png", "--text", "a dog", "--run", run, "--json", folder=tmp_path, code=1
    )
    assert [row["item"] for row in json.loads(ended.stdout)] == ["a dog"]
    assert "bad.png" in ended.stderr


def test_search_by_words_gives_pictures(index: Path) -> None:
    query = ["search", "--index", index, "--text", "a dog", "--in", "image", "-k", "5"]
    hits = json.loads(program(*query, "--json", folder=index.parent).stdout)
    assert len(hits) == 5
    assert {hit["kind"] for hit in hits} == {"image"}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert hits[0]["text"] in program(*query, folder=index.parent).stdout


def test_a_stored_text_finds_itself(index: Path) -> None:
    query = ["search", "--index", index, "--text", "a dog", "--in", "text", "-k", "1", "--json"]
    (hit,) = json.loads(program(*query, folder=index.parent).stdout)
    again = [*query[:4], hit["text"], *query[5:]]
    (found,) = json.loads(program(*again, folder=index.parent).stdout)
    assert found["score"] == pytest.approx(1, abs=1e-2)  # bf16, alone and in a batch


def test_report_writes_one_page(run: Path) -> None:
    path = Path(program("report", run, folder=run.parent).stdout.strip())
    page = (run.parent / path).read_text("utf-8")
    assert "<html" in page
    assert 'src="http' not in page
