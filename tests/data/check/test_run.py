"""The whole check over a small world of real files, with something wrong of every kind in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import soundfile
from PIL import Image as Pillow
from PIL import ImageDraw, ImageOps

from interlingua.content import BytesContent, FileContent
from interlingua.data import open_source
from interlingua.data.check.result import to_json
from interlingua.data.check.run import check_source
from interlingua.data.source import ListSource, Problem
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, OneOf, Sample, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

RATE = 8_000


def drawing(seed: int, size: tuple[int, int] = (120, 90)) -> Pillow.Image:
    random = numpy.random.default_rng(seed)
    image = Pillow.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for _ in range(7):
        x, y, width, height = (random.random(4) * 0.5 * numpy.tile(size, 2)).astype(int).tolist()
        colour = tuple(int(value) for value in random.integers(0, 200, 3))
        shape = pen.ellipse if random.random() < 0.5 else pen.rectangle
        shape((x, y, x + width + 9, y + height + 9), fill=colour)
    return image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def messy(tmp_path: Path) -> ListSource:
    """Ten pictures, three sounds, and a row that was left out."""
    folder = tmp_path / "messy"
    folder.mkdir()
    for seed in range(5):
        drawing(seed).save(folder / f"{seed}.png")
    ImageOps.mirror(drawing(0)).save(folder / "mirrored.png")
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "2.png").read_bytes()[:200])
    (folder / "page.jpg").write_bytes(b"<!doctype html><p>Not found")
    (folder / "one.png").write_bytes(b"\x89")
    (folder / "none.png").touch()
    time = numpy.arange(2 * RATE) / RATE
    soundfile.write(folder / "tone.wav", 0.5 * numpy.sin(2 * numpy.pi * 300 * time), RATE)
    soundfile.write(folder / "silence.wav", numpy.zeros(RATE), RATE)
    (folder / "cut.wav").write_bytes((folder / "tone.wav").read_bytes()[:900])
    texts = {
        "0": Text("a red dog", "en"),
        "mirrored": Text("a dog that runs", "en"),
        "1": Text("blue sky", "en"),
        "copy": Text("Blue  sky", "en"),
        "2": Text("IMG_2041", "en"),
        "cut": Text("собака", "en"),
        "3": Text("  ", "en"),
        "page": Text("word word word word", "en"),
        "one": Text("na\ufffdve art"),
        "none": Text("nothing here"),
        "4": Text("a green house", "en"),
    }
    samples = []
    for name, text in texts.items():
        path = folder / f"{name}{'.jpg' if name == 'page' else '.png'}"
        samples.append(Sample(name, (Image(FileContent(path)), text)))
    samples += [
        Sample(name, (Audio(FileContent(folder / f"{name}.wav")), Text(f"a {name}")))
        for name in ("tone", "silence")
    ]
    speech = Audio(FileContent(folder / "cut.wav"), "speech", "fr", "chien")
    samples.append(Sample("spoken", (OneOf((speech,)), Text("a cut one"))))
    return ListSource("messy", samples, [Problem("the file is missing", "rows.csv:4")])


def test_everything_is_counted(messy: ListSource) -> None:
    found = check_source(messy)
    image, sound, speech = found.media
    assert (image.view, image.count, image.looked_at) == ("image", 11, 11)
    assert image.damaged == {"not_an_image": 2, "damaged": 1, "empty": 1}
    assert {one.key for one in image.examples} == {"cut", "page", "one", "none"}
    assert image.kinds == {"png": 7}
    assert (image.short_side.low, image.long_side.high, image.short_side.count) == (90, 120, 7)
    assert (sound.count, sound.silent, sound.damaged) == (2, 1, {})
    assert [one.key for one in sound.silent_examples] == ["silence"]
    assert (sound.seconds.low, sound.seconds.high, sound.seconds.total) == (1.0, 2.0, 3.0)
    assert (speech.count, speech.damaged) == (1, {"damaged": 1})
    texts = found.texts
    assert (texts.count, texts.empty, texts.shared, texts.different) == (14, 1, 1, 12)
    assert texts.commonest == (("blue sky", 2),)
    assert {poor.reason: poor.count for poor in texts.poor} == {
        "camera's name": 1,
        "one word in a row": 1,
        "nothing": 1,
        "characters that were lost": 1,
    }
    twins = found.twins
    assert (twins.copies, twins.near, twins.near_groups, twins.keys) == ({"image": 1}, 2, 2, 0)
    assert [(one.key, one.note) for one in twins.copy_examples] == [("copy", "image as 1")]
    assert {(left.key, right.key) for left, right in twins.near_examples} == {
        ("0", "mirrored"),
        ("1", "copy"),
    }
    assert twins.components == 12
    assert found.languages.scripts == {"Latin": 12, "Cyrillic": 1, "no letters": 1}
    assert found.languages.other_script == 1
    assert [one.key for one in found.languages.other_examples] == ["cut"]
    assert found.languages.said["speech fr"] == 1
    assert (found.tokens, found.fit, found.shared, found.refused) == (None, (), None, "")
    assert {(one.level, one.part) for one in found.findings} >= {
        ("warning", "media"), ("warning", "texts"), ("warning", "languages"),
        ("warning", "contents"),
    }  # fmt: skip
    assert json.loads(json.dumps(to_json(found)))["media"][0]["damaged"] == image.damaged


def test_json_has_no_places_and_no_samples(messy: ListSource) -> None:
    text = json.dumps(to_json(check_source(messy)))
    assert '"place"' not in text and '"samples": [' not in text
    assert json.loads(text)["lessons"][0] == {
        "views": ["image", "text"], "samples": 6, "different": [5, 5]
    }  # fmt: skip


def test_sizes_of_a_model_count(messy: ListSource) -> None:
    needs = {
        "image": ImagePreprocess(size=100),
        "sound": AudioPreprocess(max_seconds=1.5),
    }
    pictures, sounds = check_source(messy, needs=needs).fit
    assert (pictures.view, pictures.changed, pictures.of) == ("image", 7, 7)
    assert (sounds.view, sounds.changed, sounds.of) == ("sound", 1, 2)
    assert sounds.lost == pytest.approx(0.5 / 3, abs=1e-4)


def test_only_some_are_decoded_by_seed(messy: ListSource) -> None:
    found = check_source(messy, most=2)
    assert [(facts.count, facts.looked_at) for facts in found.media] == [(11, 2), (2, 2), (1, 1)]
    assert any("drawn by seed" in one.what for one in found.findings)
    again = check_source(messy, most=2)
    assert to_json(again) == to_json(found)
    others = {json.dumps(to_json(check_source(messy, most=2, seed=seed))) for seed in range(4)}
    assert len(others) > 1
    assert check_source(messy, most=0).media[0].looked_at == 0


def test_what_test_shares_with_training(tmp_path: Path, messy: ListSource) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    drawing(0).resize((60, 45)).save(folder / "smaller.png")  # the same drawing
    (folder / "same.png").write_bytes((tmp_path / "messy" / "4.png").read_bytes())
    drawing(90).save(folder / "sky.png")  # the same name
    drawing(91).save(folder / "new.png")
    texts = {"smaller": "some animal", "same": "a hut", "sky": "blue skies", "new": "a tree"}
    samples = [
        Sample(name, (Image(FileContent(folder / f"{name}.png")), Text(text)))
        for name, text in texts.items()
    ]
    shared = check_source(messy, test=ListSource("held out", samples)).shared
    assert (shared.test, shared.test_samples) == ("held out", 4)
    assert (shared.components, shared.test_affected, shared.train_affected) == (3, 3, 5)
    assert (shared.files, shared.texts) == (1, 0)
    assert {(one.test, one.train, one.why) for one in shared.examples} == {
        ("smaller", "0", "the same drawing"),
        ("same", "4", "the same file"),
        ("sky", "copy", "the same name: blue sky"),
    } or {(one.test, one.why) for one in shared.examples} == {
        ("smaller", "the same drawing"),
        ("same", "the same file"),
        ("sky", "the same name: blue sky"),
    }
    clean = check_source(messy, test=ListSource("clean", samples[3:]))
    assert clean.shared.components == 0
    assert not [one for one in clean.findings if one.part == "shared"]


def test_components_of_two_sources_are_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(
        '{"text": "one", "key": "a", "component": "x"}\n{"text": "two", "key": "b"}\n'
    )
    (tmp_path / "test.jsonl").write_text('{"text": "three", "key": "c", "component": "y"}\n')
    train, test = (open_source(tmp_path / f"{name}.jsonl") for name in ("train", "test"))
    assert train[0].meta.component == test[0].meta.component == 0
    assert check_source(train, test=test).shared.components == 0


@pytest.mark.parametrize("views", [("image",), ("image", "text")])
def test_a_fingerprint_is_made_once(
    messy: ListSource, views: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlingua.data import near_duplicates
    from interlingua.data.component import assign_components

    found = check_source(messy)
    good = [one for one in messy if one.key in ("0", "1", "2", "3", "4", "mirrored", "copy")]
    with monkeypatch.context() as patch:  # what training asks for later is in the cache
        patch.setattr(near_duplicates, "fingerprint", None)
        again = assign_components(good)
    of_check = {one.key: one.meta.component for one in found.samples}
    pairs = {(one.meta.component, of_check[one.key]) for one in again}
    assert len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs})


def test_a_source_without_samples_is_refused() -> None:
    with pytest.raises(DataError, match="has no sample"):
        check_source(ListSource("empty", []))


REFUSED = {
    "all damaged": (lambda n: (Image(BytesContent(b"x" * (n + 1), "x.png")),), "can be read"),
    "one text": (lambda n: (Text("the same"), Label(f"{n}")), "1 different text"),
    "one class": (lambda n: (Text(f"text {n}"), Label("dog")), "1 different label"),
    "all alike": (lambda n: (Text("the same"),), "All samples are the same"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_to_learn_is_refused(what: str) -> None:
    make, words = REFUSED[what]
    found = check_source(ListSource(what, [Sample(f"{n}", make(n)) for n in range(30)]))
    assert words in found.refused
    assert (found.findings[0].level, found.findings[0].part) == ("refused", "lessons")


def test_one_view_alone_can_teach() -> None:
    texts = ListSource("texts", [Sample(f"{n}", (Text(f"text {n}"),)) for n in range(5)])
    found = check_source(texts)
    assert found.refused == ""
    assert any("No sample has two views" in one.what for one in found.findings)
    needs = {"image": ImagePreprocess(), "text": None}
    assert "which the model joins" in check_source(texts, needs=needs).refused
    assert check_source(texts, needs={"text": None}).refused == ""


def test_nothing_wrong_finds_nothing(tmp_path: Path) -> None:
    for seed in range(6):
        drawing(seed, (300, 240)).save(tmp_path / f"{seed}.png")
        (tmp_path / f"{seed}.txt").write_text(f"thing of kind {'abcdef'[seed]}")
    found = check_source(open_source(tmp_path))
    assert [one.what for one in found.findings] == []
