"""``classify``, ``zero-shot`` and ``probe`` on a run whose words for colours lie at the colours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

COLOURS = {"red": (230, 20, 10), "green": (10, 220, 20), "blue": (20, 10, 240)}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def colour_run(tiny, tmp_path_factory) -> Path:
    from interlingua.train.recipe import Recipe, to_yaml
    from interlingua.train.run_folder import RunFolder

    folder = tmp_path_factory.mktemp("colour_run")
    config = tiny.TinySpace.Config(
        name="tiny_space:TinySpace", tokenizer=tiny.write_tokenizer(folder)
    )
    recipe = Recipe(
        name="test",
        model=config,
        data={"sources": [{"source": {"name": "stamps"}}]},
        objectives={"match": {"objective": {"name": "pairwise_contrastive"}}},
        stages=[{"steps": 10}],
    )
    model = tiny.TinySpace(config)
    with torch.no_grad():
        model.text[0] *= 0.1
        model.text[4:] *= 0.1
        for place, colour in enumerate(torch.eye(3), start=1):
            model.text[place] = (colour - 0.4) @ model.image
    kept = RunFolder(folder / "run")
    kept.write_text("recipe.yaml", to_yaml(recipe))
    kept.checkpoints.save(10, {"model": model.state_dict()}, {})
    return kept.path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Noisy pictures of three colours in class folders; one is damaged."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(8):
            noise = random.integers(-90, 90, (16, 16, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    broken = root / "blue" / "7.png"
    broken.write_bytes(broken.read_bytes()[:40])
    return root


def test_classify_names_each_picture(interlingua, colour_run, pictures, tmp_path: Path) -> None:
    files = [pictures / name / "0.png" for name in COLOURS]
    page = tmp_path / "look.html"
    labels = ["--labels", "red,green;blue dog a dog,blue"]
    ended = interlingua(
        "classify", *files, "--run", colour_run, *labels, "--top", 2, "--json", "--out", page
    )
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)
    assert [row["classes"][0]["class"] for row in rows] == ["red", "green", "blue"]
    assert all(len(row["classes"]) == 2 for row in rows)
    assert all(0 < row["classes"][0]["probability"] <= 1 for row in rows)
    text = page.read_text()
    assert text.count('class="card"') == 3
    assert "http:" not in text.replace("http://www.w3.org", "")


def test_classify_shows_a_table_and_names_what_it_leaves_out(
    interlingua, colour_run, pictures, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("red\ngreen\nk\tblue; blue dog\n")
    (tmp_path / "page.png").write_text("<html>no picture</html>")
    files = [pictures / "red" / "1.png", pictures / "blue" / "7.png", tmp_path / "page.png"]
    ended = interlingua("classify", *files, "--run", colour_run, "--labels-file", names)
    assert ended.code == 1
    assert ended.err.count("left out") == 2
    assert "red" in ended.out
    assert "7.png" not in ended.out
    ended = interlingua("classify", *files[1:], "--run", colour_run, "--labels-file", names)
    assert (ended.code, ended.out) == (1, "")


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        ((), "Give the classes once", 2),
        (("--labels", "red"), "one class", 2),
        (("--labels", "red,,blue"), "no name", 1),
        (("--labels", "red,red"), "Two classes", 1),
        (("--labels", "red,blue", "--templates", "imagnet"), "did you mean", 2),
    ],
)
def test_classify_refuses(interlingua, colour_run, pictures, options, message, code) -> None:
    ended = interlingua("classify", pictures / "red" / "0.png", "--run", colour_run, *options)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_zero_shot_judges_a_folder(interlingua, colour_run, pictures, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = interlingua(
        "zero-shot", colour_run, pictures, "--templates", "plain", "--json", "--out", page
    )
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert figures["n"] == 23
    assert figures["accuracy"]["1"]["value"] == 1
    assert figures["left_out"] == {"a picture that is damaged": 1}
    assert figures["set"] == "23 pictures of your own"
    assert "blue/7.png" in ended.err
    assert 'class="confusion"' in page.read_text()
    ended = interlingua("zero-shot", colour_run, pictures)
    assert ended.code == 0, ended.err
    for word in ("top-1", "balanced", "blank picture", "calibration error", "shuffled"):
        assert word in ended.out


def test_zero_shot_takes_a_manifest_with_labels(interlingua, colour_run, pictures) -> None:
    manifest = pictures / "set.csv"
    rows = [f"{name}/{n}.png,K{place}" for place, name in enumerate(COLOURS) for n in range(3)]
    manifest.write_text("\n".join(["image,label", *rows]))
    names = pictures / "names.txt"
    names.write_text("\n".join(f"K{place}\t{name}" for place, name in enumerate(COLOURS)))
    ended = interlingua("zero-shot", colour_run, manifest, "--labels-file", names, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["accuracy"]["1"]["value"] == 1
    ended = interlingua("zero-shot", colour_run, manifest, "--split", "val")
    assert (ended.code, ended.out) == (2, "")
    assert "takes no split" in ended.err


def test_zero_shot_retrieves_captions(interlingua, colour_run, tmp_path: Path) -> None:
    entries = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
        sentences = [{"raw": f"{start} {name}"} for start in ("a", "dog", "a a", "dog a", "a dog")]
        entries.append({"filename": f"{number}.png", "split": "test", "sentences": sentences})
    path = tmp_path / "dataset_flickr30k.json"
    path.write_text(json.dumps({"images": entries, "dataset": "flickr30k"}))
    ended = interlingua("zero-shot", colour_run, path)
    assert ended.code == 0, ended.err
    assert "3 pictures in the layout of flickr30k test (1,000): not its figure" in ended.out
    assert "image → text" in ended.out
    ended = interlingua("zero-shot", colour_run, path, "--json")
    rows = json.loads(ended.out)["retrieval"]
    assert {row["r_at"]["1"]["value"] for row in rows} == {1.0}
    ended = interlingua("zero-shot", colour_run, path, "--out", tmp_path / "p.html")
    assert ended.code == 2


@pytest.mark.parametrize("features", ["pooled", "vectors"])
def test_probe_learns_what_the_features_show(
    interlingua, colour_run, pictures, tmp_path: Path, features: str, monkeypatch
) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    ended = interlingua(
        "probe", colour_run, "--data", pictures, "--features", features, "--share", 0.4,
        "--strength", 0.1, "--knn", 3, "--json", "--out", tmp_path / "p.html",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    linear, near = json.loads(ended.out)["probes"]
    assert linear["train"] + linear["n"] == 23
    assert linear["accuracy"]["1"]["value"] == near["accuracy"]["1"]["value"] == 1
    assert near["settings"]["k"] == 3
    assert (tmp_path / "p.html").exists()


@pytest.fixture(scope="session")
def grouped(tmp_path_factory) -> Path:
    """Pictures and sounds of things that a table puts into groups of groups, without labels."""
    root = tmp_path_factory.mktemp("grouped")
    random = np.random.default_rng(1)
    rows = ["image,sound,text,group"]
    time = np.arange(8000) / 16_000
    for name, colour in COLOURS.items():
        for number in range(5):
            noise = random.integers(-60, 60, (16, 16, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            file = f"{name}_{number}"
            Image.fromarray(pixels).save(root / f"{file}.png")
            wave = 0.4 * np.sin(2 * np.pi * (300 + 90 * number) * time)
            soundfile.write(root / f"{file}.wav", wave, 16_000)
            rows.append(f"{file}.png,{file}.wav,thing {file},{name}/deep{number % 2}")
    Image.new("RGB", (16, 16), "grey").save(root / "grey.png")
    rows.append("grey.png,,a thing without a group,")
    (root / "things.csv").write_text("\n".join(rows))
    return root / "things.csv"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints of these pictures are kept in no user's cache."""
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_zero_shot_tells_groups_of_things_apart(
    interlingua, colour_run, grouped: Path, tmp_path: Path
) -> None:
    page = tmp_path / "groups.html"
    options = ["--by", "group", "--templates", "plain"]
    ended = interlingua("zero-shot", colour_run, grouped, *options, "--json", "--out", page)
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert (figures["by"], figures["n"], figures["classes"]) == ("group", 15, 3)
    assert figures["accuracy"]["1"]["value"] == 1
    assert figures["left_out"] == {"no label": 1}
    assert figures["calibration"]["error"] >= 0
    counts = {row["name"]: row["n"] for row in figures["per_class"]}
    assert counts == {"blue": 5, "green": 5, "red": 5}
    assert 'class="confusion"' in page.read_text()
    ended = interlingua("zero-shot", colour_run, grouped, *options)
    assert "else mostly taken for" in ended.out  # the table of the classes
    ended = interlingua("zero-shot", colour_run, grouped, *options, "--depth", 2, "--json")
    deeper = json.loads(ended.out)
    assert (deeper["classes"], deeper["depth"]) == (6, "2")
    assert {row["name"] for row in deeper["per_class"]} >= {"blue deep0", "red deep1"}


