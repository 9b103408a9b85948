"""Runs that stream: nothing is kept, and any number of workers and processes gets the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.content import FileContent
from interlingua.data.joined import Joined
from interlingua.data.parquet_table import ParquetTable
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.data.sources.shards import Shards
from interlingua.errors import ConfigError, DataError, Interrupted, MediaError
from interlingua.evaluate.run import evaluate_session
from interlingua.report.run import report_data
from interlingua.sample import Image, Label, Meta, OneOf, Sample, Text
from interlingua.train.recipe import apply_overrides, from_yaml, to_yaml
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import prepare, resume_run, train_recipe
from interlingua.train.source_batches import SourceBatches
from interlingua.train.streamed_corpus import SPLIT_FILE, open_streamed, same_things
from interlingua.train.streamed_samples import StreamedSamples, component_of
from tests.train.streamed_runs import (
    STEPS,
    STOP,
    StopAt,
    assert_same,
    log_keys,
    streaming,
    weights,
)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of each batch that a run in this process was given, in order."""
    return log_keys(monkeypatch)


@pytest.fixture
def shards(world: Any, tmp_path: Path) -> Path:
    """The 24 things, five to a shard."""
    source = world.recipe().data.sources[0].source.build()
    write_shards(source, tmp_path / "things", samples_per_shard=5)
    return tmp_path / "things"


@pytest.mark.parametrize("window", [0, 2])
def test_any_number_of_workers_gives_the_same_run(
    world: Any, shards: Path, tmp_path: Path, keys: list[list[str]], window: int
) -> None:
    """1 -> 2, 2 -> 1 and 0 -> 4 workers: the sample ids of every step, and the last bits."""
    train_recipe(streaming(world, shards, window=window, workers=0), tmp_path / "whole")
    expected, whole = list(keys), weights(tmp_path / "whole")
    assert len(expected) == STEPS
    epoch = Counter(chain.from_iterable(expected[:3]))
    assert len(epoch) == 18 and set(epoch.values()) == {1}, "each sample once an epoch"
    for before, after in ((1, 2), (2, 1), (0, 4)):
        keys.clear()
        run = tmp_path / f"{before}-{after}"
        recipe = streaming(world, shards, window=window, workers=before)
        with pytest.raises(Interrupted):
            train_recipe(recipe, run, display=StopAt(STOP))
        assert keys == expected[:STOP]
        resume_run(run, workers=after)
        assert keys == expected
        assert_same(weights(run), whole)


def test_a_weighted_mixture_is_exact(
    world: Any, shards: Path, tmp_path: Path, keys: list[list[str]]
) -> None:
    """Twice each thing, a coin for each of the others, over a stop in the midst of the epoch."""
    other = ListSource("words", [mixed(world, number) for number in range(10)])
    write_shards(other, tmp_path / "words", samples_per_shard=4)
    words = {"source": {"name": "shards", "paths": [str(tmp_path / "words")]}, "weight": 0.5}
    things = {"source": {"name": "shards", "paths": [str(shards)]}, "weight": 2.0}
    recipe = streaming(world, things, words, window=3, workers=2)
    with pytest.raises(Interrupted):
        train_recipe(recipe, tmp_path / "run", display=StopAt(4))
    session = resume_run(tmp_path / "run", workers=0)
    samples = session.corpus.train
    assert (session.corpus.num_training("things"), session.corpus.num_training("words")) == (18, 10)
    stream = session.stream_for()(recipe.stages[0])
    per_epoch = stream.batches_per_epoch
    counts = Counter(chain.from_iterable(keys[:per_epoch]))
    things_keys = {one.key for one in samples if one.meta.source == "things"}
    assert all(counts[key] == 2 for key in things_keys)
    others = [counts[f"w{number}"] for number in range(10)]
    assert set(others) == {0, 1} and 1 <= sum(others) <= 9
    assert counts.total() == 36 + sum(others)
    held_out = {one.key for one in session.corpus.held_out}
    assert len(held_out) == 6 and not held_out & set(counts)


def mixed(world: Any, number: int) -> Sample:
    name = ("dog", "cat")[number % 2]
    picture = Image(FileContent(world.things / f"{name}.png"))
    text = Text(f"this is the longest of all the texts, number {number}")
    return Sample(f"w{number}", (picture, text))


