"""Zip archives and Parquet files that are cut, that lie, or that unpack to far too much."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from interlingua import content
from interlingua.content import ZipContent
from interlingua.data.gate import read_bytes
from interlingua.data.sources.parquet import Parquet
from interlingua.errors import DataError, MediaError
from tests.bad_input.bad_files import png_that_says, zeros_deflated

LIMIT = 1 << 26


def zip_that_says(path: Path, packed: bytes, declared: int, method: int = 8) -> Path:
    """An archive of one member ``a.png`` whose directory declares any length."""
    name = b"a.png"
    sizes = struct.pack("<3L", 0, len(packed), declared)
    local = struct.pack("<4s5H", b"PK\3\4", 20, 0, method, 0, 0) + sizes
    local += struct.pack("<2H", len(name), 0) + name + packed
    entry = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, method, 0, 0) + sizes
    entry += struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
    path.write_bytes(local + entry + end)
    return path


@pytest.fixture(autouse=True)
def no_open_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_OPEN_ZIPS", {})


ZIPS = """
from pathlib import Path
from interlingua.content import ZipContent
from interlingua.data.gate import read_bytes
from interlingua.errors import DataError, MediaError
answers = {}
for path in sorted(Path(sys.argv[1]).glob("*.zip")):
    answers[path.stem] = grown(lambda: len(read_bytes(ZipContent(path, "a.png"), 1 << 26)))
print(json.dumps(answers))
"""


def test_zip_bombs_and_liars_cost_under_50_megabytes(
    measured: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    gigabyte = zeros_deflated(1 << 30, -15)
    assert len(gigabyte) < 2_000_000
    zip_that_says(tmp_path / "honest.zip", gigabyte, 1 << 30)
    zip_that_says(tmp_path / "lying.zip", gigabyte, 100)
    zip_that_says(tmp_path / "terabytes.zip", b"\x03\x00", 1 << 31)
    zip_that_says(tmp_path / "less.zip", zeros_deflated(1 << 20, -15), 1 << 22)
    for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive, archive.open("a.png", "w") as file:
            for _ in range(256):
                file.write(bytes(1 << 20))
        data = bytearray(buffer.getvalue())
        at = data.rindex(b"PK\1\2") + 24
        data[at : at + 4] = struct.pack("<L", 100)
        (tmp_path / f"{name}.zip").write_bytes(data)
        assert len(data) < 100_000
    answers = measured(ZIPS, tmp_path)
    assert {name: answer for name, (answer, _) in answers.items()} == {
        "honest": "too_large",
        "lying": "unreadable",
        "terabytes": "too_large",
        "less": "unreadable",
        "bzip2": "unreadable",
        "lzma": "unreadable",
    }
    assert max(more for _, more in answers.values()) < 50


def test_a_whole_archive_is_read(tmp_path: Path, picture: Callable[[int], bytes]) -> None:
    path = tmp_path / "whole.zip"
    data = {f"{number}.png": picture(number) for number in range(3)}
    data["long.png"] = bytes(3 << 20) + b"end"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("0.png"), data["0.png"])  # stored
        for name in [*data][1:]:
            archive.writestr(name, data[name])
    assert {name: read_bytes(ZipContent(path, name), LIMIT) for name in data} == data


def test_an_archive_cut_or_flipped_anywhere(
    tmp_path: Path, picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cut is noticed; a flipped bit gives the very bytes or one clean error."""
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture(1) * 3)
    whole, right = path.read_bytes(), picture(1) * 3
    cuts = [whole[:length] for length in range(0, len(whole), 61)]
    flips = []
    for place in range(0, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        flips.append(bytes(data))
    reasons: Counter[str] = Counter()
    for number, data in enumerate([*cuts, *flips]):
        monkeypatch.setattr(content, "_OPEN_ZIPS", {})
        path.write_bytes(data)
        try:
            assert read_bytes(ZipContent(path, "a.png"), LIMIT) == right
            assert number >= len(cuts)
            reasons["right"] += 1
        except MediaError as error:
            reasons[error.reason] += 1
    assert reasons.keys() <= {"right", "unreadable", "missing", "empty", "too_large"}
    assert reasons["unreadable"] > len(cuts) / 2


def test_a_picture_bomb_inside_an_archive(tmp_path: Path) -> None:
    from interlingua.data.image import open_image

    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png_that_says(60_000, 60_000))
    with pytest.raises(MediaError) as caught:
        open_image(ZipContent(path, "a.png"))
    assert caught.value.reason == "too_large"


# -- Parquet --------------------------------------------------------------------------------------


def repeated(value: bytes, count: int) -> pyarrow.Array:
    """One value in so many rows, kept once."""
    indices = pyarrow.array([0] * count, pyarrow.int32())
    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([value]))


