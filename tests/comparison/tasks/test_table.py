"""A task from one's own table: bad input, what belongs together, and what towers are given."""

from __future__ import annotations

import numpy as np
import pytest

from interlingua.comparison.tasks.table import Table
from interlingua.config import validate
from interlingua.errors import ConfigError, DataError, InterlinguaError
from tests.comparison.own_tables import media_table, two_groups, write_table

GROUPS = ("left=a", "right=b")


def task(path, label="kind", **options) -> Table:
    settings = {"name": "table", "path": path, "label": label, "number_groups": GROUPS}
    return Table(validate(Table.Config, {**settings, **options}, "test"))


@pytest.fixture
def path(tmp_path):
    return write_table(tmp_path / "t.csv", two_groups())


def test_every_row_is_tested_once_and_no_group_is_divided(tmp_path) -> None:
    columns = two_groups()
    columns["patient"] = [f"p{number // 3}" for number in range(60)]
    one = task(write_table(tmp_path / "t.csv", columns), group="patient")
    assert one.folds == 5 and set(one.towers) == {"left", "right"}
    tested = []
    for number in range(one.folds):
        fold = one.fold(number, seed=0)
        assert not set(fold.train.clusters) & set(fold.test.clusters)
        assert len(fold.train) + len(fold.test) == 60
        tested += fold.test.keys
    assert len(set(tested)) == len(tested) == 60
    again = task(tmp_path / "t.csv", group="patient").fold(2, seed=0)
    assert again.test.keys == one.fold(2, seed=0).test.keys


def test_statistics_of_numbers_are_those_of_the_training_rows(path) -> None:
    one = task(path)
    fold = one.fold(1, seed=0)
    train = fold.train.modalities["left"]
    values = train.values[train.variants[:, 0], 0].double().numpy()
    tower = fold.towers["left"].tower
    assert tower.mean[0] == pytest.approx(values.mean(), abs=1e-6)
    assert tower.std[0] == pytest.approx(values.std(), abs=1e-6)
    assert tower.mean != one.towers["left"].tower.mean


def test_worse_numbers_keep_labels_and_missing_ones_stay_missing(tmp_path) -> None:
    columns = two_groups()
    columns["a"][3] = ""
    fold = task(write_table(tmp_path / "t.csv", columns), folds=2).fold(0, seed=0)
    assert list(fold.degraded["left"]) == [0.0, 0.25, 0.5, 0.75, 1.0]
    for level, worse in fold.degraded["left"].items():
        assert worse.keys == fold.test.keys and (worse.labels == fold.test.labels).all()
        there, before = (one.modalities["left"].variants[:, 0] >= 0 for one in (worse, fold.test))
        assert (there == before).all()
        both = [one.batch(range(len(fold.test))).media for one in (worse, fold.test)]
        same = [
            media[0] == media[1] for media in zip(*(m["left"].values for m in both), strict=True)
        ]
        assert all(same) if level == 0 else not any(same)
        assert (both[0]["right"].values == both[1]["right"].values).all()


def test_equal_texts_and_equal_rows_stay_together_but_categories_do_not(tmp_path) -> None:
    columns = two_groups()
    columns["title"] = [f"Title {number // 2}" if number < 20 else f"t {number}"
                        for number in range(60)]  # fmt: skip
    columns["colour"] = ["red", "blue"] * 30
    for name in ("a", "b", "title", "colour", "kind"):
        columns[name][50] = columns[name][49]
    one = task(write_table(tmp_path / "t.csv", columns))
    clusters = one._groups
    assert clusters[0] == clusters[1] and clusters[18] == clusters[19]
    assert clusters[49] == clusters[50]
    assert len(np.unique(clusters)) == 60 - 10 - 1


def test_the_same_file_under_two_names_stays_together(tmp_path) -> None:
    path = media_table(tmp_path)
    (tmp_path / "photo9.png").write_bytes((tmp_path / "photo0.png").read_bytes())
    clusters = task(path, number_groups=())._groups
    assert clusters[0] == clusters[9] and len(np.unique(clusters)) == 23


def test_kinds_and_names_of_modalities(tmp_path) -> None:
    one = task(media_table(tmp_path), number_groups=())
    found = {one.name: (one.kind, one.columns) for one in one.schema.modalities}
    assert found == {
        "numbers": ("number", ("size",)),
        "photo": ("picture", ("photo",)),
        "sketch": ("picture", ("sketch",)),
        "noise": ("sound", ("noise",)),
        "words": ("text", ("words",)),
    }
    speech = task(tmp_path / "things.csv", number_groups=(), speech=["noise"], leave_out=["words"])
    assert [one.kind for one in speech.schema.modalities] == [
        "number",
        "picture",
        "picture",
        "speech",
    ]
    assert any("names its own label" in note for note in one._notes)


def test_columns_whose_names_a_module_can_not_bear(tmp_path) -> None:
    columns = two_groups()
    columns["my.text"] = [f"words {number}" for number in range(60)]
    columns["keys"] = [f"more {number}" for number in range(60)]
    one = task(write_table(tmp_path / "t.csv", columns))
    assert list(one.towers) == ["left", "right", "my_text", "keys_column"]


def test_what_is_no_feature(tmp_path) -> None:
    columns = two_groups()
    columns["id"] = list(range(100, 160))
    columns["answer"] = columns["kind"]
    one = task(write_table(tmp_path / "t.csv", columns), texts=["kind"])
    assert [m.name for m in one.schema.modalities] == ["left", "right", "answer"]
    assert any("'id' counts the rows" in note for note in one._notes)
    assert any("'kind' is the label" in note for note in one._notes)
    assert any("Each value of 'answer' goes with one label" in note for note in one._notes)


