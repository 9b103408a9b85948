from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua import data
from interlingua.data.source import Source, count_reasons
from interlingua.errors import DataError
from interlingua.sample import Sample, Text

RealData = Callable[[str], object]
RDF = """<svg><rdf:RDF xmlns:rdf="r" xmlns:dc="d" xmlns:cc="c"><cc:Work>
<dc:title>{title}</dc:title><dc:description>{description}</dc:description>
<dc:subject><rdf:Bag><rdf:li>hash</rdf:li><rdf:li>unsorted</rdf:li><rdf:li>north_america</rdf:li>
<rdf:li>0x8b754fc</rdf:li></rdf:Bag></dc:subject><dc:creator><cc:Agent>
<dc:title>Architetto Francesco Rollandin</dc:title></cc:Agent></dc:creator>
</cc:Work></rdf:RDF></svg>"""


@pytest.fixture
def clipart(real_data: RealData) -> Source:
    real_data("clipart")
    return data.open_source("clipart")


def texts(sample: Sample) -> dict[str, float]:
    parts = sample.alternatives("text")
    found = [part.text for part in parts if isinstance(part, Text)]
    return dict(zip(found, sample.weights("text"), strict=True))


def make(root: Path, name: str, title: str, description: str = "") -> None:
    for kind, content in (("png", ""), ("svg", RDF.format(title=title, description=description))):
        path = root / kind / f"{name}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_the_counts_are_those_of_the_packages(clipart: Source) -> None:
    assert len(clipart) == 8121
    assert count_reasons(clipart.problems) == {"SVG declares entities": 15}
    assert len({sample.key for sample in clipart}) == 8121
    assert all(sample.alternatives("image") and texts(sample) for sample in clipart)


def test_shared_titles_weigh_little_and_boilerplate_is_gone(clipart: Source) -> None:
    star = next(sample for sample in clipart if sample.key == "shapes/stars/star_67pt11step")
    assert texts(star)["gramastar"] == 0.1
    assert texts(star)["star 67pt11step"] == 1.0
    words = {
        word.strip()
        for sample in clipart
        for text in texts(sample)
        for word in text.split(",")
        if "," in text
    }
    assert not words & {"hash", "unsorted", "clip_art", "externalsource"}


def test_a_good_title_is_the_name(tmp_path: Path) -> None:
    make(tmp_path, "birds/cigno_architetto_frances_01", "Cigno", "Mail me@home.org")
    (sample,) = data.open_source("clipart", root=tmp_path)
    assert texts(sample) == {"Cigno": 1.0, "north america": 0.5, "birds": 0.2}
    assert sample.meta.name == "cigno"
    assert sample.meta.group == "birds"


def test_a_title_copied_from_another_picture_gives_way_to_the_file_name(tmp_path: Path) -> None:
    make(tmp_path, "contour_cheetah", "Clipart by Nicu Buculei - contour_chipmunk")
    make(tmp_path, "contour_chipmunk", "Clipart by Nicu Buculei - contour_chipmunk")
    make(tmp_path, "hats/propeller", "Piggybank3")
    make(tmp_path, "hats/piggybank", "Piggybank9")
    source = {sample.key: sample for sample in data.open_source("clipart", root=tmp_path)}
    assert source["hats/propeller"].meta.name == "propeller"
    assert source["hats/piggybank"].meta.name == "piggybank"
    assert texts(source["hats/propeller"])["Piggybank"] == 0.5


def test_a_picture_without_words_is_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "png").mkdir()
    (tmp_path / "png" / "01.png").touch()
    make(tmp_path, "dog", "")
    source = data.open_source("clipart", root=tmp_path)
    assert [sample.key for sample in source] == ["dog"]
    assert count_reasons(source.problems) == {"no words": 1}


def test_raw_titles_are_as_they_stand_there(tmp_path: Path) -> None:
    title = "Clipart by Nicu Buculei - contour_chipmunk"
    make(tmp_path, "mammals/contour_cheetah", title)
    make(tmp_path, "mammals/untitled", "")
    source = data.open_source("clipart", root=tmp_path, titles="raw")
    (sample,) = source
    assert texts(sample) == {title: 1.0}
    assert sample.meta.name == "contour chipmunk"  # the cleaned one, by which twins are found
    assert count_reasons(source.problems) == {"no title": 1}


def test_a_folder_without_clip_art_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip art"):
        data.open_source("clipart", root=tmp_path)
