"""The source of shards: how it is opened, what foreign members mean, which keys are refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pillow

from interlingua import data
from interlingua.data.gate import ImageLimits, read_bytes
from interlingua.data.image import decode_pixels
from interlingua.data.shards import mapping, names
from interlingua.data.shards.places import expand_braces, find_shards, is_shards, shown_address
from interlingua.data.shards.sample_choice import NOT_READ, NOTHING, TWIN, USED_BEFORE
from interlingua.data.source import count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import ConfigError, DataError, MediaError
from interlingua.towers.tower import ImagePreprocess


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


def png(number: int = 0) -> bytes:
    file = io.BytesIO()
    pillow.new("RGB", (4, 4), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


PNG = png()


def tar(path: Path, members: dict[str, bytes | str] | list[tuple[str, bytes | str]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name)
            encoded = content.encode() if isinstance(content, str) else content
            info.size = len(encoded)
            archive.addfile(info, io.BytesIO(encoded))
    return path


def shards(*paths: Path, **options: Any) -> Shards:
    return Shards(Shards.Config(paths=[str(path) for path in paths], **options))


def test_a_folder_of_tars_a_file_and_a_pattern_are_shards(tmp_path: Path) -> None:
    for number in range(3):
        tar(tmp_path / f"set-{number:03d}.tar", {f"{number}.png": PNG, f"{number}.txt": "a dog"})
    (tmp_path / "notes.txt").write_text("not read")
    for place, count in (
        (tmp_path, 3),
        (tmp_path / "set-001.tar", 1),
        (tmp_path / "set-{000..001}.tar", 2),
        (tmp_path / "set-00[12].tar", 2),
        (tmp_path / "set-{000,002}.tar", 2),
    ):
        source = data.open_source(str(place))
        assert (type(source), len(source), source.name) == (Shards, count, "set")
    with pytest.raises(ConfigError, match="'audio'"):
        data.open_source(tmp_path, audios="speech")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a-{000..002}.tar", ["a-000.tar", "a-001.tar", "a-002.tar"]),
        ("a-{8..11}.tar", ["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]),
        ("{x,y}/{1..2}.tar", ["x/1.tar", "x/2.tar", "y/1.tar", "y/2.tar"]),
        ("a{}.tar", ["a{}.tar"]),
        ("a{b}.tar", ["a{b}.tar"]),
        ("a-{3..1}.tar", ["a-{3..1}.tar"]),
    ],
)
def test_braces(text: str, expanded: list[str]) -> None:
    assert list(expand_braces(text)) == expanded


def test_endless_patterns_are_refused() -> None:
    for text in ("a-{0..99999999}.tar", "{0..9999}/{0..9999}.tar", "{0..1000000000000000}.tar"):
        with pytest.raises(DataError, match="stands for"):
            list(expand_braces(text))


def test_addresses() -> None:
    assert is_shards("https://host/a-{00..09}.tar?signature=x")
    assert is_shards("s3://bucket/a.tar")
    assert not is_shards("package.module:Class")
    assert shown_address("https://me:secret@host/a.tar?sig=secret#x") == "https://host/a.tar"
    for address in ("ftp://host/a.tar", "file:///etc/a.tar", "simplecache::s3://b/a.tar"):
        with pytest.raises(DataError):
            find_shards([address])


@pytest.mark.parametrize("name", ["gone.tar", "gone-{0..3}.tar", "gone*.tar"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no such shard|No file fits|No sample"):
        data.open_source(tmp_path / name)


def test_foreign_members(tmp_path: Path) -> None:
    said = {
        "caption": "a cat",
        "lang": "de",
        "label": "cats",
        "license": "CC0-1.0",
        "group": "pets",
    }
    path = tar(
        tmp_path / "a.tar",
        {
            "dog.JPG": PNG, "dog.txt": "  a\n dog ", "dog.cls": "3\n", "dog.npy": b"?",
            "cat.webp": PNG, "cat.json": json.dumps(said),
            "many.png": PNG, "many.json": json.dumps({"captions": ["one", "two", "one", 5]}),
            "bark.ogg": b"OggS", "bark.json": json.dumps({"audio": "sound"}),
            "word.flac": b"fLaC", "word.txt": "house",
            "words.txt": "no picture",
        },
    )  # fmt: skip
    found = {sample.key: sample for sample in shards(path, audio="speech", language="en")}
    assert [part.view for part in found["dog"].parts] == ["image", "text", "label"]
    assert found["dog"].alternatives("text")[0].text == "a dog"
    assert found["dog"].alternatives("text")[0].language == "en"
    assert found["dog"].alternatives("label")[0].name == "3"
    cat = found["cat"]
    assert (cat.alternatives("text")[0].text, cat.alternatives("text")[0].language) == (
        "a cat", "de"
    )  # fmt: skip
    assert (cat.meta.group, cat.meta.licence, cat.meta.name) == ("pets", "CC0-1.0", "a cat")
    assert [part.text for part in found["many"].alternatives("text")] == ["one", "two"]
    assert found["bark"].alternatives("sound")
    [word] = found["word"].alternatives("speech")
    assert (word.language, word.transcript) == ("en", "house")
    assert [part.view for part in found["words"].parts] == ["text"]
    assert count_reasons(shards(path).problems) == {NOT_READ: 1}


def test_which_of_several_members_is_meant(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.left.png": png(1), "a.right.png": png(2), "a.en.txt": "one"})
    [image] = shards(path)[0].alternatives("image")
    assert image.content.read() == png(1)
    chosen = shards(path, members={"image": "right.png", "text": "en.txt"})
    [image] = chosen[0].alternatives("image")
    assert image.content.read() == png(2)
    assert chosen[0].alternatives("text")[0].text == "one"
    with pytest.raises(ConfigError, match="members"):
        data.open_source(path, members={"picture": "x"})


def test_keys_that_are_used_twice(tmp_path: Path) -> None:
    composed, split = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    one = tar(
        tmp_path / "s-0.tar",
        [
            ("a.png", PNG), ("b.png", PNG), ("a.txt", "a's text, too late"),
            (f"{composed}.png", PNG), (f"{split}.png", PNG), (f"{split}.txt", "x"), ("z.md5", "1"),
        ],
    )  # fmt: skip
    two = tar(tmp_path / "s-1.tar", {"b.png": PNG, "c.png": PNG})
    source = shards(one, two)
    assert [sample.key for sample in source] == ["a", "b", composed, "c"]
    assert source.shard_sizes == [3, 1]
    assert count_reasons(source.problems) == {
        USED_BEFORE: 2, TWIN: 1, NOTHING: 1, NOT_READ: 1
    }  # fmt: skip
    assert source[3].alternatives("image")[0].content.member == "c.png"
    per_shard = shards(one, two, keys="per_shard")
    assert [sample.key for sample in per_shard] == [
        "s-0/a", "s-0/b", f"s-0/{composed}", "s-1/b", "s-1/c"
    ]  # fmt: skip


def test_a_shard_that_only_repeats_is_an_error(tmp_path: Path) -> None:
    one = tar(tmp_path / "s-0.tar", {"0.png": PNG, "1.png": PNG})
    two = tar(tmp_path / "s-1.tar", {"0.png": PNG, "1.png": PNG})
    with pytest.raises(DataError, match=r"s-1\.tar\n.*keys=per_shard"):
        shards(one, two)
    assert len(shards(one, two, keys="per_shard")) == 4


def test_bad_shards_are_counted_or_fatal(tmp_path: Path) -> None:
    good = tar(tmp_path / "a.tar", {"a.png": PNG})
    bad = tmp_path / "b.tar"
    bad.write_bytes(b"<html>not found</html>" * 50)
    source = shards(good, bad, tmp_path / "gone.tar")
    assert len(source) == 1
    assert count_reasons(source.problems) == {
        "a shard: The shard is no tar": 1,
        "a shard: There is no such shard": 1,
    }
    with pytest.raises(DataError, match="no tar"):
        shards(good, bad, strict=True)
    with pytest.raises(DataError, match="no tar"):
        shards(bad)


def test_texts_that_lie(tmp_path: Path) -> None:
    deep = "[" * 100_000
    path = tar(
        tmp_path / "a.tar",
        {
            "good.png": PNG, "good.txt": "good",
            "long.png": PNG, "long.txt": b"x" * (mapping.MAX_TEXT_BYTES + 1),
            "deep.png": PNG, "deep.json": deep,
            "list.png": PNG, "list.json": "[1, 2]",
            "odd.png": PNG, "odd.json": json.dumps({"caption": {"not": "text"}, "label": [1]}),
            "new.png": PNG, "new.json": json.dumps({"interlingua": 99}),
            "ours.png": PNG,
            "ours.json": json.dumps({"interlingua": 1, "key": "x", "parts": [{"image": "jpg"}]}),
            "type.png": PNG,
            "type.json": json.dumps({"interlingua": 1, "key": 3, "parts": [{"text": ["x"]}]}),
            "bytes.txt": b"\xff\xfe latin \xe9",
        },
    )  # fmt: skip
    source = shards(path)
    assert [sample.key for sample in source] == ["good", "odd", "bytes"]
    reasons = {"too_large": 1, "not_json": 2, "wrong_description": 3}
    assert count_reasons(source.problems) == reasons
    assert len(list(source)) == 3
    assert count_reasons(source.problems) == reasons, "a second pass counts nothing twice"
    with pytest.raises(MediaError, match=r"a\.tar::long\.txt"):
        source[1]
    with pytest.raises(DataError, match=r"No sample|damaged"):
        list(shards(tar(tmp_path / "b.tar", {"x.md5": "1"})))


def test_media_that_lie_are_refused_by_the_gate(tmp_path: Path) -> None:
    """A 1-byte .png, HTML named .jpg: told when they are decoded, as from any other source."""
    path = tar(tmp_path / "a.tar", {"a.png": b"x", "b.jpg": "<html>404</html>", "c.png": b""})
    preprocess, limits = ImagePreprocess(size=8), ImageLimits()
    reasons = []
    for sample in shards(path):
        [image] = sample.alternatives("image")
        with pytest.raises(MediaError) as error:
            decode_pixels(image.content, preprocess, limits)
        reasons.append((error.value.reason, error.value.where.endswith(image.content.member)))
    assert reasons == [("not_an_image", True), ("not_an_image", True), ("empty", True)]


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.png": PNG, "a.txt": "a dog", "b.png": PNG, "b.txt": "b"})
    source = shards(path)
    whole = bytearray(path.read_bytes())
    contents = [source[0].alternatives("image")[0].content]
    picture = whole.index(PNG)
    whole[picture + 40] ^= 1
    whole[whole.index(b"a dog")] ^= 1
    with path.open("r+b") as file:
        file.write(whole)
    with pytest.raises(MediaError, match="not those that its index"):
        read_bytes(contents[0], 10_000)
    with pytest.raises(MediaError) as error:
        source[0]
    assert error.value.reason == "checksum"
    assert [sample.key for sample in source] == ["b"]
    assert count_reasons(source.problems) == {"checksum": 1}


def test_a_member_that_is_gone_is_a_media_error(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.png": PNG * 50})
    content = shards(path)[0].alternatives("image")[0].content
    os.truncate(path, 600)
    with pytest.raises(MediaError, match="cut off"):
        content.read()


def test_an_index_is_made_once_and_kept_in_the_cache(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.png": PNG, "../x.png": PNG})
    first, second = shards(path), shards(path)
    assert [one.scanned for one in (*first.shards, *second.shards)] == [True, False]
    assert count_reasons(first.problems) == count_reasons(second.problems) == {names.LEAVES: 1}
    assert list(tmp_path.glob("a.tar.*")) == [], "the folder of others is left as it is"
    tar(path, {"a.png": PNG, "b.png": PNG})
    assert len(shards(path)) == 2


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.png": PNG, "b.png": png(9)})
    source = shards(path)
    again = pickle.loads(pickle.dumps(source))
    assert [one.key for one in again] == ["a", "b"]
    content = pickle.loads(pickle.dumps(source[1].alternatives("image")[0].content))
    assert content.read() == png(9)
    assert content == source[1].alternatives("image")[0].content


def test_pictures_in_shards_are_compared_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near-duplicates and digests know a member by its place, so a second pass reads nothing."""
    import time

    from interlingua.data.component import assign_components
    from interlingua.data.shards.member import MemberContent
    from interlingua.train.content_digest import DigestIndex

    def drawn(turn: int) -> bytes:
        file = io.BytesIO()
        picture = pillow.radial_gradient("L").rotate(turn).crop((turn, 0, 200 + turn, 150))
        picture.save(file, "PNG")
        return file.getvalue()

    path = tar(
        tmp_path / "a.tar", {"a.png": drawn(0), "b.png": drawn(50), "c.png": drawn(0), "d.txt": "d"}
    )
    os.utime(path, (time.time() - 60, time.time() - 60))
    samples = assign_components(list(shards(path)))
    assert [one.meta.component for one in samples] == [0, 1, 0, 2]
    parts = [one.parts[0] for one in samples]
    known = DigestIndex(tmp_path / "digests").digests(parts)
    assert known[0] == known[2] != known[1]

    def never(self: MemberContent) -> bytes:
        raise AssertionError("read again")

    again = list(shards(path))[:3]
    monkeypatch.setattr(MemberContent, "read", never)
    assert DigestIndex(tmp_path / "digests").digests(parts) == known
    assert [one.meta.component for one in assign_components(again)] == [0, 1, 0]


