"""The index: exact search against brute force, adding, and what goes wrong on disk."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from interlingua.errors import MissingExtraError, SearchIndexError
from interlingua.index import Hit, Index, Record
from interlingua.index.info import FILE_NAME

SPACE = "a" * 64
OTHER = "b" * 64
DIMENSION = 24


@pytest.fixture(scope="session")
def template(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "index"
    Index.create(path, SPACE, DIMENSION, run="runs/demo").add(made.records)
    return path


@pytest.fixture
def path(template, tmp_path):
    return shutil.copytree(template, tmp_path / "index")


def in_another_process(code, *arguments):
    """Run Python there; gives (exit code, output)."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stdout + ended.stderr


def found(hits):
    return [hit.text for hit in hits]


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_search_is_exact(made, path, k):
    index = Index.open(path)
    for query in made.queries:
        expected = made.nearest(query, k)
        hits = index.search(query, k)
        assert found(hits) == [text for text, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([s for _, s in expected], abs=1e-5)


@pytest.mark.parametrize(
    ("options", "keep"),
    [
        ({"kinds": ["image"]}, lambda r: r.kind == "image"),
        ({"kinds": ["image", "text"]}, lambda r: r.kind in ("image", "text")),
        ({"kinds": ["audio"]}, lambda r: r.kind in ("sound", "speech")),
        ({"groups": ["animals"]}, lambda r: r.group.startswith("animals/")),
        ({"groups": ["animals/dogs/"]}, lambda r: r.group == "animals/dogs"),
        ({"groups": ["it's 100%_odd"]}, lambda r: r.group == "it's 100%_odd"),
        ({"sources": ["stamps"]}, lambda r: r.source == "stamps"),
        ({"languages": ["fr", "es"]}, lambda r: r.language in ("fr", "es")),
        (
            {"kinds": ["speech"], "languages": ["fr"], "groups": ["animals"]},
            lambda r: r.kind == "speech" and r.language == "fr" and r.group[:8] == "animals/",
        ),
        ({"groups": []}, lambda r: False),
    ],
)
def test_filtered_search_is_exact(made, path, options, keep):
    index = Index.open(path)
    for query in made.queries[:5]:
        assert found(index.search(query, 30, **options)) == [
            text for text, _ in made.nearest(query, 30, keep)
        ]


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "x') OR true OR starts_with(`group`, ('", "%", "_"]
)
def test_a_filter_value_is_never_sql(made, path, text):
    index = Index.open(path)
    assert index.search(made.queries[0], 10, groups=[text], languages=[text]) == []
    assert index.search(made.queries[0], 10, sources=[text]) == []
    assert index.remove([text]) == 0


def test_a_hit_carries_everything_that_was_stored(made, path):
    record = made.records[37]
    (hit,) = Index.open(path).search(record.vector, 1)
    assert hit.score == pytest.approx(1.0, abs=1e-6)
    stored = {name: getattr(record, name) for name in Hit.__slots__ if name != "score"}
    assert {name: value for name, value in hit.to_json().items() if name != "score"} == stored
    (nameless,) = Index.open(path).search(made.records[7].vector, 1)
    assert nameless.component is None


def test_the_length_of_a_query_does_not_matter(made, path):
    index = Index.open(path)
    assert found(index.search(made.queries[0] * 1e3)) == found(index.search(made.queries[0]))


def test_counts(made, path):
    index = Index.open(path)
    assert len(index) == 400
    assert index.kinds() == {"image": 100, "sound": 100, "speech": 100, "text": 100}
    assert index.run == str(Path("runs/demo").absolute())


def test_adding_again_replaces_and_does_not_double(made, path):
    index = Index.open(path)
    assert index.add(made.records[:50]) == 50
    assert len(index) == 400
    moved = Record("thing/0", "image", -made.vectors[0], path="/media/0.bin", source="stamps")
    twice = [
        Record("thing/0", "image", made.queries[0], path="/media/0.bin", source="stamps"),
        moved,
    ]
    index.add(twice)
    assert len(index) == 400
    assert index.search(-made.vectors[0], 1)[0].path == "/media/0.bin"


def test_captions_of_one_picture_are_records_of_their_own(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, DIMENSION)
    index.add([Record("dog", "text", made.vectors[n], text=f"caption {n}") for n in range(5)])
    assert len(index) == 5


def test_many_small_additions_are_joined_and_found(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, DIMENSION)
    for record in made.records[:60]:
        index.add([record])
    assert len(index) == 60
    assert index._newest().table.stats()["fragment_stats"]["num_fragments"] <= 17
    for number in (0, 31, 59):
        assert index.search(made.vectors[number], 1)[0].text == f"name {number}"


def test_removing_takes_all_records_of_a_thing(made, path):
    index = Index.open(path)
    assert index.remove(["thing/0", "thing/1", "nothing"]) == 8
    assert len(index) == 392
    assert found(index.search(made.vectors[0], 1)) != ["name 0"]


