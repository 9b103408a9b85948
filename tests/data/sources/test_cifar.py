"""CIFAR's binary layouts, on pictures of our own: a test of layout, no benchmark."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from interlingua.data.image import decode_pixels
from interlingua.data.labelled_sources import open_labelled
from interlingua.data.sources.cifar import Cifar
from interlingua.errors import DataError, MediaError

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), np.uint8)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    planes = pixels(12)
    for number in range(5):
        (folder / f"data_batch_{number + 1}.bin").write_bytes(bytes([number]) + planes[0].tobytes())
    records = b"".join(bytes([n % 10]) + planes[n].tobytes() for n in range(12))
    (folder / "test_batch.bin").write_bytes(records)
    return tmp_path


def test_records_are_the_very_pixels(ten: Path) -> None:
    source = open_labelled(ten)
    assert isinstance(source, Cifar)
    assert len(source) == 12
    assert [one.name for one in source.classes] == TEN
    planes = pixels(12)
    for number in (0, 11):
        content = source[number].alternatives("image")[0].content
        data = content.read()
        assert len(data) == content.size()
        opened = np.asarray(pillow.open(io.BytesIO(data)).convert("RGB"))
        assert np.array_equal(opened, planes[number].transpose(1, 2, 0))
    assert source[11].alternatives("label")[0].name == "automobile"
    assert source[11].key == "test_batch/00011"


def test_pictures_pass_the_gate_and_keep_their_size(ten: Path) -> None:
    from interlingua.data.gate import ImageLimits
    from interlingua.towers.tower import ImagePreprocess

    content = open_labelled(ten)[3].alternatives("image")[0].content
    preprocess = ImagePreprocess(size=32, crop_fraction=1.0)
    decoded = np.asarray(decode_pixels(content, preprocess, ImageLimits()))
    found = decoded if decoded.shape[0] == 3 else decoded.transpose(2, 0, 1)
    assert np.array_equal(found, pixels(12)[3])


def test_training_pictures_are_in_five_files(ten: Path) -> None:
    source = open_labelled(ten, split="train")
    assert [sample.alternatives("label")[0].name for sample in source] == TEN[:5]
    (ten / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match="can't be read"):
        open_labelled(ten, split="train")


def test_a_hundred_classes_or_their_twenty_kinds(tmp_path: Path) -> None:
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"fine_{n}" for n in range(100)))
    (tmp_path / "coarse_label_names.txt").write_text("\n".join(f"coarse_{n}" for n in range(20)))
    planes = pixels(2)
    records = b"".join(bytes([7 + n, 50 + n]) + planes[n].tobytes() for n in range(2))
    (tmp_path / "test.bin").write_bytes(records)
    source = open_labelled(tmp_path)
    assert [s.alternatives("text")[0].text for s in source] == ["fine 50", "fine 51"]
    data = source[1].alternatives("image")[0].content.read()
    assert np.array_equal(
        np.asarray(pillow.open(io.BytesIO(data)).convert("RGB")), planes[1].transpose(1, 2, 0)
    )
    coarse = Cifar(Cifar.Config(root=tmp_path, labels="coarse"))
    assert [s.alternatives("label")[0].name for s in coarse] == ["coarse_7", "coarse_8"]
    assert (source.benchmark, coarse.benchmark) == ("CIFAR-100 test", "")


def test_the_pickled_version_is_refused_unread(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "exploded").touch, ())

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", "data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))
    for place in (folder, tmp_path):
        with pytest.raises(DataError, match="pickles") as caught:
            open_labelled(place)
        assert "cifar-10-binary.tar.gz" in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_cut_files_and_foreign_labels(ten: Path) -> None:
    path = ten / "cifar-10-batches-bin" / "test_batch.bin"
    whole = path.read_bytes()
    path.write_bytes(bytes([77]) + whole[1 : 3073 * 2 + 100])
    source = open_labelled(ten)
    assert len(source) == 1
    assert sorted(p.reason for p in source.problems) == [
        "a label that is no class",
        "a record that is cut off",
    ]
    content = source[0].alternatives("image")[0].content
    path.write_bytes(whole[:4000])
    with pytest.raises(MediaError, match="cut off"):
        content.read()
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no picture"):
        open_labelled(ten)
    with pytest.raises(DataError, match="no CIFAR"):
        Cifar(Cifar.Config(root=ten / "elsewhere"))
