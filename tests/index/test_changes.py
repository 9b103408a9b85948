"""Updates, removals, fields, compaction, large indexes with a matrix in files, older formats."""

import json
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from interlingua.errors import ConfigError, SearchIndexError
from interlingua.index import Field, Filter, Index, Record, writing
from interlingua.index.info import FILE_NAME

SPACE = "a" * 64
WIDTH = 24
GOLDEN = Path(__file__).parent / "golden"
FIELDS = {"year": "number", "draft": "bool", "taken": "time", "artist": "text"}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def texts(hits):
    return [hit.text for hit in hits]


def stored(index):
    return {
        (record.key, record.kind, record.text, round(float(record.vector[0]), 4))
        for record in index.records()
    }


def a_record(key, number, kind="image", **more):
    vector = np.random.default_rng(number).normal(size=WIDTH)
    return Record(key, kind, vector, text=f"t{number}", path=f"/{number}", source="s", **more)


@pytest.fixture
def small(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records[:60])
    return index


@pytest.fixture
def with_matrix(monkeypatch):
    """Indexes count as large from 50 records on."""
    monkeypatch.setattr(writing, "MATRIX_FROM", 50)
    monkeypatch.setattr(writing, "ADD_AT_A_TIME", 64)


def same_as_brute_force(made, index, keep):
    """All searches give what a product with the vectors gives."""
    for query in made.queries[:6]:
        expected = [text for text, _ in made.nearest(query, 15, keep)]
        assert texts(index.search(query, 15)) == expected
        pictures = [t for t, _ in made.nearest(query, 5, lambda r: keep(r) and r.kind == "image")]
        assert texts(index.search(query, 5, ["image"])) == pictures


# updates and removals


def test_an_update_replaces_all_of_a_sample(small, made):
    before = stored(small)
    fresh = [a_record("thing/3", 900), a_record("thing/3", 901, "text")]
    fresh = [
        Record(**{**{n: getattr(r, n) for n in r.__slots__}, "source": "stamps"}) for r in fresh
    ]
    done = small.update(fresh)
    # thing/3 has two records of each source; those of the other stay
    assert (done.replaced, done.added) == (2, 2)
    gone = {one for one in before if one[0] == "thing/3" and one[2] in ("name 12", "name 14")}
    assert len(gone) == 2
    now = stored(small)
    assert now == before - gone | {one for one in now if one[2] in ("t900", "t901")}
    assert len(now) == 60


def test_an_update_of_something_new_adds_it(small):
    assert small.update([a_record("new", 1)]) == writing.Updated(0, 1)
    assert small.update([]) == writing.Updated(0, 0)
    assert len(small) == 61


def test_a_refused_update_replaces_nothing(small):
    before = stored(small)
    bad = Record("thing/3", "image", np.full(WIDTH, np.nan), source="stamps")
    with pytest.raises(SearchIndexError, match="not finite"):
        small.update([a_record("thing/3", 5), bad])
    assert stored(Index(small.path)) == before


def test_what_was_written_but_not_finished_is_taken_back(small, monkeypatch):
    """A write that breaks between the table and index.json is seen by nobody."""
    before = stored(small)

    def broken(*_, **__):
        raise OSError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(writing.Writer, "publish", broken)
        with pytest.raises(SearchIndexError, match="no more"):
            small.update([a_record("thing/3", 5)])
    assert stored(small) == before == stored(Index(small.path))
    small.add([a_record("new", 6)])
    assert len(stored(Index(small.path))) == 61
    assert before < stored(small)


def test_removing_by_source_and_by_condition(small, made):
    assert small.remove(["thing/0"], source="stamps") == 2
    assert small.remove(["thing/0"], source="nobody") == 0
    left = made.records[60:0:-1]
    texts_of = [r for r in made.records[:60] if r.kind == "text" and r.key != "thing/0"]
    assert left
    assert small.remove(where="kind == text and not key == thing/0") == len(texts_of)
    assert small.remove(where=Field("text").one_of("name 4", "name 6")) == 2
    assert small.remove([]) == 0
    with pytest.raises(ConfigError, match="no field"):
        small.remove(where="knid == text")


# fields and filters


