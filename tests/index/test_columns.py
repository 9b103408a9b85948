"""Columns in memory as plain values."""

import pyarrow

from interlingua.index.columns import plain_values


def test_few_different_values_are_one_object_each():
    words = ["", "a long name of a group", None, "it"] * 3
    chunks = [pyarrow.array(words).dictionary_encode(), pyarrow.array(words[::-1])]
    column = pyarrow.chunked_array([chunks[0], chunks[1].dictionary_encode()])
    assert plain_values(column) == words + words[::-1]
    assert plain_values(column.take(pyarrow.array([2, 1, 23]))) == [None, words[1], ""]
    found = plain_values(pyarrow.chunked_array([chunks[0]]))
    assert len({id(one) for one in found if one == words[1]}) == 1
    assert plain_values(column.slice(0, 0)) == []
    assert plain_values(pyarrow.chunked_array([[1, None], [3]])) == [1, None, 3]
