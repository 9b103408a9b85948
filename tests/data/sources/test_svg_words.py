from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data.sources import svg_words
from interlingua.data.sources.svg_words import SvgRefusedError, SvgWords, read, read_all

RDF = """<svg xmlns="http://www.w3.org/2000/svg"><title>not this</title><metadata>
<rdf:RDF xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><cc:Work rdf:about="">
<dc:title>{title}</dc:title><dc:description>A  dog &amp; a
bone</dc:description><dc:subject><rdf:Bag><rdf:li>dog</rdf:li><rdf:li>pet</rdf:li>
<rdf:li>dog</rdf:li></rdf:Bag></dc:subject>
<dc:publisher><cc:Agent><dc:title>Open Clip Art Library</dc:title></cc:Agent></dc:publisher>
<dc:creator><cc:Agent><dc:title>Ann Onymous</dc:title></cc:Agent></dc:creator>
</cc:Work></rdf:RDF></metadata><path d="M0 0"/></svg>"""


def test_the_words_are_read() -> None:
    assert read(RDF.format(title="Bored dog").encode()) == SvgWords(
        "Bored dog", "A dog & a bone", ("dog", "pet"), "Ann Onymous"
    )


def test_an_svg_without_words_has_none() -> None:
    assert read(b"<svg><title>x</title></svg>") == SvgWords()


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;',
    ],
)
def test_entities_are_refused(declaration: str) -> None:
    text = f"<!DOCTYPE svg [{declaration}]>" + RDF.format(title="&b;&a;")
    with pytest.raises(SvgRefusedError) as caught:
        read(text.encode())
    assert caught.value.reason == "SVG declares entities"


def test_an_outside_dtd_is_not_read() -> None:
    outside = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "file:///etc/passwd">'
    assert read((outside + RDF.format(title="Dog")).encode()).title == "Dog"


def test_size_and_depth_are_bounded() -> None:
    with pytest.raises(SvgRefusedError, match="too large"):
        read(b" " * (svg_words.MAX_SVG_BYTES + 1))
    assert len(read(RDF.format(title="x" * 10_000).encode()).title) == svg_words.MAX_WORD
    with pytest.raises(SvgRefusedError):
        read(b"<a>" * 200_000)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_words_or_refused(data: bytes) -> None:
    for svg in (data, RDF.format(title="x").encode()[:200] + data):
        try:
            assert isinstance(read(svg), SvgWords)
        except SvgRefusedError as error:
            assert error.reason in ("SVG damaged", "SVG declares entities")


def test_a_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "svg"
    (folder / "pets").mkdir(parents=True)
    (folder / "pets" / "dog.svg").write_text(RDF.format(title="Dog"))
    (folder / "broken.svg").write_text("<svg>")
    first = read_all(folder)
    assert first[0]["pets/dog"].title == "Dog"
    assert first[1] == [("broken.svg", "SVG damaged")]
    with monkeypatch.context() as patch:
        patch.setattr(svg_words, "read", None)  # so that reading again would fail
        assert read_all(folder) == first
    (cached,) = (tmp_path / "cache" / "derived").iterdir()
    cached.write_bytes(cached.read_bytes()[:50])
    assert read_all(folder) == first, "a damaged cache file is made anew"
    (folder / "pets" / "dog.svg").write_text(RDF.format(title="Another dog"))
    assert read_all(folder)[0]["pets/dog"].title == "Another dog"