def test_own_fields_are_stored_filtered_and_given_back(tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH, fields=FIELDS)
    taken = datetime(2021, 5, 4, 12, tzinfo=UTC)
    index.add(
        [
            a_record("a", 1, fields={"year": 1990, "draft": True, "artist": "it's"}),
            a_record("b", 2, fields={"year": 2000.5, "draft": False, "taken": taken}),
            a_record("c", 3),
        ]
    )
    index.add([a_record("d", 4, fields={"year": 1990})])
    query = np.ones(WIDTH)

    def keys(where):
        return {hit.key for hit in index.search(query, 9, where=where)}

    assert keys("year == 1990") == {"a", "d"}
    assert keys("year > 1990 or draft") == {"a", "b"}
    assert keys("taken < 2021-05-05") == {"b"}
    assert keys("taken < 2021-05-04") == set()
    assert keys("year == none") == {"c"}
    assert keys('artist == "it\'s"') == {"a"}
    assert keys("not draft and year != none") == {"b", "d"}
    assert keys(Field("size") == None) == {"a", "b", "c", "d"}  # noqa: E711
    (hit,) = index.search(query, 1, where="key == b")
    assert hit.fields == {"year": 2000.5, "draft": False, "taken": taken, "artist": None}
    assert json.loads(json.dumps(hit.to_json()))["fields"]["taken"] == "2021-05-04T12:00:00+00:00"
    (record,) = index.get("a")
    assert record.fields["artist"] == "it's"
    assert Index(index.path).fields["draft"] == "bool"


def test_unknown_fields_and_wrong_values_are_refused_whole(tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH, fields=FIELDS)
    with pytest.raises(SearchIndexError, match="no field 'yaer' \\(did you mean 'year'"):
        index.add([a_record("a", 1), a_record("b", 2, fields={"yaer": 3})])
    with pytest.raises(ConfigError, match="holds numbers"):
        index.add([a_record("a", 1, fields={"year": "old"})])
    assert len(index) == 0


def test_a_filter_beside_the_other_arguments(small, made):
    found = small.search(made.queries[0], 60, ["image"], groups=["animals"], where="component >= 5")
    expected = made.nearest(
        made.queries[0], 60,
        lambda r: r.kind == "image" and r.group.startswith("animals/") and (r.component or 0) >= 5
        and int(r.text[5:]) < 60,
    )  # fmt: skip
    assert texts(found) == [text for text, _ in expected]


# more like this


def test_more_like_this_asks_with_all_that_is_stored(small, made):
    records = small.get("thing/7", source="stamps")
    assert sorted(record.text for record in records) == ["name 28", "name 30"]
    total = np.sum([record.vector for record in records], axis=0)
    hits = small.like("thing/7", 5, source="stamps")
    expected = [h for h in small.search(total, 9) if (h.key, h.source) != ("thing/7", "stamps")][:5]
    assert texts(hits) == texts(expected)
    pictures = small.like("thing/7", 5, ["text"], source="stamps", of=["sound"], where="key != x")
    assert {hit.kind for hit in pictures} == {"text"}
    alone = small.search(made.vectors[30], 60, ["text"])
    assert (
        texts(pictures) == [h.text for h in alone if h.key != "thing/7" or h.source != "stamps"][:5]
    )


def test_more_like_what_is_not_there(small):
    with pytest.raises(SearchIndexError, match="no key 'thing7' \\(did you mean 'thing/7'"):
        small.like("thing7")
    with pytest.raises(SearchIndexError, match="Several sources have the key 'thing/7'"):
        small.like("thing/7")
    with pytest.raises(SearchIndexError, match="no key 'thing/7' from 'nobody'"):
        small.like("thing/7", source="nobody")


def test_several_questions_at_once(small, made):
    together = small.search_many(made.queries, 7, Filter(kinds=["audio"]))
    for query, hits in zip(made.queries, together, strict=True):
        assert texts(hits) == texts(small.search(query, 7, ["audio"]))
    assert small.search_many([]) == []


# large indexes