def write_table(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    options = {"store_schema": False, "dictionary_pagesize_limit": 1 << 27, **options}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    return path


PARQUET = """
from pathlib import Path
from interlingua.data.gate import read_bytes
from interlingua.data.sources.parquet import Parquet
from interlingua.errors import DataError, MediaError
def read(path):
    source = Parquet(Parquet.Config(paths=(str(path),)))
    sample = source[len(source) // 2]
    part = next(sample.all_parts())
    return len(part.text) if hasattr(part, "text") else len(read_bytes(part.content, 1 << 26))
read(Path(sys.argv[1]) / "warm.parquet")
print(json.dumps({
    path.stem: grown(lambda: read(path)) for path in sorted(Path(sys.argv[1]).glob("bad-*"))
}))
"""


def test_parquet_bombs_cost_under_50_megabytes(
    measured: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Each file has kilobytes or a megabyte; read as they say they would be gigabytes."""
    million = bytes(range(256)) * 4096
    write_table(tmp_path / "warm.parquet", {"image": [b"warm"], "text": ["a"]})
    write_table(tmp_path / "bad-one-picture.parquet", {"image": repeated(million, 3000)})
    words = repeated("word " * 100_000, 500)
    write_table(tmp_path / "bad-one-text.parquet", {"text": words})
    inside = pyarrow.StructArray.from_arrays(
        [pyarrow.array([million] * 100), pyarrow.array(["a.png"] * 100)], ["bytes", "path"]
    )
    write_table(tmp_path / "bad-hugging-face.parquet", {"image": inside})
    lists = pyarrow.ListArray.from_arrays(
        pyarrow.array(range(201), pyarrow.int32()), pyarrow.array(["word " * 100_000] * 200)
    )
    write_table(tmp_path / "bad-captions.parquet", {"text": lists}, row_group_size=100)
    zeros = {"image": pyarrow.array([bytes(1 << 20) + bytes([n]) for n in range(200)])}
    write_table(tmp_path / "bad-zeros.parquet", zeros, compression="zstd", use_dictionary=False)
    zeros = {"text": pyarrow.array(["0" * (1 << 20) + str(n) for n in range(200)])}
    write_table(
        tmp_path / "bad-zero-texts.parquet", zeros, compression="zstd", use_dictionary=False
    )
    rows = pyarrow.table({"text": ["a"] * 1_000_000})
    with pyarrow.parquet.ParquetWriter(tmp_path / "bad-rows.parquet", rows.schema) as writer:
        for _ in range(11):
            writer.write_table(rows)
    assert max(path.stat().st_size for path in tmp_path.glob("*.parquet")) < 1_200_000
    answers = measured(PARQUET, tmp_path)
    assert {name: answer for name, (answer, _) in answers.items()} == {
        "bad-one-picture": 1 << 20,
        "bad-one-text": 499_999,
        "bad-captions": 499_999,
        "bad-hugging-face": 1 << 20,
        "bad-zeros": "too_large",
        "bad-zero-texts": "The column 'text' unpacks to far more than it is packed.",
        "bad-rows": "The file has 11,000,000 rows; the limit is 10,000,000.",
    }
    assert max(more for _, more in answers.values()) < 50


def test_a_table_cut_anywhere_is_refused_in_one_way(
    tmp_path: Path, picture: Callable[[int], bytes]
) -> None:
    columns = {"image": [picture(n) for n in range(8)], "text": [f"thing {n}" for n in range(8)]}
    whole = write_table(tmp_path / "a.parquet", columns, row_group_size=2).read_bytes()
    path = tmp_path / "cut.parquet"
    for length in range(0, len(whole), 509):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            Parquet(Parquet.Config(paths=(str(path),)))


def test_a_flipped_table_gives_samples_or_clean_errors(
    tmp_path: Path, picture: Callable[[int], bytes]
) -> None:
    columns = {"image": [picture(n) for n in range(8)], "text": [f"thing {n}" for n in range(8)]}
    options = {"row_group_size": 2, "write_page_checksum": True}
    whole = write_table(tmp_path / "a.parquet", columns, **options).read_bytes()
    path = tmp_path / "flipped.parquet"
    for place in range(4, len(whole), 211):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            for sample in Parquet(Parquet.Config(paths=(str(path),))):
                for part in sample.all_parts():
                    if part.view == "image":
                        read_bytes(part.content, LIMIT)
        except (DataError, MediaError):
            pass


def test_lists_and_pairs_in_several_row_groups_are_read(
    tmp_path: Path, picture: Callable[[int], bytes]
) -> None:
    """What Arrow can't give in one piece once repeated values are kept once."""
    pairs = [{"bytes": picture(n), "path": f"{n}.png"} for n in range(3)]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = {
        "image": pyarrow.array([*pairs, None, {"bytes": None, "path": "0.png"}], kind),
        "text": [["a dog", "a dog", " "], [], None, ["a cat"], ["a dog"]],
    }
    (tmp_path / "0.png").write_bytes(picture(0))
    path = write_table(tmp_path / "a.parquet", columns, row_group_size=2, store_schema=True)
    source = Parquet(Parquet.Config(paths=(str(path),)))
    texts = [[part.text for part in sample.alternatives("text")] for sample in source]
    assert texts == [["a dog"], [], [], ["a cat"], ["a dog"]]
    for number, same_as in enumerate((0, 1, 2, None, 0)):
        [part] = source[number].alternatives("image")
        if same_as is not None:
            assert read_bytes(part.content, LIMIT) == picture(same_as)
