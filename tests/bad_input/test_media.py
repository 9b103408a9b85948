"""A folder in which everything is wrong, through every door: exact counts, and little memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from interlingua.data import open_source
from interlingua.data.errors_log import SkipLog
from interlingua.data.loader import decode
from interlingua.errors import DataError, MediaError
from interlingua.report.contact_sheet import contact_sheet
from interlingua.sample import Audio, Image, Part, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, TextPreprocess
from tests.bad_input.bad_files import png_that_says, silence, wav, zeros_deflated

HTML = b"<!doctype html><html><body>404 Not Found</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
PICTURES = Counter(not_an_image=6, empty=1, damaged=3, too_large=2)
SOUNDS = Counter(not_a_sound=3, empty=2, damaged=3, not_finite=1, too_loud=1)
GOOD = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, picture: Callable[[int], bytes]) -> Path:
    """Twelve good pictures and one long silence among twenty-two files that are none."""
    path = tmp_path_factory.mktemp("media") / "everything"
    path.mkdir()
    whole, tone = picture(99), numpy.sin(numpy.arange(16_000) / 9) * 0.5
    long = bytearray(wav(tone))
    long[40:44] = b"\xff\xff\xff\xff"  # 4 GiB of data, says the header
    slow = bytearray(wav(tone))
    slow[24:28] = bytes(4)  # 0 samples a second
    files = {
        # not_an_image
        "one-byte.png": b"\x89",
        "page.jpg": HTML,
        "page.png": HTML,
        "pointer.png": POINTER,
        "sound.png": wav(tone),
        "words.webp": b"these are words, not a picture",
        # empty, damaged, too_large
        "nothing.png": b"",
        "half.png": whole[: len(whole) // 2],
        "header.png": whole[:20],
        "zero.png": png_that_says(0, 10),
        "bomb.png": png_that_says(60_000, 60_000, zeros_deflated(64 << 20, 15)),
        "long.png": png_that_says(20_000_000, 1),
        # not_a_sound, empty, damaged, not_finite, too_loud
        "one-byte.wav": b"R",
        "page.ogg": HTML,
        "picture.flac": whole,
        "nothing.mp3": b"",
        "no-samples.wav": wav(numpy.zeros(0)),
        "lies.wav": bytes(long),
        "stands-still.wav": bytes(slow),
        "half.wav": wav(tone)[:9_000],
        "nan.wav": wav(numpy.full(800, numpy.nan), "FLOAT"),
        "loud.wav": wav(numpy.full(800, 1e30), "FLOAT"),
    }
    for name, data in files.items():
        (path / name).write_bytes(data)
    for number in range(GOOD):
        (path / f"good-{number:02d}.png").write_bytes(picture(number))
    silence(path / "hour.flac", 3600, 16_000, "FLAC", "PCM_16")
    assert sum(file.stat().st_size for file in path.iterdir()) < 1_000_000
    return path


def parts_of(folder: Path, kind: type) -> list[Part]:
    return [
        part for sample in open_source(str(folder)) for part in sample.all_parts()
        if isinstance(part, kind)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "preprocess", "bad", "good"),
    [
        (Image, ImagePreprocess(size=16), PICTURES, GOOD),
        (Audio, AudioPreprocess(num_mels=8, max_seconds=2.0, bucket_seconds=0.5), SOUNDS, 1),
    ],
)
def test_the_loader_counts_exactly(
    folder: Path, kind: type, preprocess: Any, bad: Counter[str], good: int, tmp_path: Path
) -> None:
    parts = parts_of(folder, kind)
    log = SkipLog(tmp_path / "errors.jsonl")

    def skip(number: int, part: Part, error: MediaError) -> None:
        log.bad(error, key=part.content.name, source="test")

    read = sum(len(chunk) for chunk in decode(parts, preprocess, on_error=skip))
    assert (read, log.counts) == (good, bad)
    assert len(parts) == good + bad.total()
    lines = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert Counter(line["reason"] for line in lines) == bad
    assert {Path(line["key"]).name for line in lines} == {
        Path(part.content.name).name for part in parts
    } - {path.name for path in folder.iterdir() if path.name[:4] in ("good", "hour")}
    for line in lines:  # in words: what it is, and never what a decoder says
        assert line["what"].endswith(".")
        assert "0x" not in line["what"]


def test_the_page_counts_exactly(folder: Path, tmp_path: Path) -> None:
    page = contact_sheet(open_source(str(folder)), tmp_path / "page.html").read_text("utf-8")
    total = (PICTURES + SOUNDS).total()
    assert f"{total} pictures or sounds can&#x27;t be decoded" in page
    for reason, count in (PICTURES + SOUNDS).items():
        assert f"{reason} {count}" in page
    assert page.count("<img ") == GOOD


def test_a_run_and_an_index_count_exactly(world: Any, folder: Path, tmp_path: Path) -> None:
    """Training goes on without what is damaged; each is written down once with its reason."""
    from interlingua.index.build import build_index
    from interlingua.space import load
    from interlingua.train.session import train_recipe

    data = {"sources": [{"source": {"name": "folder", "path": str(folder)}},
                        {"source": world.source()}]}  # fmt: skip
    stages = [{"name": "heads", "steps": 2, "batch_size": 30}]
    train_recipe(world.recipe(named=False, data=data, stages=stages), tmp_path / "run")
    written = [
        json.loads(line)
        for file in (tmp_path / "run").glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]
    assert Counter(row["reason"] for row in written if "reason" in row) == PICTURES + SOUNDS
    space = load(tmp_path / "run", device="cpu", precision="fp32")
    report = build_index(tmp_path / "index", space, open_source(str(folder)))
    assert report.added == {"image": GOOD, "sound": 1}
    assert report.left_out == PICTURES + SOUNDS


def test_a_folder_of_nothing_good_stops_with_a_clear_message(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"{number}.png").write_bytes(HTML)
    log = SkipLog()

    def skip(number: int, part: Part, error: MediaError) -> None:
        log.bad(error, key=part.content.name)

    with pytest.raises(DataError) as caught:
        list(decode(parts_of(tmp_path, Image), ImagePreprocess(size=16), on_error=skip))
    assert "100 samples in a row can't be read" in str(caught.value)
    assert "not_an_image 100" in str(caught.value)


def test_copies_of_one_error_page_are_each_counted(world: Any, tmp_path: Path) -> None:
    """Frozen towers see equal bytes once; what is missing is still told for every sample."""
    from interlingua.content import BytesContent
    from interlingua.train.feature_cache import FeatureCache

    tower = world.recipe(named=False).model.build().frozen_towers.load("image")
    good = (world.things / "dog.png").read_bytes()
    cache = FeatureCache(tmp_path / "features")

    def counts(copies: int) -> Counter[str]:
        log = SkipLog()
        names = [f"{number}.png" for number in range(copies)]
        parts = [Image(BytesContent(good, "good.png"))]
        parts += [Image(BytesContent(HTML, name)) for name in names]
        table = cache.features(tower, "tower", parts, tower.preprocess, skip_log=log)
        assert table.rows.tolist() == [0] + [-1] * copies
        return log.counts

    assert counts(3) == counts(3) == Counter(not_an_image=3)  # computed, then from the cache
    with pytest.raises(DataError, match="100 samples in a row"):
        counts(500)


MEMORY = """
from pathlib import Path
import torch
torch.set_num_threads(1)
from interlingua.data import open_source
from interlingua.data.loader import decode
from interlingua.data.sound import read_sound
from interlingua.errors import DataError, MediaError
from interlingua.report.contact_sheet import contact_sheet
from interlingua.sample import Audio, Image
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