def test_a_large_index_keeps_its_matrix_and_follows_changes(made, tmp_path, with_matrix):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records[:200])
    first = index.info.matrix.folder
    assert (index.path / first).is_dir()
    same_as_brute_force(made, index, lambda r: int(r.text[5:]) < 200)
    index.add(made.records[200:230])  # a small second part
    index.remove(["thing/2", "thing/55"])
    kept = [r.text for r in made.records[:230] if r.key not in ("thing/2", "thing/55")]
    reader = Index(index.path)
    for one in (index, reader):
        same_as_brute_force(made, one, lambda r: r.text in kept)
        assert len(one) == len(kept)
    assert index.info.matrix.folder == first
    assert index.info.matrix.changed == 38
    moved = Record("thing/3", "image", -made.vectors[12], path="/media/12.bin", source="stamps")
    index.add([moved])
    assert index.search(-made.vectors[12], 1)[0].path == "/media/12.bin"
    assert sum(record.path == "/media/12.bin" for record in index.get("thing/3")) == 1
    index.add(made.records[230:])  # too much: made anew
    assert index.info.matrix.folder != first
    assert [path.name for path in index.path.glob("matrix-*")] == [index.info.matrix.folder]
    assert index.verify().passed


def test_searches_of_a_large_index_read_no_vectors_of_the_table(
    made, tmp_path, with_matrix, monkeypatch
):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records)
    from interlingua.index import snapshot

    monkeypatch.setattr(snapshot, "all_rows", None)
    same_as_brute_force(made, Index(index.path), lambda r: True)


@pytest.mark.parametrize("harm", ["flipped", "missing", "folder"])
def test_a_damaged_matrix_is_made_anew_in_memory(made, tmp_path, with_matrix, caplog, harm):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records)
    folder = index.path / index.info.matrix.folder
    if harm == "folder":
        shutil.rmtree(folder)
    elif harm == "missing":
        (folder / "codes.npy").unlink()
    else:
        data = bytearray((folder / "vectors.npy").read_bytes())
        data[3000] ^= 4
        (folder / "vectors.npy").write_bytes(data)
    damaged = Index(index.path)
    same_as_brute_force(made, damaged, lambda r: True)
    assert "index compact" in caplog.text
    assert set(damaged.verify().counts) == {"matrix"}
    damaged.compact()
    caplog.clear()
    repaired = Index(index.path)
    same_as_brute_force(made, repaired, lambda r: True)
    assert not caplog.text
    assert repaired.verify().passed


def test_approximate_search_is_made_ready_measured_and_chosen(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(40, WIDTH)) * 4
    vectors = centres[np.arange(2000) % 40] + generator.normal(size=(2000, WIDTH))
    index.add(
        Record(f"k{n}", "image", vector, text=str(n), source="s")
        for n, vector in enumerate(vectors)
    )
    with pytest.raises(SearchIndexError, match="no lists") as error:
        index.search(vectors[0], exact=False)
    assert "--lists" in error.value.next_step
    done = index.compact(lists=True, target=0.9)
    told = done.approximate
    assert told.recall >= 0.9
    assert told.sample == 250
    assert index.info.matrix.approximate == told == Index(index.path).info.matrix.approximate
    exact = index.search_many(vectors[:100], exact=True)
    near = index.search_many(vectors[:100], exact=False)
    same = [len(set(texts(a)) & set(texts(b))) / 10 for a, b in zip(exact, near, strict=True)]
    assert np.mean(same) > 0.8
    assert texts(index.search(vectors[3])) == texts(index.search(vectors[3], exact=False))
    # a filter is answered exactly unless it is asked otherwise
    where = "key prefix k1"
    assert texts(index.search(vectors[3], 500, where=where)) == texts(
        index.search(vectors[3], 500, where=where, exact=True)
    )
    assert index.compact(lists=False).approximate is None
    with pytest.raises(SearchIndexError, match="above 0"):
        index.compact(target=1.5)