def test_the_run_is_measured_and_reported(world: Any, shards: Path, tmp_path: Path) -> None:
    session = train_recipe(streaming(world, shards), tmp_path / "run")
    assert isinstance(session.corpus.train, StreamedSamples)
    evaluation = evaluate_session(session)
    assert evaluation.figures["counts"] == {"train": 18, "held_out": 6, "removed": 0}
    assert {row["n"] for row in evaluation.figures["held_out"]} == {6}
    assert {row["n"] for row in evaluation.figures["seen"]} == {6}
    shown = report_data(session, evaluation)
    assert [(use.source, use.training, use.held_out) for use in shown.sources] == [
        ("things", 18, 6)
    ]
    assert shown.sources[0].licence == "CC0-1.0"
    seen = {sample.key for sample in evaluation.seen.samples}
    assert not seen & {sample.key for sample in session.corpus.held_out}


def test_damage_is_written_down_with_shard_and_key(
    world: Any, shards: Path, tmp_path: Path
) -> None:
    path = shards / "things-000001.tar"
    opened = Shards(Shards.Config(paths=[str(shards)]))
    index = opened.shards[1].index
    data = bytearray(path.read_bytes())
    for number, ending in ((0, "png"), (2, "json")):
        [place] = [one for one in index.places(number) if one.ending == ending]
        data[place.offset + place.size // 2] ^= 1
    path.write_bytes(data)
    recipe = streaming(world, shards, held_out=0, workers=2)
    session = train_recipe(recipe, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "errors.jsonl").open()]
    assert rows == session.run.left_out()
    facts = {(row["reason"], Path(row["shard"]).name, row["key"], row["source"]) for row in rows}
    assert facts == {
        ("checksum", "things-000001.tar", index.key(0), "things"),
        ("checksum", "things-000001.tar", index.key(2), "things"),
    }
    found = report_data(session, evaluate_session(session)).skipped
    assert [(one.reason, one.count) for one in found] == [("checksum", 2)]