def test_an_empty_index_finds_nothing(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, DIMENSION)
    assert index.search(made.queries[0], kinds=["image"]) == []
    assert (len(index), index.kinds()) == (0, {})
    assert index.add([]) == 0


def test_names_that_are_no_utf8_are_stored(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, DIMENSION)
    index.add([Record("caf\udce9.png", "image", made.vectors[0], path="caf\udce9.png")])
    assert index.search(made.vectors[0], 1)[0].path == "caf\\udce9.png"


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(DIMENSION + 1), "shape"),
        (np.ones((1, DIMENSION)), "shape"),
        (np.full(DIMENSION, np.nan), "zero or not finite"),
        (np.zeros(DIMENSION), "zero or not finite"),
    ],
)
def test_wrong_vectors_are_refused_and_nothing_is_added(path, vector, message):
    index = Index.open(path)
    with pytest.raises(SearchIndexError, match=message):
        index.search(vector)
    with pytest.raises(SearchIndexError, match=message):
        index.add([Record("good", "image", np.ones(DIMENSION)), Record("bad", "image", vector)])
    assert len(index) == 400


def test_wrong_questions_are_refused(made, path):
    index = Index.open(path)
    with pytest.raises(SearchIndexError, match="k must be"):
        index.search(made.queries[0], 0)
    with pytest.raises(SearchIndexError, match="did you mean 'image'") as error:
        index.search(made.queries[0], kinds=["imgae"])
    assert "100 text" in error.value.next_step


def test_an_index_of_another_model_is_refused(path):
    Index.open(path, space_id=SPACE)
    with pytest.raises(SearchIndexError, match="another model") as error:
        Index.open(path, space_id=OTHER)
    assert str(Path("runs/demo").absolute()) in error.value.next_step


def test_a_folder_without_an_index_is_named(tmp_path):
    with pytest.raises(SearchIndexError, match="There is no index"):
        Index.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(SearchIndexError, match="is no index"):
        Index.open(tmp_path)


def test_an_index_is_not_made_over_anything(path, tmp_path):
    with pytest.raises(SearchIndexError, match="an index in this folder"):
        Index.create(path, SPACE, DIMENSION)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dog.jpg").write_bytes(b"x")
    for folder in (tmp_path / "photos", tmp_path / "photos" / "dog.jpg"):
        with pytest.raises(SearchIndexError, match="something else"):
            Index.create(folder, SPACE, DIMENSION)
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["dog.jpg"]


def test_without_lancedb_the_install_line_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"interlingua\[index\]"):
        Index.open(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"format": "other"}, "damaged"),
        ({"dimension": 7}, "other columns"),
        ({"build_id": "gone"}, "damaged"),
        ({"surprise": 1}, "damaged"),
    ],
)
def test_a_wrong_description_is_refused(path, change, message):
    description = json.loads((path / FILE_NAME).read_text())
    (path / FILE_NAME).write_text(json.dumps({**description, **change}))
    with pytest.raises(SearchIndexError, match=message):
        Index.open(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"null"])
def test_a_damaged_description_is_refused(path, content):
    (path / FILE_NAME).write_bytes(content)
    with pytest.raises(SearchIndexError, match="damaged"):
        Index.open(path)


def files_of(path):
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != ".lock")


@pytest.mark.parametrize("harm", ["missing", "empty", "half", "zeros", "noise"])
def test_damaged_files_give_a_clear_error_or_do_no_harm(made, template, tmp_path, harm):
    refused = 0
    for number, original in enumerate(files_of(template)):
        path = shutil.copytree(template, tmp_path / str(number))
        file = path / original.relative_to(template)
        data = file.read_bytes()
        noise = np.random.default_rng(number).bytes(len(data))
        file.write_bytes(
            {"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}.get(
                harm, noise
            )
        )
        if harm == "missing":
            file.unlink()
        try:
            hits = Index.open(path).search(made.queries[0], 5)
            assert found(hits) == [text for text, _ in made.nearest(made.queries[0], 5)]
        except SearchIndexError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused >= 3  # index.json, the table's manifest and its data


def test_no_flipped_bit_gives_another_answer(made, template, tmp_path):
    generator = np.random.default_rng(0)
    expected = [found(Index.open(template).search(query, 5)) for query in made.queries[:2]]
    refused = 0
    files = files_of(template)
    for number in range(60):
        path = shutil.copytree(template, tmp_path / str(number))
        file = path / files[number % len(files)].relative_to(template)
        data = bytearray(file.read_bytes())
        data[generator.integers(len(data))] ^= 1 << generator.integers(8)
        file.write_bytes(data)
        try:
            index = Index.open(path)
            assert [found(index.search(query, 5)) for query in made.queries[:2]] == expected
        except SearchIndexError:
            refused += 1
    assert refused > 40  # the rest hit what no answer depends on: the run's name, a hint