def broken(**changes):
    columns = two_groups()
    columns.update(changes)
    return columns


QUANTITY = [float(number) * 1.5 for number in range(60)]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (broken(), {"label": "knd"}, r"no column 'knd' \(did you mean 'kind'"),
        (broken(), {"texts": ["c"]}, "no column 'c'"),
        (broken(), {"leave_out": ["c"]}, "no column 'c'.*--leave-out"),
        (broken(), {"group": "c"}, "no column 'c'.*--group"),
        (broken(c=["x"] * 60), {}, "'c' has the same value 'x' in all rows"),
        (broken(c=[""] * 60), {}, "'c' is empty in all rows"),
        (broken(kind=["x"] * 60), {}, "one class, 'x'"),
        (broken(kind=[""] * 60), {}, "no value"),
        (broken(kind=QUANTITY), {}, "regression.* is not offered"),
        (broken(kind=["x"] * 59 + ["y"]), {}, "fewer than 2 independent rows.*'y' 1"),
        (broken(), {"number_groups": ["left=a,b"]}, "one modality, 'left'"),
        (broken(), {"number_groups": ["left"]}, "no group of columns"),
        (broken(), {"number_groups": ["left=kind"]}, "no column of numbers"),
        (broken(c=["x", "y"] * 30), {"numbers": ["c"]}, "'c' has no number"),
        (broken(c=["train"] * 60), {"test_column": "c"}, "no row is to be tested"),
        (broken(c=["train", "maybe"] * 30), {"test_column": "c"}, "'maybe', which says neither"),
        (broken(c=["g1"] * 60), {"group": "c"}, "60 rows in 1 independent groups|independent rows"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_words(tmp_path, columns, options, message) -> None:
    with pytest.raises(InterlinguaError, match=message) as caught:
        task(write_table(tmp_path / "t.csv", columns), **options)
    assert caught.value.next_step


def test_a_modality_on_one_side_only_is_refused(tmp_path) -> None:
    side = ["test" if number % 3 == 0 else "train" for number in range(60)]
    columns = broken(side=side)
    columns["a"] = ["" if one == "test" else value
                    for one, value in zip(side, columns["a"], strict=True)]  # fmt: skip
    with pytest.raises(DataError, match="'left' is in rows of the training part only: 40 of 40"):
        task(write_table(tmp_path / "t.csv", columns), test_column="side")


def test_a_class_that_is_never_trained_on_is_refused(tmp_path) -> None:
    side = ["test" if number < 20 else "train" for number in range(60)]
    kind = ["rare" if number < 5 else ["x", "y"][number % 2] for number in range(60)]
    with pytest.raises(DataError, match="no training row: 'rare'"):
        task(write_table(tmp_path / "t.csv", broken(side=side, kind=kind)), test_column="side")


def test_small_classes_are_left_out_where_that_is_asked(tmp_path) -> None:
    kind = ["x", "y"] * 29 + ["z", "z"]
    one = task(write_table(tmp_path / "t.csv", broken(kind=kind)), min_rows=3)
    assert one.classes == ("x", "y") and len(one.columns) == 58
    assert any("'z' 2 (2 rows)" in note for note in one._notes)


def test_few_rows_make_fewer_folds_and_too_few_none(tmp_path) -> None:
    assert task(write_table(tmp_path / "t.csv", two_groups(12))).folds == 3
    with pytest.raises(DataError, match="7 rows in 7 independent groups are too few"):
        columns = {**two_groups(7), "kind": ["x", "y", "x", "y", "x", "y", "x"]}
        task(write_table(tmp_path / "t.csv", columns))


def test_one_division_by_share_and_by_column(tmp_path) -> None:
    columns = broken(side=["held out" if number % 4 == 0 else "" for number in range(60)])
    by_column = task(write_table(tmp_path / "t.csv", columns), test_column="side")
    fold = by_column.fold(0, seed=0)
    assert (by_column.folds, len(fold.train), len(fold.test)) == (1, 45, 15)
    by_share = task(tmp_path / "t.csv", leave_out=["side"], test_share=0.25)
    assert by_share.folds == 1 and len(by_share.fold(0, seed=0).test) == pytest.approx(15, abs=1)
    with pytest.raises(ConfigError, match="not both"):
        task(tmp_path / "t.csv", test_column="side", test_share=0.5)


def test_media_are_read_and_what_is_damaged_is_counted(tmp_path, real_weights) -> None:
    for name in ("efficientnet-lite0", "whisper-tiny.en", "minilm"):
        real_weights(name)
    one = task(media_table(tmp_path), number_groups=(), folds=2, levels=(0.0, 1.0))
    told = " ".join(one.notes)
    assert "photo: 1 of 24 can't be read (damaged 1; the first is 'photo4.png' in line 6)" in told
    assert "noise: 1 of 24 can't be read (missing 1" in told
    whole = one._examples(0.0)
    assert not one._media.there("photo")[4] and one._media.there("photo").sum() == 23
    media = whole.batch(range(24)).media
    assert len(media["sketch"]) == 19
    assert media["photo"].tokens.states.shape == (23, 16, 1280)
    assert media["words"].tokens.mask.any(1).all()
    blank = one._examples(1.0).batch(range(24)).media["photo"].tokens.states
    assert (blank == blank[0]).all()  # of a hidden picture nothing is left
