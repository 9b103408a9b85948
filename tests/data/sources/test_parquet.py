"""Parquet tables: paths, bytes, Hugging Face's pairs, class names; bad rows counted."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pillow

from interlingua import data
from interlingua.data import parquet_table
from interlingua.data.gate import read_bytes
from interlingua.data.source import count_reasons
from interlingua.data.sources.parquet import Parquet
from interlingua.errors import DataError, MediaError, MissingExtraError

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def png(number: int = 0) -> bytes:
    file = io.BytesIO()
    pillow.new("RGB", (4, 4), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, columns: dict[str, Any], features: Any = None, **options: Any) -> Path:
    table = arrow.table(columns)
    if features is not None:
        said = json.dumps({"info": {"features": features}}).encode()
        table = table.replace_schema_metadata({b"huggingface": said})
    parquet.write_table(table, path, **options)
    return path


def pairs(values: list[Any]) -> Any:
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    return arrow.array(values, kind)


def test_a_data_set_of_hugging_face(tmp_path: Path) -> None:
    images = [{"bytes": png(number), "path": f"{number}.png"} for number in range(7)]
    path = write(
        tmp_path / "train.parquet",
        {
            "image": pairs(images),
            "label": arrow.array([number % 2 for number in range(7)]),
            "caption": [f"thing {number}" for number in range(7)],
            "height": list(range(7)),
        },
        features={"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {}},
        row_group_size=3,
    )
    source = data.open_source(path)
    assert isinstance(source, Parquet)
    assert (source.name, len(source)) == ("train", 7)
    for number, sample in enumerate(source):
        assert [part.view for part in sample.parts] == ["image", "text", "label"]
        [image] = sample.alternatives("image")
        assert read_bytes(image.content, 10_000) == png(number)
        assert sample.alternatives("text")[0].text == f"thing {number}"
        assert sample.alternatives("label")[0].name == ("cat", "dog")[number % 2]
        assert (sample.key, sample.meta.group) == (f"train/{number}", ("cat", "dog")[number % 2])
    assert count_reasons(source.problems) == {"unknown columns are ignored: 'height'": 1}
    again = pickle.loads(pickle.dumps(source))
    assert again[-1].alternatives("image")[0].content.read() == png(6)
    with pytest.raises(IndexError):
        source[7]


def test_only_the_row_groups_that_are_read_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [png(number) * 20 for number in range(40)]
    path = write(tmp_path / "a.parquet", {"image": values}, row_group_size=4)
    source = Parquet(Parquet.Config(paths=[str(path)]))
    monkeypatch.setattr(parquet_table, "MAX_KEPT_BYTES", 12_000)
    table = source[0].alternatives("image")[0].content.table
    assert table._kept == {}
    for number in range(40):
        assert source[number].alternatives("image")[0].content.read() == values[number]
        assert 1 <= len(table._kept) <= 3
    monkeypatch.setattr(parquet_table, "MAX_GROUP_BYTES", 100)
    with pytest.raises(MediaError, match="row group"):
        source[0].alternatives("image")[0].content.read()


def test_rows_that_name_files(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(png(3))
    (tmp_path / "bark.wav").write_bytes(b"RIFF0000WAVE")
    path = write(
        tmp_path / "things.parquet",
        {
            "id": ["a", "b", "c", "d", "a", "f", "g"],
            "image": ["dog.png", None, "gone.png", "https://host/x.png", "dog.png", None, None],
            "audio": [None, "bark.wav", None, None, None, "dog.png", None],
            "texts": [["a dog", "a dog", "ein Hund"], ["barks"], None, None, None, None, ["  "]],
            "lang": ["en"] * 7,
        },
    )
    source = data.open_source(path)
    assert [sample.key for sample in source] == ["a", "b"]
    assert [part.text for part in source[0].alternatives("text")] == ["a dog", "ein Hund"]
    assert source[0].alternatives("text")[0].language == "en"
    assert source[0].alternatives("image")[0].content.read() == png(3)
    assert source[1].alternatives("sound")[0].content.read().startswith(b"RIFF")
    assert count_reasons(source.problems) == {
        "the file is missing": 1,
        "an address: only files are read": 1,
        "a key that was used before": 1,
        "an ending that is not read": 1,
        "a row without a picture, sound, speech or text": 1,
    }
    assert source.problems[0].where == f"{path}: row 2"


def test_several_files_and_columns_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        write(folder / f"p-{number}.parquet", {"jpg": [png(number)] * 2, "words": ["x", "y"]})
    for place, count in ((folder, 6), (folder / "p-{0..1}.parquet", 4)):
        source = data.open_source(place, columns={"image": "jpg", "text": "words"})
        assert (len(source), source.problems) == (count, [])
        assert [one.key for one in source][:3] == ["p-0/0", "p-0/1", "p-1/0"]
        assert source[2].alternatives("image")[0].content.read() == png(1)
        assert source[3].alternatives("text")[0].text == "y"
    with pytest.raises(DataError, match="did you mean 'words'"):
        data.open_source(folder, columns={"text": "word"})
    with pytest.raises(DataError, match="did you mean 'image'"):
        data.open_source(folder, columns={"imag": "jpg"})
    with pytest.raises(DataError, match="no known column; it has 'jpg', 'words'"):
        data.open_source(folder)


def test_cells_without_bytes_fall_back_to_the_path(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(png(9))
    rows = [{"bytes": None, "path": "dog.png"}, {"bytes": None, "path": None}, None]
    source = data.open_source(write(tmp_path / "a.parquet", {"image": pairs(rows)}))
    contents = [sample.alternatives("image")[0].content for sample in source]
    assert (contents[0].read(), contents[0].size()) == (png(9), len(png(9)))
    for content in contents[1:]:
        with pytest.raises(MediaError, match="neither bytes nor a path"):
            read_bytes(content, 1000)
    assert contents[0].name == f"{tmp_path / 'a.parquet'}::image[0]"


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "gone"])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "a.parquet", {"text": ["a"] * 100})
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(
            {"empty": b"", "text": b"version https://git-lfs" * 9, "cut": whole[:-9]}[damage]
        )
    with pytest.raises(DataError, match=r"no Parquet file|no such file|no source"):
        Parquet(Parquet.Config(paths=[str(path)]))


def test_a_damaged_row_group_is_a_media_error(tmp_path: Path) -> None:
    values = [bytes([number]) * 5_000 for number in range(8)]
    path = write(
        tmp_path / "a.parquet", {"image": values}, row_group_size=4, compression="zstd",
        use_dictionary=False,
    )  # fmt: skip
    source = Parquet(Parquet.Config(paths=[str(path)]))
    whole = bytearray(path.read_bytes())
    whole[4:40] = bytes(36)
    with path.open("r+b") as file:
        file.write(whole)
    with pytest.raises(MediaError, match=r"row group is damaged|neither bytes"):
        source[0].alternatives("image")[0].content.read()
    assert source[7].alternatives("image")[0].content.read() == values[7]


def test_without_pyarrow_the_line_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"interlingua\[parquet\]"):
        Parquet(Parquet.Config(paths=[str(tmp_path / "a.parquet")]))