def test_searches_go_on_while_another_process_adds_and_rebuilds(made, path):
    code = """
        import sys, numpy
        from interlingua.index import Index, Record
        generator = numpy.random.default_rng(0)
        def records(count):
            return [Record(f"x{n}", "image", generator.normal(size=24) - 9) for n in range(count)]
        index = Index.open(sys.argv[1])
        for _ in range(25):
            index.add(records(40))
        with Index.rebuild(sys.argv[1], "a" * 64, 24) as fresh:
            fresh.add(records(30))
    """
    index = Index.open(path)
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path)])
    sizes = set()
    while writer.poll() is None:
        assert len(index.search(made.queries[0], 20, kinds=["image"])) == 20
        sizes.add(len(index))
    assert writer.returncode == 0
    assert len(sizes) > 1
    assert len(index) == 30


def test_additions_of_another_process_are_seen_at_once(path):
    index = Index.open(path)
    assert len(index) == 400
    code, output = in_another_process(
        """
        import sys, numpy
        from interlingua.index import Index, Record
        index = Index.open(sys.argv[1], "a" * 64)
        index.add([Record("new", "image", numpy.arange(24) - 40.0, text="from elsewhere")])
        """,
        path,
    )
    assert code == 0, output
    assert index.search(np.arange(24) - 40.0, 1)[0].text == "from elsewhere"
    assert len(index) == 401


def test_only_one_process_writes_and_others_search(made, path):
    code = """
        import sys, numpy
        from interlingua.errors import SearchIndexError
        from interlingua.index import Index, Record
        index = Index.open(sys.argv[1])
        print(len(index.search(numpy.ones(24), 3)))
        try:
            index.add([Record("new", "image", numpy.ones(24))])
        except SearchIndexError as error:
            print(error.what)
    """
    with Index.rebuild(path, SPACE, DIMENSION) as fresh:
        fresh.add(made.records[:10])
        ended, output = in_another_process(code, path)
    assert (ended, output.splitlines()) == (0, ["3", "Another process is writing to this index."])
    assert in_another_process(code, path) == (0, "3\n")
    assert len(Index.open(path)) == 11


def test_an_open_index_follows_a_rebuild(made, path):
    reader = Index.open(path)
    with Index.rebuild(path, SPACE, DIMENSION) as fresh:
        fresh.add(made.records[:10])
        assert len(reader) == 400  # the old one is there until the new one is complete
    assert len(reader) == 10
    assert len(reader.search(made.queries[0], 100)) == 10
    assert len(list(path.glob("records-*"))) == 1


def test_an_open_index_refuses_when_it_was_rebuilt_with_another_model(made, path):
    reader = Index.open(path, SPACE)
    with Index.rebuild(path, OTHER, DIMENSION):
        pass
    with pytest.raises(SearchIndexError, match="another model"):
        reader.search(made.queries[0])
    with pytest.raises(SearchIndexError, match="another model"):
        reader.search(made.queries[0])  # asking again doesn't help


def test_a_failed_rebuild_leaves_the_old_index(made, path):
    with pytest.raises(SearchIndexError, match="shape"), Index.rebuild(path, OTHER, 5) as fresh:
        fresh.add(made.records)
    index = Index.open(path, SPACE)
    assert len(index.search(made.queries[0], 500)) == 400


def test_a_killed_rebuild_leaves_the_old_index_and_its_remains_go(made, path):
    code = """
        import os, signal, sys, numpy
        from interlingua.index import Index, Record
        with Index.rebuild(sys.argv[1], "b" * 64, 5) as fresh:
            fresh.add([Record("x", "image", numpy.ones(5))])
            os.kill(os.getpid(), signal.SIGKILL)
    """
    ended, _ = in_another_process(code, path)
    assert ended == -signal.SIGKILL
    assert len(list(path.glob("records-*"))) == 2
    assert len(Index.open(path, SPACE)) == 400
    with Index.rebuild(path, SPACE, DIMENSION) as fresh:
        fresh.add(made.records[:3])
    assert len(list(path.glob("records-*"))) == 1


def test_a_first_build_that_was_killed_can_be_repeated(made, tmp_path):
    code = """
        import os, signal, sys
        from interlingua.index import Index
        with Index.rebuild(sys.argv[1], "b" * 64, 5):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "index"
    in_another_process(code, path)
    with pytest.raises(SearchIndexError, match="never finished"):
        Index.open(path)
    assert len(Index.create(path, SPACE, DIMENSION)) == 0


def test_threads_may_share_one_index(made, path):
    index = Index.open(path)
    expected = [found(index.search(query)) for query in made.queries]
    answers, errors = {}, []

    def ask(number):
        try:
            answers[number] = found(index.search(made.queries[number], kinds=None))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [answers[number] for number in range(20)] == expected


def test_a_folder_that_cannot_be_written_is_named(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SearchIndexError, match="can't be written"):
        Index.create(tmp_path / "file" / "index", SPACE, DIMENSION)
