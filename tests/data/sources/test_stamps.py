from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua import data
from interlingua.data.source import Source
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Sample, Text

RealData = Callable[[str], object]


@pytest.fixture
def stamps(real_data: RealData) -> Source:
    real_data("stamps")
    return data.open_source("stamps")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small tree in the stamps' form."""
    files = {
        "animals/dog.png": "",
        "animals/dog.ogg": "",
        "animals/dog.txt": "A dog.\nfr.utf8=Un chien.\npt_BR.utf8=Um cão.\nbroken line\nde.utf8=\n",
        "animals/dog_desc.ogg": "",
        "animals/dog_desc_fr.ogg": "",
        "animals/dog_desc_pt_BR.wav": "",
        "animals/dog_desc_ru.ogg": "",
        "animals/dog_desc_da.ogg.ogg": "",
        "animals/dog_mirror.png": "",
        "animals/dog_mirror.txt": "A dog.\n",
        "animals/doghouse.svg": "",
        "animals/doghouse.txt": "A doghouse.\n",
        "animals/lost.txt": "Something without a picture.\n",
        "animals/mute.png": "",
        "animals/mute.txt": "",
        "symbols/a.png": "",
        "symbols/a.txt": "The letter A.\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def speech(sample: Sample) -> dict[str | None, str | None]:
    return {
        part.language: part.transcript
        for part in sample.alternatives("speech")
        if isinstance(part, Audio)
    }


def test_the_counts_are_those_of_the_package(stamps: Source) -> None:
    assert len(stamps) == 701
    endings = Counter(
        part.content.suffix
        for sample in stamps
        for part in sample.alternatives("image")
        if isinstance(part, Image)
    )
    assert endings == {".png": 538, ".svg": 163}
    assert sum(bool(sample.alternatives("sound")) for sample in stamps) == 106
    languages = Counter(language for sample in stamps for language in speech(sample))
    assert languages == {
        **dict.fromkeys(("fr", "ca", "ro", "ru", "bg"), 676),
        "es": 658,
        "be": 620,
        "el": 447,
        "da": 321,
        "nl": 67,
        "en": 65,
        "pt-BR": 15,
        "ml": 6,
    }
    assert len(stamps.problems) == 2
    assert len({sample.key for sample in stamps}) == 701


def test_every_stamp_has_a_name_a_group_and_a_licence(stamps: Source) -> None:
    for sample in stamps:
        assert sample.meta.name == sample.meta.name.lower().strip()
        assert 1 <= len(sample.meta.name.split()) <= 5, sample.meta.name
        assert sample.key.startswith(f"{sample.meta.group}/")
        assert sample.meta.licence == "GPL-2.0-only"


def test_one_stamp_is_seen_heard_spoken_and_written(own: Path) -> None:
    dog, doghouse = data.open_source("stamps", root=own)
    assert dog.key == "animals/dog"
    assert dog.meta.name == "dog"
    assert [part.text for part in dog.alternatives("text") if isinstance(part, Text)] == [
        "A dog.",
        "dog",
    ]
    assert len(dog.alternatives("sound")) == 1
    assert speech(dog) == {"en": "A dog.", "fr": "Un chien.", "pt-BR": "Um cão.", "ru": None}
    assert doghouse.key == "animals/doghouse", "dog's files are not the doghouse's"
    assert not doghouse.alternatives("speech")


def test_what_is_left_out_is_said(own: Path) -> None:
    problems = data.open_source("stamps", root=own).problems
    assert {(p.reason, p.where) for p in problems} == {
        ("a text without a picture", "animals/lost"),
        ("no English name", "animals/mute"),
    }


def test_languages_can_be_chosen(own: Path) -> None:
    source = data.open_source("stamps", root=own, languages=["fr", "pt-BR"])
    assert set(speech(source[0])) == {"fr", "pt-BR"}


def test_a_folder_without_stamps_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no stamps"):
        data.open_source("stamps", root=tmp_path)