folder, hours = Path(sys.argv[1]), Path(sys.argv[2])
takes = {Image: ImagePreprocess(), Audio: AudioPreprocess()}
def read(folder, kind, preprocess, bad):
    parts = [p for s in open_source(str(folder)) for p in s.all_parts() if isinstance(p, kind)]
    skip = lambda number, part, error: bad.append(error.reason)
    return sum(len(c) for c in decode(parts, preprocess, on_error=skip, threads=1)), len(bad)
for kind, preprocess in takes.items():  # everything is imported and started
    read(Path(sys.argv[3]), kind, preprocess, [])
answers = {}
for kind, preprocess in takes.items():
    answers[kind.__name__] = grown(lambda: read(folder, kind, preprocess, []))
for path in sorted(hours.iterdir()):
    part = Audio(open_source(str(hours))[0].parts[0].content)
    content = type(part.content)(path)
    answers[f"tower {path.name}"] = grown(
        lambda: len(next(decode([Audio(content)], takes[Audio], threads=1)))
    )
    answers[f"whole {path.name}"] = grown(lambda: len(read_sound(content, 16_000)))
contact_sheet(open_source(sys.argv[3]), folder.parent / "warm.html")
page = folder.parent / "p.html"
answers["page"] = grown(lambda: contact_sheet(open_source(str(folder)), page).name)
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_none_of_it_costs_50_megabytes(
    measured: Callable[..., dict[str, Any]],
    folder: Path,
    picture: Callable[[int], bytes],
    tmp_path: Path,
) -> None:
    warm, hours = tmp_path / "warm", tmp_path / "hours"
    warm.mkdir()
    hours.mkdir()
    (warm / "a.png").write_bytes(picture(0))
    (warm / "a.wav").write_bytes(wav(numpy.sin(numpy.arange(500_000) / 9) * 0.5))
    silence(hours / "hour.ogg", 3600, 8_000, "OGG", "OPUS")
    silence(hours / "hour.flac", 3600, 48_000, "FLAC", "PCM_16")
    assert max(file.stat().st_size for file in hours.iterdir()) < 12_000_000
    answers = measured(MEMORY, folder, hours, warm)
    assert {name: answer for name, (answer, _) in answers.items()} == {
        "Image": [GOOD, PICTURES.total()],
        "Audio": [1, SOUNDS.total()],
        **{f"tower {file.name}": 1 for file in hours.iterdir()},
        **{f"whole {file.name}": "too_long" for file in hours.iterdir()},
        "page": "p.html",
    }
    assert max(more for _, more in answers.values()) < 50, answers


