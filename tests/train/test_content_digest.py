"""Digests are remembered, and forgotten as soon as they might be wrong."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from interlingua.content import BytesContent, FileContent
from interlingua.errors import MediaError
from interlingua.sample import Image, Label, Text
from interlingua.train.content_digest import DigestIndex

LONG_AGO = 1_600_000_000


@pytest.fixture
def picture(tmp_path: Path) -> Image:
    path = tmp_path / "a.png"
    path.write_bytes(b"bytes")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return Image(FileContent(path))


def test_digest_is_sha256_and_is_remembered(tmp_path: Path, picture: Image) -> None:
    index = tmp_path / "digests.jsonl"
    assert DigestIndex(index).digests([picture]) == [hashlib.sha256(b"bytes").hexdigest()]
    # the same size and time: the file is not read a second time
    picture.content.path.write_bytes(b"other")
    os.utime(picture.content.path, (LONG_AGO, LONG_AGO))
    assert DigestIndex(index).digests([picture]) == [hashlib.sha256(b"bytes").hexdigest()]
    os.utime(picture.content.path, (LONG_AGO, LONG_AGO + 1))
    assert DigestIndex(index).digests([picture]) == [hashlib.sha256(b"other").hexdigest()]


def test_a_file_that_was_just_written_is_not_trusted(tmp_path: Path, picture: Image) -> None:
    index = tmp_path / "digests.jsonl"
    os.utime(picture.content.path)
    DigestIndex(index).digests([picture])
    assert not index.exists()


def test_torn_and_strange_lines_are_passed_over(tmp_path: Path, picture: Image) -> None:
    index = tmp_path / "digests.jsonl"
    index.write_bytes(b'\xff\xfe\n[1, 2]\n{"a": 1}\n["key", "short"]\n["torn')
    DigestIndex(index).digests([picture])
    assert hashlib.sha256(b"bytes").hexdigest() in index.read_text("utf-8", "replace")
    picture.content.path.write_bytes(b"other")
    os.utime(picture.content.path, (LONG_AGO, LONG_AGO))
    assert DigestIndex(index).digests([picture]) == [hashlib.sha256(b"bytes").hexdigest()]


def test_texts_labels_and_bytes(tmp_path: Path) -> None:
    digests = DigestIndex(tmp_path / "d").digests(
        [
            Text("dog"),
            Text("dog", language="en"),
            Label("dog"),
            Image(BytesContent(b"dog")),
            Text("\ud800"),
        ]
    )
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    assert not (tmp_path / "d").exists()


def test_what_can_not_be_read_is_an_error_for_that_part_alone(
    tmp_path: Path, picture: Image
) -> None:
    found = DigestIndex(tmp_path / "d").digests([Image(FileContent(tmp_path / "no.png")), picture])
    assert isinstance(found[0], MediaError)
    assert found[0].reason == "missing"
    assert isinstance(found[1], str)