def test_labelled_shards(tmp_path: Path) -> None:
    from interlingua.data.labelled_sources import open_labelled

    path = tar(tmp_path / "a.tar", {"a.png": PNG, "a.cls": "cat", "b.png": png(1), "b.cls": "dog"})
    source = open_labelled(path)
    assert [one.alternatives("label")[0].name for one in source] == ["cat", "dog"]
    with pytest.raises(ConfigError, match="takes no split"):
        open_labelled(path, split="test")


def test_content_says_what_contents_say(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"x/a.LEFT.PNG": PNG})
    content = shards(path)[0].alternatives("image")[0].content
    assert (content.suffix, content.size(), content.name) == (
        ".png", len(PNG), f"{path}::x/a.LEFT.PNG"
    )  # fmt: skip


def test_more_shards_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from interlingua.data.shards import storage

    monkeypatch.setattr(storage, "MAX_OPEN", 4)
    paths = [tar(tmp_path / f"{n:02d}.tar", {f"{n}.png": png(n)}) for n in range(20)]
    source = shards(*paths)
    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir())) if handles.exists() else 0

    def read(number: int) -> bool:
        content = source[number % 20].alternatives("image")[0].content
        return content.read() == png(number % 20)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))
    if before:
        assert len(list(handles.iterdir())) <= before + 6
