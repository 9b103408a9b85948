from __future__ import annotations

import io

from PIL import Image as Pillow

from interlingua.content import FileContent
from interlingua.sample import Image, Sample, Text


def test_the_same_pair_once_more_goes(make_sample, make_png, run_filter, taken) -> None:
    one, two = make_png(seed=1), make_png(seed=2)
    samples = [
        make_sample("a", "dog", one),
        make_sample("b", "Dog ", one),
        make_sample("c", "cat", one),
        make_sample("d", "dog", two),
        make_sample("e", ["dog", "hound"], one),
        make_sample("f", (), one),
        make_sample("g", (), one),
        make_sample("h", "dog"),
        make_sample("i", "dog"),
        make_sample("j", ["sun", "SUN"], two),
    ]
    done = run_filter("exact_duplicates", samples)
    assert taken(done) == [
        ("b", "Dog ", "same picture and text", "a", True),
        ("e", "dog", "same picture and text", "a", False),
        ("g", "", "same picture", "f", True),
        ("j", "SUN", "same picture and text", "j", False),
    ]
    assert [one.key for one in done.kept] == ["a", "c", "d", "e", "f", "h", "i", "j"]
    hound = done.kept[3]
    assert [part.text for part in hound.alternatives("text")] == ["hound"]
    assert hound.weights("text") == (2,)
    assert hound.alternatives("image") == samples[4].alternatives("image")


def test_two_sources_may_use_one_key(make_sample, make_png, run_filter, taken) -> None:
    samples = [make_sample("a", "dog", make_png(), source=source) for source in ("web", "mine")]
    samples += [make_sample("b", (), make_png(), source=source) for source in ("web", "mine")]
    assert [(row[0], row[2]) for row in taken(run_filter("exact_duplicates", samples))] == [
        ("a", "same picture and text"),
        ("b", "same picture"),
    ]


def test_only_files_of_one_size_are_read(make_png, run_filter, tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(make_png(seed=1))
    (tmp_path / "b.png").write_bytes(make_png(seed=1) + b"\0")
    samples = [
        Sample(name, (Image(FileContent(tmp_path / f"{name}.png")), Text("dog")))
        for name in ("a", "b", "missing")
    ]
    assert run_filter("exact_duplicates", samples).kept == samples


def test_the_same_drawing_once_more_goes(make_sample, make_png, run_filter, taken) -> None:
    drawing = Pillow.open(io.BytesIO(make_png(200, 200, seed=1)))

    def saved(image: Pillow.Image) -> bytes:
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    samples = [
        make_sample("first", "dog", saved(drawing)),
        make_sample("other", "cat", make_png(200, 200, seed=2)),
        make_sample("small", "hound", saved(drawing.resize((90, 90)))),
        make_sample("mirrored", "god", saved(drawing.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT))),
        make_sample("words", "dog"),
        make_sample("damaged", "dog", b"\x89PNG"),
    ]
    done = run_filter("near_duplicates", samples)
    assert taken(done) == [
        ("small", "hound", "same drawing", "first", True),
        ("mirrored", "god", "same drawing", "first", True),
    ]


def test_chains_are_not_followed(make_sample, run_filter, taken, monkeypatch) -> None:
    # b is like a, c is like b, but c is not like a: b goes and c has no twin any more
    from interlingua.data.filters import near_duplicates

    monkeypatch.setattr(near_duplicates, "pairs", lambda _: iter([(1, 2), (0, 1), (2, 3)]))
    monkeypatch.setattr(near_duplicates, "fingerprints", lambda contents: contents)
    samples = [make_sample(name, name, name.encode()) for name in "abcd"]
    assert [row[0] for row in taken(run_filter("near_duplicates", samples))] == ["b", "d"]
