"""Filling an index from a source: what is found, what is left out and told."""

import numpy as np
import pytest
import soundfile
from PIL import Image as pillow

from interlingua.content import FileContent
from interlingua.data.source import ListSource
from interlingua.errors import DataError, SearchIndexError
from interlingua.index import Index, build_index
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text
from interlingua.space import Space

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def space(tiny, tmp_path_factory):
    tokenizer = tiny.write_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    config = tiny.TinySpace.Config(
        name="tiny_space:TinySpace", tokenizer=tokenizer, views=("image", "text", "sound")
    )
    return Space(tiny.TinySpace(config), device="cpu")


@pytest.fixture
def source(tmp_path):
    """Three coloured things with captions, one sound, one spoken name, two bad pictures."""
    samples = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        pillow.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
        captions = OneOf((Text(f"a {name} dog", "en"), Text(name)))
        meta = Meta("colours", f"light/{name}", "CC0-1.0", number, f"the colour {name}")
        image = Image(FileContent(tmp_path / f"{name}.png"))
        samples.append(Sample(name, (image, captions), meta=meta))
    soundfile.write(tmp_path / "hum.wav", np.sin(np.arange(8000) / 9), 16_000)
    hum = FileContent(tmp_path / "hum.wav")
    samples.append(
        Sample("hum", (Audio(hum), Audio(hum, "speech", "fr", "bourdon")), meta=Meta("colours"))
    )
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for name in ("broken", "gone"):
        samples.append(Sample(name, (Image(FileContent(tmp_path / f"{name}.png")), Label("dog"))))
    return ListSource("colours", samples)


def test_every_part_is_found_by_its_own_vector(space, source, tmp_path):
    report = build_index(tmp_path / "index", space, source)
    assert report.added == {"image": 3, "sound": 1, "text": 8}
    assert report.left_out == {"damaged": 1, "missing": 1}
    assert report.not_known == {"speech": 1}
    index = Index.open(tmp_path / "index", space.id)
    assert len(index) == 12
    for name in COLOURS:
        picture = tmp_path / f"{name}.png"
        (hit,) = index.search(space.query(image=picture), 1, kinds=["image"])
        assert (hit.key, hit.path, hit.text) == (name, str(picture), f"the colour {name}")
        assert (hit.group, hit.source, hit.licence) == (f"light/{name}", "colours", "CC0-1.0")
        assert hit.component == list(COLOURS).index(name)
        assert hit.score == pytest.approx(1, abs=1e-5)
        (hit,) = index.search(space.query(text=f"a {name} dog"), 1)
        assert (hit.kind, hit.text, hit.language) == ("text", f"a {name} dog", "en")
    labels = index.search(space.query(text="dog"), 10, kinds=["text"])
    assert {hit.key for hit in labels[:2]} == {"broken", "gone"}


def test_isolated_decoding_gives_the_same_index(space, source, tmp_path, monkeypatch):
    plain = build_index(tmp_path / "plain", space, source)
    monkeypatch.setattr("interlingua.data.loader.decode_pixels", None)  # this process decodes none
    monkeypatch.setattr("interlingua.data.loader.decode_wave", None)
    apart = build_index(tmp_path / "apart", space, source, isolate=True)
    assert (apart.added, apart.left_out) == (plain.added, plain.left_out)
    asked = space.query(text="red")
    told = [[(hit.key, hit.kind, hit.score) for hit in one.index.search(asked, 12)]
            for one in (plain, apart)]  # fmt: skip
    assert told[0] == told[1]


def test_bad_media_are_told_with_their_part(space, source, tmp_path):
    told = []
    build_index(tmp_path / "index", space, source, on_error=lambda *error: told.append(error))
    assert sorted(part.content.path.name for part, _ in told) == ["broken.png", "gone.png"]
    assert {error.reason for _, error in told} == {"damaged", "missing"}


def test_only_the_kinds_asked_for_go_in(space, source, tmp_path):
    report = build_index(tmp_path / "index", space, source, kinds=["image", "audio"])
    assert report.added == {"image": 3, "sound": 1}


def test_progress_is_told_until_the_end(space, source, tmp_path, monkeypatch):
    monkeypatch.setattr("interlingua.index.build.PARTS_AT_A_TIME", 4)
    told = []
    report = build_index(tmp_path / "index", space, source, on_progress=lambda *at: told.append(at))
    assert told == [(4, 14), (8, 14), (12, 14), (14, 14)]
    assert len(report.index) == 12


def test_building_again_replaces_and_appending_adds(space, source, tmp_path):
    path = tmp_path / "index"
    build_index(path, space, source)
    one = ListSource("more", [Sample("violet", (Text("red blue"),), meta=Meta("more"))])
    assert len(build_index(path, space, one, append=True).index) == 13
    assert len(build_index(path, space, one, append=True).index) == 13
    assert len(build_index(path, space, one).index) == 1


def test_a_source_of_another_kind_is_refused_before_anything_is_made(space, tmp_path):
    speech = Audio(FileContent(tmp_path / "name.wav"), "speech")
    with pytest.raises(DataError, match="it has speech") as error:
        build_index(tmp_path / "index", space, ListSource("voices", [Sample("x", (speech,))]))
    assert "image, text, sound" in error.value.next_step
    with pytest.raises(DataError, match="no parts"):
        build_index(tmp_path / "index", space, ListSource("empty", []))
    assert not (tmp_path / "index").exists()


def test_another_models_index_is_not_added_to(space, source, tmp_path):
    path = tmp_path / "index"
    Index.create(path, "another", space.dimension)
    with pytest.raises(SearchIndexError, match="another model"):
        build_index(path, space, source, append=True)


def test_a_build_that_fails_leaves_the_old_index(space, source, tmp_path, monkeypatch):
    path = tmp_path / "index"
    build_index(path, space, source)

    def interrupted(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(path, space, source, on_progress=interrupted)
    assert len(Index.open(path, space.id)) == 12