def test_errors_of_all_processes_and_of_the_first_runs_are_found(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.left_out() == []
    lines = {
        "errors.jsonl": [{"reason": "damaged", "key": "a"}, {"kind": "non_finite", "step": 3}],
        "rank1-errors.jsonl": [{"reason": "damaged", "key": "b"}],
        "skipped.jsonl": [{"reason": "empty", "key": "c"}],
        "rank1-skipped.jsonl": [{"reason": "empty", "key": "d"}],
    }
    for name, rows in lines.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run.errors_path_of(1).name == "rank1-errors.jsonl"
    assert [row["key"] for row in run.left_out()] == ["a", "b", "c", "d"]
    run.forget_errors()
    assert [row["key"] for row in run.left_out()] == ["c", "d"]


REFUSED = [
    ({"trained": ("text",)}, {}, ConfigError, r"frozen tower.*\n.*model.towers.image"),
    ({}, {"filters": [{"name": "text_length"}]}, ConfigError, "can't be filtered"),
    ({}, {"split": {"source": "things", "unseen_languages": ["da"]}}, ConfigError, "languages"),
    ({}, {"split": {"source": "thing", "held_out": 2}}, DataError, "did you mean 'things'"),
    ({}, {"split": {"source": "things", "held_out": 25}}, DataError, "25 samples .* 24 have"),
    ({}, {"split": {"source": "things", "held_out": 24}}, DataError, "Nothing is left"),
]


@pytest.mark.parametrize(("changes", "data", "error", "message"), REFUSED)
def test_what_a_stream_cant_do_is_said(
    world: Any, tmp_path: Path, changes: Any, data: Any, error: type[Exception], message: str
) -> None:
    whole = {"sources": [{"source": world.source()}], "stream": True, **data}
    recipe = world.recipe(**{"trained": ("image", "text"), "named": False, **changes}, data=whole)
    recipe = apply_overrides(recipe, ["model.views={image: image, text: text}"])
    with pytest.raises(error, match=message):
        prepare(recipe, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run" / SPLIT_FILE).exists()


def test_workers_are_for_streams(world: Any, tmp_path: Path) -> None:
    train_recipe(world.recipe(), tmp_path / "run")
    with pytest.raises(ConfigError, match="recipes that stream"):
        resume_run(tmp_path / "run", workers=2)


def test_the_setting(world: Any) -> None:
    recipe = world.recipe()
    assert recipe.data.stream is None
    for given in ("true", "{}", "{window: 0}"):
        on = apply_overrides(recipe, [f"data.stream={given}"])
        assert on.data.stream is not None and on.data.stream.window == 0
        assert from_yaml(to_yaml(on)) == on
    assert apply_overrides(on, ["data.stream=false"]) == recipe
    wide = apply_overrides(recipe, ["data.stream=true", "data.stream.window=3"])
    assert (wide.data.stream.window, wide.data.stream.workers) == (3, None)
    with pytest.raises(ConfigError, match="workers"):
        apply_overrides(recipe, ["data.stream={worker: 3}"])


# -- the split ------------------------------------------------------------------------------------


def named(key: str, *texts: str, component: int | None = None) -> Sample:
    alternatives = tuple(map(Text, texts))
    parts = (OneOf(alternatives) if len(texts) > 1 else alternatives[0],)
    return Sample(key, parts, meta=Meta(component=component))


class Counted(ListSource):
    """Counts what is read; one sample can't be."""

    read = 0

    def __getitem__(self, index: int) -> Sample:
        self.read += 1
        if self._samples[index].key == "broken":
            raise MediaError("Damaged.", reason="damaged")
        return super().__getitem__(index)


def test_twins_of_what_is_chosen_are_found_through_others() -> None:
    one = Counted("one", [
        named("a", "a dog"), named("b", "Dogs", "hound"), named("c", "cat"), named("broken", "dog"),
        named("d", "owl", component=7), named("e", "bird", component=7),
    ])  # fmt: skip
    two = ListSource("two", [named("f", "the hound"), named("g", "fox", component=7)])
    joined = Joined([one, two])
    assert np.flatnonzero(same_things(joined, np.array([0]))).tolist() == [0, 1, 6]
    assert np.flatnonzero(same_things(joined, np.array([4]))).tolist() == [4, 5]
    assert same_things(joined, np.array([], np.int64)).sum() == 0


def test_the_split_stays_and_its_words_are_read_once(
    world: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = streaming(world, shards).data
    notes: list[str] = []
    first = open_streamed(data, notes.append, tmp_path / "run")
    assert any("words of 24 samples" in note for note in notes)
    reads = 0
    real = Shards.__getitem__

    def counted(self: Shards, index: int) -> Sample:
        nonlocal reads
        reads += 1
        return real(self, index)

    monkeypatch.setattr(Shards, "__getitem__", counted)
    again = open_streamed(data, notes.append, tmp_path / "run")
    assert reads == 6, "the held-out ones"
    assert again.held_out == first.held_out
    assert [one.key for one in again.train] == [one.key for one in first.train]
    known = {one.key for one in first.train} | {one.key for one in first.held_out}
    assert len(known) == 24 == len(first.train) + len(first.held_out)
    (shards / "things-000004.tar").unlink()
    with pytest.raises(DataError, match="not those that the run began with"):
        open_streamed(data, notes.append, tmp_path / "run")
    (tmp_path / "run" / SPLIT_FILE).write_text("{")
    with pytest.raises(DataError, match="can't be read"):
        open_streamed(data, notes.append, tmp_path / "run")


def test_samples_that_are_read_when_asked_for() -> None:
    one = Counted("one", [named(f"a{n}", f"a thing {n}") for n in range(40)])
    two = ListSource("two", [named(f"b{n}", f"thing {n}", component=n // 2) for n in range(20)])
    some = StreamedSamples(Joined([one, two], [1.0, 0.5]), np.arange(3, 57, 3))
    assert (len(some), one.read, some.name) == (18, 0, "one+two")
    assert (some.count("one"), some.count("two"), some.count("three")) == (13, 5, 0)
    assert some.shard_sizes == [13, 5]
    assert [sample.key for sample in some[11:15]] == ["a36", "a39", "b2", "b5"]
    assert some[-1].key == "b14" and one.read == 2
    assert some.repeats.tolist() == [1.0] * 13 + [0.5] * 5
    with pytest.raises(IndexError):
        some[18]
    drawn = some.some(4, wanted=lambda sample: sample.meta.source == "two")
    assert len(drawn) == 4 and {sample.meta.source for sample in drawn} == {"two"}
    assert some.some(4) == some.some(4) and len(some.some(100)) == 18
    everything = StreamedSamples(Joined([one, two]))
    assert (len(everything), everything.count("two"), everything.repeats) == (60, 20, None)
    assert everything[41].meta.component == everything[40].meta.component, "the source says so"
    assert everything[42].meta.component != everything[40].meta.component
    assert component_of(named("x", "two dogs"), "a") == component_of(named("y", "Two dog"), "b")
    assert component_of(named("x", "a long text that is no name of anything here"), "a") is None


def test_classes_are_told_apart(world: Any) -> None:
    labelled = ListSource(
        "labelled",
        [Sample(f"{n}", (Text("x"), Label(("dog", "cat", "owl")[n % 3]))) for n in range(6)],
    )
    batch = SourceBatches(labelled, {}, classes=("cat", "dog"))(
        [0, 1, 2, 3], np.random.default_rng(0)
    )
    assert batch.labels.tolist() == [1, 0, -1, 1]


def test_a_row_group_is_read_once_an_epoch(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: list[list[str]]
) -> None:
    """Parquet with the pictures in it: a window of row groups is open at a time."""
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    names = ["dog", "cat", "owl", "cow", "hen", "pig", "fox", "bat", "ant", "bee", "car", "van"]
    rows = {
        "key": names,
        "image": [(world.things / f"{name}.png").read_bytes() for name in names],
        "text": [f"a {name}" for name in names],
    }
    parquet.write_table(arrow.table(rows), tmp_path / "things.parquet", row_group_size=2)
    reads: list[int] = []
    real = ParquetTable._read

    def counted(self: ParquetTable, name: str, group: int) -> Any:
        reads.append(group)
        return real(self, name, group)

    monkeypatch.setattr(ParquetTable, "_read", counted)
    monkeypatch.setattr("interlingua.data.parquet_table.MAX_KEPT_BYTES", 1)
    source = {"name": "parquet", "paths": [str(tmp_path / "things.parquet")]}
    recipe = streaming(world, source, held_out=0, window=2, workers=1)
    recipe = apply_overrides(recipe, ["stages.0.steps=4", "stages.0.batch_size=6"])
    session = train_recipe(recipe, tmp_path / "run")
    samples = session.corpus.train
    assert isinstance(samples, StreamedSamples)
    assert (samples.shard_sizes, samples.reads_anywhere) == ([2] * 6, False)
    for epoch in (keys[:2], keys[2:]):
        assert sorted(chain.from_iterable(epoch)) == sorted(names)
    assert len(reads) <= 2 * 6 + 4, "a group may be met again where two epochs touch"
    assert set(reads) == set(range(6))


# -- many processes -------------------------------------------------------------------------------

CHILD = """
import json, os, signal, sys
from pathlib import Path

import torch

from interlingua.errors import Interrupted
from interlingua.train.distributed import started
from interlingua.train.log import Silent
from interlingua.train.recipe import read_yaml
from interlingua.train.session import Session, resume_run, train_recipe

recipe, run, log, stop = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
real = Session.stream_for

def stream_for(session):
    make = real(session)

    def of_stage(stage):
        stream = make(stage)
        give = stream.next

        def logged():
            batch = give()
            with log.open("a") as file:
                file.write(json.dumps(batch.keys) + chr(10))
            return batch

        stream.next = logged
        return stream

    return of_stage

Session.stream_for = stream_for

class StopAt(Silent):
    def advance(self, step):
        if step == stop:
            os.kill(os.getpid(), signal.SIGTERM)

with started(torch.device("cpu"), 200.0):
    try:
        if (run / "recipe.yaml").exists():
            resume_run(run, display=StopAt())
        else:
            train_recipe(read_yaml(recipe), run, display=StopAt())
    except Interrupted:
        pass
os._exit(0)
"""


def in_processes(world: Any, folder: Path, run: Path, count: int, stop: int = 0) -> list[list[str]]:
    """Train, or go on, in so many processes; the keys of each step's batch, all shares together."""
    logs = [folder / f"{run.name}-{count}-{rank}.jsonl" for rank in range(count)]
    environment = {
        **os.environ,
        "INTERLINGUA_CACHE": str(world.cache),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    arguments = [sys.executable, "-c", CHILD, str(folder / "recipe.yaml"), str(run)]
    children = [
        subprocess.Popen(
            [*arguments, str(log), str(stop)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE, text=True,
        )
        for rank, log in enumerate(logs)
    ]  # fmt: skip
    try:
        for child in children:
            _, said = child.communicate(timeout=240)
            assert child.returncode == 0, said
    finally:
        for child in children:
            child.kill()  # nothing where it has ended
    shares = [[json.loads(line) for line in log.read_text().splitlines()] for log in logs]
    return [list(chain.from_iterable(step)) for step in zip(*shares, strict=True)]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_batches(
    world: Any, shards: Path, tmp_path: Path, keys: list[list[str]]
) -> None:
    """1 -> 2 and 2 -> 1 processes, each a run of its own that is stopped and goes on.

    That the losses are those of one process is tested in ``test_many_processes``.
    """
    recipe = streaming(world, shards, window=2, workers=1)
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    train_recipe(recipe, tmp_path / "whole")
    expected = list(keys)
    one, two = tmp_path / "one", tmp_path / "two"
    keys.clear()
    with pytest.raises(Interrupted):
        train_recipe(recipe, one, display=StopAt(STOP))
    assert keys + in_processes(world, tmp_path, one, 2) == expected
    first = in_processes(world, tmp_path, two, 2, stop=STOP)
    stopped = len(first)
    assert STOP <= stopped < STEPS, "the others hear of it in the next step"
    keys.clear()
    resume_run(two)
    assert first + keys == expected