@pytest.mark.usefixtures("own_cache")
def test_groups_are_named_by_a_label_file(
    interlingua, colour_run, grouped: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    # the wrong way round: what is asked for are the words, not the keys
    names.write_text("red\tblue\nblue\tred; a red\n")
    ended = interlingua(
        "zero-shot", colour_run, grouped, "--by", "group", "--labels-file", names,
        "--templates", "plain", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert figures["accuracy"]["1"]["value"] == 0
    assert figures["left_out"] == {"no label": 1, "a label that is no class": 5}


@pytest.mark.usefixtures("own_cache")
def test_sounds_are_told_apart_as_pictures_are(
    interlingua, colour_run, grouped: Path, tmp_path: Path
) -> None:
    page = tmp_path / "sounds.html"
    options = ["--by", "group", "--view", "sound", "--out", page]
    ended = interlingua("zero-shot", colour_run, grouped, *options, "--json")
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert (figures["what"], figures["n"]) == ("sounds", 15)
    assert 0 <= figures["blank_sound"] <= 1
    text = page.read_text()
    assert "15 sounds, 3 classes" in text
    assert "Sounds that were taken for something else" in text
    assert text.count('class="card"') > 0
    assert "data:image/" not in text.partition("<main>")[2]  # a picture would be the answer
    ended = interlingua("zero-shot", colour_run, grouped, *options)
    assert "blank sound" in ended.out


def test_a_run_without_data_is_judged_on_what_it_held_out(
    interlingua, finished_run: Path, world, tmp_path: Path
) -> None:
    ended = interlingua("zero-shot", finished_run, "--json", "--out", tmp_path / "p.html")
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert figures["data"] == "things, held out"
    assert figures["set"] == "6 pictures of things that the run never saw"
    assert {row["name"] for row in figures["per_class"]} == {"animals", "things"}
    assert figures["n"] == 6
    ended = interlingua("zero-shot", finished_run, "--view", "speech", "--json")
    assert json.loads(ended.out)["what"] == "recordings"


def test_data_that_a_run_was_trained_on_are_said_to_be(colour_run, capsys) -> None:
    from interlingua.cli.judged_things import warn_of_seen
    from interlingua.data.source import ListSource

    warn_of_seen(str(colour_run), ListSource("others", []))
    warn_of_seen("hf:no/run", ListSource("stamps", []))
    assert capsys.readouterr().err == ""
    warn_of_seen(str(colour_run), ListSource("stamps", []))
    assert "trained on things of stamps" in capsys.readouterr().err


def test_what_the_data_leave_out_is_counted_however_much(colour_run, pictures, capsys) -> None:
    from interlingua.cli.judged_things import By, opened_things

    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    images = ["red/0.png", "blue/0.png", *(f"gone{number}.png" for number in range(150))]
    table = pyarrow.table({"image": images, "label": ["red", *["blue"] * 151]})
    path = pictures / "long.parquet"
    parquet.write_table(table, path)
    source = opened_things(str(colour_run), str(path), "", By.auto, None, None)
    assert len(source) == 2
    assert len(source.problems) < 150  # the rest are counted in one line
    assert "(150), first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (("--by", "group", "--depth", "0"), "depth", 2),
        (("--by", "nothing"), "nothing", 2),
        (("--by", "caption", "--out", "p.html"), "these data have captions", 2),
        (("--view", "text"), "text", 2),
    ],
)
def test_zero_shot_refuses(interlingua, colour_run, grouped: Path, options, message, code) -> None:
    ended = interlingua("zero-shot", colour_run, grouped, *options)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_a_model_that_is_no_run_has_nothing_of_its_own(interlingua, tmp_path: Path) -> None:
    ended = interlingua("zero-shot", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "No data are named" in ended.err


def test_classify_takes_sounds(interlingua, colour_run, grouped: Path, tmp_path: Path) -> None:
    files = [grouped.parent / "red_0.wav", grouped.parent / "red_0.png"]
    page = tmp_path / "look.html"
    ended = interlingua(
        "classify", *files, "--run", colour_run, "--labels", "red,blue", "--json", "--out", page
    )
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)
    assert [Path(row["file"]).name for row in rows] == ["red_0.wav", "red_0.png"]
    assert rows[1]["classes"][0]["class"] == "red"
    assert page.read_text().count('class="card"') == 2


def test_probe_takes_the_parts_of_a_folder(interlingua, colour_run, tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for name, colour in COLOURS.items():
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                shade = tuple(max(0, value - 9 * number) for value in colour)
                Image.new("RGB", (16, 16), shade).save(tmp_path / part / name / f"{number}.png")
    ended = interlingua("probe", colour_run, "--data", tmp_path, "--knn", 0, "--strength", 1)
    assert ended.code == 0, ended.err
    assert "linear: trained on 12 pictures" in ended.out
    assert "N 6, 3 classes" in ended.out
    assert "neighbours" not in ended.out