TEXTS = """
import torch
torch.set_num_threads(1)
from interlingua.data.text import Tokenizer
from interlingua.errors import DataError, MediaError
from interlingua.towers.tower import TextPreprocess

texts = {
    "marks": "e" + "\\u0301" * 999_999,
    "one word": "x" * 1_000_000,
    "nul": "a\\0b" * 1000,
    "halves": "\\ud800" * 100_000,
    "spaces": " " * 1_000_000,
    "turned": "\\u202e" * 100_000,
    "too long": "a" * 1_000_001,
}
answers = {}
for clean in ("none", "clip", "siglip", "lower"):
    tokenizer = Tokenizer(TextPreprocess(tokenizer=sys.argv[1], max_tokens=64, clean=clean))
    tokenizer(["a dog"])
    for name, text in texts.items():
        answers[f"{name}, {clean}"] = grown(lambda: tokenizer([text])[0].shape[1] <= 64)
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_a_million_characters_are_cut_in_little_memory(
    measured: Callable[..., dict[str, Any]], world: Any
) -> None:
    answers = measured(TEXTS, world.folder / "tokenizer.json")
    assert {answer for name, (answer, _) in answers.items() if "too long" in name} == {"too_large"}
    assert all(answer for answer, _ in answers.values())
    assert len(answers) == 4 * 7
    # the tokenizer keeps the place of every character: some 75 bytes for each of a million
    assert max(more for _, more in answers.values()) < 100, answers


def test_typed_text_of_every_kind_is_text(world: Any) -> None:
    """Odd characters reach a tower as ids; an empty text alone is left out, with its reason."""
    texts = [Text(text) for text in ("a\0dog", "\ud800", "\u202edog", "é", "e\u0301", "")]
    preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
    bad: list[tuple[int, str]] = []
    chunks = list(decode(texts, preprocess, on_error=lambda n, _, e: bad.append((n, e.reason))))
    assert sum(len(chunk) for chunk in chunks) == len(texts) - 1
    assert bad == [(5, "empty")]