def test_lists_that_are_of_no_use_are_told(tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    generator = np.random.default_rng(0)
    index.add(a_record(f"k{n}", int(generator.integers(10**9))) for n in range(600))
    done = index.compact(lists=True, target=1.0)
    assert done.lists_useless
    assert done.approximate is None
    assert texts(index.search(np.ones(WIDTH))) == texts(index.search(np.ones(WIDTH), exact=True))


# compaction


def test_compaction_joins_files_and_frees_room(small, made):
    for record in made.records[60:70]:
        small.add([record])
    small.remove(where="kind == text")
    before = stored(small)
    reader = Index(small.path)
    reader.search(made.queries[0])
    done = small.compact()
    assert done.files_before > 5
    assert (done.files_after, done.records) == (1, len(before))
    assert done.freed > 0
    assert done.bytes_after == sum(p.stat().st_size for p in small.path.rglob("*") if p.is_file())
    assert stored(small) == before == stored(reader) == stored(Index(small.path))
    again = small.compact()
    assert again.files_before == again.files_after == 1


def test_an_empty_index_is_compacted(tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    assert index.compact(lists=True).records == 0
    assert index.search(np.ones(WIDTH)) == []


def test_a_reader_never_sees_half_of_an_update(tmp_path):
    """Both records of a sample change together; no search finds one old and one new."""
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add([a_record("x", 1), a_record("x", 2, "text"), a_record("y", 3)])
    seen, ended = [], threading.Event()

    def read():
        reader = Index(index.path)
        while not ended.is_set():
            seen.append(frozenset(one.text for one in reader.get("x")))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(10, 30, 2):
        index.update([a_record("x", number), a_record("x", number + 1, "text")])
        if number == 20:
            index.compact()
    ended.set()
    thread.join()
    pairs = {frozenset((f"t{n}", f"t{n + 1}")) for n in (1, *range(10, 30, 2))}
    assert set(seen) <= pairs
    assert len(set(seen)) > 1


def test_one_object_searches_while_it_writes(small, made):
    found = []
    with small._writing():
        thread = threading.Thread(target=lambda: found.append(small.search(made.queries[0], 3)))
        thread.start()
        thread.join(30)
        assert len(found[0]) == 3
        with pytest.raises(SearchIndexError, match="writing to this index"):
            small.add([a_record("new", 1)])


# formats


def test_the_first_format_is_read_and_brought_up_to_date(tmp_path):
    path = shutil.copytree(GOLDEN / "index-v1", tmp_path / "index")
    index = Index(path)
    assert index.info.format_version == 1
    assert {(r.key, r.kind) for r in index.records()} == {
        ("dog", "image"), ("dog", "text"), ("bell", "sound"), ("car", "image"),
    }  # fmt: skip
    (hit,) = index.search([0, 0, 0, 1], 1)
    assert (hit.key, hit.path, hit.score) == ("car", "/media/car.png", pytest.approx(1))
    assert [h.key for h in index.search([1, 0, 0, 0], 5, where="component == 1")] == ["dog", "dog"]
    assert index.search([1, 0, 0, 0], where="size > 0") == []
    assert index.verify().passed
    with pytest.raises(SearchIndexError, match="format version 1, which is only read") as error:
        index.add([Record("new", "image", [1, 1, 1, 1])])
    assert "index compact" in error.value.next_step
    index.compact()
    assert Index(path).info.format_version == 2
    assert index.update([Record("dog", "image", [1, 0, 0, 0], source="golden")]).replaced == 2
    assert [hit.key for hit in index.search([1, 0, 0, 0], 1)] == ["dog"]


def test_the_second_format_is_read(tmp_path):
    path = shutil.copytree(GOLDEN / "index-v2", tmp_path / "index")
    index = Index(path)
    assert index.info.format_version == 2
    assert index.info.matrix.approximate.lists == 6
    assert len(index) == 39
    assert index.verify().passed
    (hit,) = index.search([0, 0, 0, 1], 1, where="year == 1990 and not draft")
    assert (hit.key, hit.fields["taken"]) == ("car", datetime(2020, 2, 3, tzinfo=UTC))
    assert [hit.key for hit in index.search([0, 0, 0, 1], 1, exact=False)] == ["car"]
    index.add([Record("new", "image", [0, 0, 1, 1], source="golden", fields={"year": 1})])
    assert len(Index(path)) == 40


def test_an_index_of_the_future_is_refused(small):
    told = json.loads((small.path / FILE_NAME).read_text())
    (small.path / FILE_NAME).write_text(json.dumps(told | {"format_version": 3}))
    with pytest.raises(SearchIndexError, match="format version 3"):
        Index(small.path)
