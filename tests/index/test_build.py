"""Filling an index from a source: what is found, what is left out and told."""

import io
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile
from PIL import Image as pillow

from interlingua import content
from interlingua.content import FileContent
from interlingua.data import open_source
from interlingua.data.source import ListSource
from interlingua.errors import DataError, SearchIndexError
from interlingua.index import Index, Record, build_index
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text
from interlingua.space import Space

KINDS = ("image", "text")
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


def a_folder(root, **pictures):
    """Pictures by name in folders, each with a caption, as a source; and where it lies."""
    for name, colour in pictures.items():
        path = root / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.new("RGB", (8, 8), colour).save(path)
        path.with_suffix(".txt").write_text(f"a {name} thing")
    return open_source(str(root))


def held(index):
    """Key and kind of all records."""
    return sorted({(record.key, record.kind) for record in index.records()})


def test_what_was_deleted_from_a_folder_goes_when_it_is_added_again(space, tmp_path):
    root, path = tmp_path / "photos", tmp_path / "index"
    build_index(path, space, a_folder(root, red="red", old__green="green", old__blue="blue"))
    words = ListSource("words", [Sample("w", (Text("red blue"),), meta=Meta("photos"))])
    build_index(path, space, words, append=True)  # no files: nothing of it can vanish
    both = ("old/blue", "old/green", "red")
    everything = sorted([("w", "text"), *((key, kind) for key in both for kind in KINDS)])
    assert held(Index.open(path)) == everything
    (root / "old/green.png").unlink()
    (root / "old/green.txt").unlink()
    (root / "red.png").rename(root / "crimson.png")
    (root / "red.txt").rename(root / "crimson.txt")
    report = build_index(path, space, open_source(str(root)), append=True, folder=root)
    assert report.vanished.kinds == {"image": 2, "text": 3}  # two captions, and the label of green
    assert report.vanished.elsewhere == 0
    kept = [(key, kind) for key in ("crimson", "old/blue") for kind in KINDS]
    assert held(report.index) == sorted([("w", "text"), *kept])
    again = build_index(path, space, open_source(str(root)), append=True, folder=root)
    assert again.vanished.kinds == {} and held(again.index) == held(report.index)
    assert report.index.verify(files=True).passed


def test_a_picture_of_another_ending_takes_the_old_ones_place(space, tmp_path):
    root, path = tmp_path / "photos", tmp_path / "index"
    build_index(path, space, a_folder(root, red="red", blue="blue"))
    pillow.open(root / "red.png").convert("RGB").save(root / "red.jpg")
    (root / "red.png").unlink()
    report = build_index(path, space, open_source(str(root)), append=True)
    assert report.vanished.kinds == {"image": 1}  # the words of red are still its own
    assert {record.path for record in report.index.get("red")} == {"", str(root / "red.jpg")}


def test_files_that_may_only_be_away_keep_their_records(space, tmp_path):
    """Another folder of the same name is not there, and one file that is still named isn't."""
    here, there, path = tmp_path / "here/photos", tmp_path / "usb/photos", tmp_path / "index"
    build_index(path, space, a_folder(there, red="red"))
    a_folder(here, blue="blue", green="green")
    (tmp_path / "usb").rename(tmp_path / "unplugged")
    report = build_index(path, space, open_source(str(here)), append=True, folder=here)
    assert report.vanished.kinds == {} and report.vanished.elsewhere == 1
    listed = open_source(str(here))
    (here / "green.png").unlink()
    again = build_index(path, space, listed, append=True, folder=here)
    assert again.left_out == {"missing": 1}
    assert again.vanished.kinds == {}
    keys = {key for key, kind in held(again.index) if kind == "image"}
    assert keys == {"red", "blue", "green"}


def test_parts_of_shards_and_broken_archives_are_never_taken_for_gone(space, tmp_path):
    """Nobody can tell from their names alone; a source of one shard says nothing of another."""
    path = tmp_path / "index"
    build_index(path, space, a_folder(tmp_path / "s", red="red", blue="blue"))
    index = Index.open(path)
    a_vector = index.get("red")[0].vector
    index.add([
        Record("x", "image", a_vector, path=str(tmp_path / "s/one.tar::x.png"), source="s"),
        Record("y", "image", a_vector, path="https://example.org/y.png", source="s"),
        Record("w", "image", a_vector, path=str(tmp_path / "s/caf\udce9.png"), source="s",
               size=5, modified=datetime.now(UTC)),
        Record("z", "image", a_vector, path=str(tmp_path / "s/bad.zip::z.png"), source="s",
               size=5, modified=datetime.now(UTC)),
    ])  # fmt: skip
    (tmp_path / "s/bad.zip").write_bytes(b"no zip")
    report = build_index(path, space, open_source(str(tmp_path / "s")), append=True)
    assert report.vanished.kinds == {} and report.vanished.elsewhere == 0
    assert {"w", "x", "y", "z"} <= {key for key, _ in held(report.index)}


def test_members_of_an_archive_vanish_too(space, tmp_path):
    path, archive = tmp_path / "index", tmp_path / "pictures.zip"

    def packed(*names):
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                made = io.BytesIO()
                pillow.new("RGB", (8, 8), name).save(made, "PNG")
                file.writestr(f"{name}.png", made.getvalue())
        content._OPEN_ZIPS.pop(archive, None)  # another process would open it anew
        samples = [
            Sample(name, (Image(content.ZipContent(archive, f"{name}.png")),), meta=Meta("zip"))
            for name in names
        ]
        return ListSource("zip", samples)

    build_index(path, space, packed("red", "blue"))
    report = build_index(path, space, packed("blue"), append=True)
    assert report.vanished.kinds == {"image": 1}
    assert held(report.index) == [("blue", "image")]


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
