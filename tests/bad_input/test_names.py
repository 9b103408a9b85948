"""File names and keys that leave folders, end lines, turn the text round, or are twins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from interlingua.cli import output
from interlingua.cli.data import show_facts
from interlingua.content import BytesContent, FileContent
from interlingua.data import open_source
from interlingua.data.near_duplicates import fingerprints
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.data.sources.manifest import Manifest
from interlingua.data.sources.shards import Shards
from interlingua.report.contact_sheet import contact_sheet
from interlingua.sample import Audio, Image, Label, Meta, Sample, Text

NFC, NFD = "caf\u00e9", "cafe\u0301"
NAMES: list[bytes] = [
    b"latin-\xe8.png",  # no UTF-8: folders from old disks have such names
    b"latin-\xe9.png",
    b"line\nforged.png",
    b"colour\x1b[31m.png",
    "rtl\u202egnp.png".encode(),
    f"{NFC}.png".encode(),
    f"{NFD}.png".encode(),
    b"back\\slash.png",
    b"..up.png",  # hidden
    b" space .png",
    b"-rf.png",
    b"%2e%2e.png",
    b"<script>.png",
    b"[bold].png",
    "\u200bzero.png".encode(),
    b"x" * 250 + b".png",
]
KEYS = [
    "../../outside", "/outside", "C:\\outside", "nul\0", "..", "", "a\r\nb", "x" * 5000, NFC, NFD,
    "rtl\u202e", "half\ud800", "half\ud801", "i\u0307", "\u0130", "a", "A",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, picture: Callable[[int], bytes]) -> Path:
    """Fifteen pictures and a hidden one; their names are the trouble."""
    if sys.platform != "linux":
        pytest.skip("other systems refuse such names themselves")
    path = tmp_path_factory.mktemp("names") / "evil"
    path.mkdir()
    for number, name in enumerate(NAMES):
        with open(os.fsencode(path) + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(picture(number))
    return path


def test_every_name_is_a_key_of_its_own_that_utf8_can_hold(folder: Path) -> None:
    source = open_source(str(folder))
    keys = [sample.key for sample in source]
    assert len(set(keys)) == len(keys) == len(NAMES) - 1
    for key in keys:
        key.encode()
    assert {NFC, NFD} <= set(keys)
    assert {"latin-\\udce8", "latin-\\udce9"} <= set(keys)


def test_a_run_an_index_and_vectors_of_such_names(world: Any, folder: Path, tmp_path: Path) -> None:
    """Trained on, found again, embedded: each as itself."""
    from interlingua.index.build import build_index
    from interlingua.index.table import Index
    from interlingua.space import load
    from interlingua.train.session import train_recipe
    from interlingua.vectors.bulk import embed_source

    data = {"sources": [{"source": {"name": "folder", "path": str(folder)}},
                        {"source": world.source()}]}  # fmt: skip
    stages = [{"name": "heads", "steps": 2, "batch_size": 20}]
    train_recipe(world.recipe(named=False, data=data, stages=stages), tmp_path / "run")
    space = load(tmp_path / "run", device="cpu", precision="fp32")
    source = open_source(str(folder))
    assert build_index(tmp_path / "index", space, source).added == {"image": len(source)}
    again = build_index(tmp_path / "index", space, source, append=True)
    assert again.vanished is not None
    assert again.vanished.ids == ()  # each file is there, by whatever name
    index = Index.open(tmp_path / "index", space_id=space.id)
    assert len(index) == len(source)
    found = index.search(space.embed_parts([source[0].parts[0]])[0], k=50)
    assert sorted(hit.key for hit in found) == sorted(sample.key for sample in source)
    assert len({hit.path for hit in found}) == len(source)
    assert embed_source(space, source, tmp_path / "vectors").written == len(source)


def test_the_page_of_such_names_has_none_of_their_tricks(folder: Path, tmp_path: Path) -> None:
    page = contact_sheet(open_source(str(folder)), tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    for trick in ("\u202e", "\x1b", "line\nforged"):
        assert trick not in text
    assert "<bdi>&lt;script&gt;</bdi>" in text


def program(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "interlingua", *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "300", "OMP_NUM_THREADS": "1"},
    )


def test_messages_steer_no_terminal(folder: Path, tmp_path: Path) -> None:
    odd = os.fsencode(folder) + b"/gone\x1b]0;owned\x07\nerror: forged\xe9.csv"
    ended = program("data", "show", os.fsdecode(odd), "--out", tmp_path / "p.html")
    assert ended.returncode in (1, 2), ended.stderr
    assert b"\x1b" not in ended.stderr
    assert b"\nerror: forged" not in ended.stderr
    assert b"\x07" not in ended.stderr
    assert b"gone\\x1b]0;owned\\x07" in ended.stderr
    shown = program("data", "show", folder, "--json", "--out", tmp_path / "q.html")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["samples"] == len(NAMES) - 1


def test_groups_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder `x[` with a folder `red]` in it is the group `x[/red]`."""
    counts = {"source": "[/bold]", "samples": 1, "left_out_first": []}
    counts |= {key: {} for key in ("samples_with", "parts", "languages", "licences", "left_out")}
    show_facts({**counts, "groups": {"x[/red]\x1b[31m": 1}})
    written = capsys.readouterr().out
    assert "x[/red]\\x1b[31m 1" in written
    assert "[/bold], 1 samples" in written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 🐕\tand\nlines", "plain é 日本 🐕\tand\nlines"),
        ("\x1b[31mred\x07\r", "\\x1b[31mred\\x07\\x0d"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("half\udce9", "half\\udce9"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
    ],
)
def test_what_a_terminal_gets(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert output.printable(text) == shown
    output.print_text(text)
    assert capsys.readouterr().out == f"{shown}\n"
    output.print_json({"key": text})
    written = capsys.readouterr().out
    assert json.loads(written) == {"key": text}
    assert "\u202e" not in written
    written.encode()


def test_samples_hold_what_utf8_can_hold() -> None:
    half = "a\ud83d"
    meta = Meta(source=half, group=half, name=half)
    sample = Sample(half, (Text(half), Label(half)), meta=meta)
    speech = Audio(None, "speech", transcript=half)
    assert sample.key == meta.source == meta.group == meta.name == "a\\ud83d"
    assert sample.parts == (Text("a\ufffd"), Label("a\\ud83d"))
    assert speech.transcript == "a\ufffd"
    assert Text("\ud83d\udc15").text == "🐕"  # two halves are one whole
    assert Sample(NFD, ()).key == NFD


def things(picture: Callable[[int], bytes]) -> ListSource:
    return ListSource(
        "evil",
        [
            Sample(key, (Image(BytesContent(picture(number), "a.png")), Text(f"thing {number}")))
            for number, key in enumerate(KEYS)
        ],
    )


def test_keys_that_leave_the_folder_stay_in_their_shards(
    picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "shards"
    write_shards(things(picture), out)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["shards"]
    read = Shards(Shards.Config(paths=(str(out),)))
    assert [sample.key for sample in read] == [sample.key for sample in things(picture)]
    assert len({sample.key for sample in read}) == len(KEYS)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_twins_that_differ_in_unicode_form_stay_two(
    ending: str, picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    assert unicodedata.normalize("NFC", NFD) == NFC
    rows = [{"key": key, "image": f"{n}.png", "text": key} for n, key in enumerate((NFC, NFD))]
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    path = tmp_path / f"twins{ending}"
    if ending == ".csv":
        lines = ["key,image,text", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    source = Manifest(Manifest.Config(path=path))
    assert [sample.key for sample in source] == [NFC, NFD]
    assert source.problems == ()


def test_a_manifest_of_names_that_go_astray(
    picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    """What is there is read wherever it lies; the rest is counted, row by row."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside.png").write_bytes(picture(1))
    (inside / "here.png").write_bytes(picture(2))
    (inside / "folder.png").mkdir()
    os.mkfifo(inside / "pipe.png")
    names = [
        "here.png", "../outside.png", "nul\0.png", "../../../../../../etc/passwd", "folder.png",
        "pipe.png", "x" * 5000 + ".png", "http://127.0.0.1:9/a.png", "half\ud800.png", "../",
    ]  # fmt: skip
    path = inside / "m.jsonl"
    rows = [{"image": name, "text": "a", "key": str(n)} for n, name in enumerate(names)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="ascii")
    source = Manifest(Manifest.Config(path=path))
    assert [sample.key for sample in source] == ["0", "1"]
    counts: dict[str, int] = {}
    for problem in source.problems:
        counts[problem.reason] = counts.get(problem.reason, 0) + 1
    assert counts == {
        "the file is missing": 3,
        "an ending that is not read": 1,
        "not a file": 3,
        "an address: only files are read": 1,
    }


def test_odd_names_share_nothing_that_is_cached(
    tmp_path: Path, picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    contents = []
    for number, name in enumerate((b"a\xe8.png", b"a\xe9.png")):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(picture(number))
        contents.append(FileContent(path))
    first, second = fingerprints(contents)
    assert first is not None
    assert second is not None
    assert not numpy.array_equal(first.grey, second.grey)
