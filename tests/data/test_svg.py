"""Drawings: rendered on white, and what could harm taken out or refused."""

from __future__ import annotations

import base64
import gzip
import io
from pathlib import Path

import pytest
from PIL import Image

from interlingua.content import BytesContent
from interlingua.data.gate import ImageLimits
from interlingua.data.image import open_image
from interlingua.data.svg import clean_svg, render_svg
from interlingua.errors import MediaError

pytest.importorskip("resvg_py")

LIMITS = ImageLimits()
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '


def drawing(body: str, size: str = 'width="40" height="20"') -> bytes:
    return f"{HEAD}{size}>{body}</svg>".encode()


def reason(data: bytes, limits: ImageLimits = LIMITS) -> str:
    with pytest.raises(MediaError) as caught:
        render_svg(data, "made.svg", limits, 64)
    return caught.value.reason


def png_address(size: tuple[int, int], colour: str = "blue") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "size", ['width="40" height="20"', 'width="40mm" height="20mm"', 'viewBox="0 0 40 20"']
)
def test_on_white_with_the_longer_side_as_asked(size: str) -> None:
    image = render_svg(drawing('<rect width="10" height="5" fill="red"/>', size), "x", LIMITS, 80)
    assert image.mode == "RGB"
    assert image.width == 80
    assert abs(image.height - 40) <= 1  # 40 mm are 151.18 pixels
    assert image.getpixel((1, 1)) == (255, 0, 0)
    assert image.getpixel((79, 38)) == (255, 255, 255)


def test_packed_and_through_the_gate() -> None:
    data = drawing('<rect width="40" height="20" fill="red"/>')
    for given in (data, gzip.compress(data)):
        image = open_image(BytesContent(given, "lie.png"), near_size=40)
        assert image.size == (60, 30)
        assert image.getpixel((30, 15)) == (255, 0, 0)


def test_a_million_by_million_drawing_costs_no_more_than_another() -> None:
    data = drawing(
        '<rect width="1000000" height="9" fill="red"/>', 'width="1000000" height="1000000"'
    )
    assert render_svg(data, "x", LIMITS).size == (1024, 1024)


@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_local_files_are_not_read(tmp_path: Path, attribute: str, prefix: str) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (20, 20), "blue").save(secret)
    body = f'<image width="40" height="20" {attribute}="{prefix}{secret}"/>'
    assert str(secret) not in clean_svg(drawing(body), "x", LIMITS)
    assert render_svg(drawing(body), "x", LIMITS, 40).getpixel((5, 5)) == (255, 255, 255)


def test_local_files_are_not_read_by_way_of_an_entity(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (20, 20), "blue").save(secret)
    head = f'<!DOCTYPE svg [<!ENTITY path "{secret}"><!ENTITY file SYSTEM "{secret}">]>'
    body = '<image width="40" height="20" href="&path;"/>'
    image = render_svg(head.encode() + drawing(body), "x", LIMITS, 40)
    assert image.getpixel((5, 5)) == (255, 255, 255)


def test_pictures_inside_a_drawing() -> None:
    body = (
        f'<image width="40" height="20" preserveAspectRatio="none" href="{png_address((4, 2))}"/>'
    )
    assert render_svg(drawing(body), "x", LIMITS, 40).getpixel((20, 10)) == (0, 0, 255)


def test_a_bomb_inside_a_drawing() -> None:
    body = f'<image width="9" height="9" href="{png_address((300, 300))}"/>'
    assert reason(drawing(body), ImageLimits(max_pixels=80_000)) == "too_large"
    assert reason(drawing(body * 3), ImageLimits(max_pixels=200_000)) == "too_large"


def test_a_drawing_inside_a_drawing_is_left_out() -> None:
    inner = base64.b64encode(drawing('<rect width="40" height="20"/>')).decode()
    body = f'<image width="40" height="20" href="data:image/svg+xml;base64,{inner}"/>'
    assert render_svg(drawing(body), "x", LIMITS, 40).getpixel((20, 10)) == (255, 255, 255)


def test_billion_laughs_by_entities() -> None:
    lines = ['<!ENTITY a0 "ha">']
    for i in range(1, 10):
        value = f"&a{i - 1};" * 10
        lines.append(f'<!ENTITY a{i} "{value}">')
    data = f"<!DOCTYPE svg [{''.join(lines)}]>".encode() + drawing("<text>&a9;</text>")
    assert reason(data) == "too_large"


def test_quadratic_growth_by_one_entity() -> None:
    body = f"<desc>{'&a;' * 30_000}</desc>"
    data = b'<!DOCTYPE svg [<!ENTITY a "' + b"x" * 250 + b'">]>' + drawing(body)
    assert reason(data, ImageLimits(max_svg_bytes=200_000)) == "too_large"


def test_namespace_entities_of_drawing_programs_are_fine() -> None:
    data = (
        b'<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]>'
        b'<svg xmlns="&ns;" width="4" height="4"><rect width="4" height="4" fill="red"/></svg>'
    )
    assert render_svg(data, "x", LIMITS, 4).getpixel((1, 1)) == (255, 0, 0)


def test_billion_laughs_by_use() -> None:
    layers = ['<rect id="l0" width="1" height="1"/>']
    for i in range(1, 10):
        uses = f'<use xlink:href="#l{i - 1}"/>' * 10
        layers.append(f'<g id="l{i}">{uses}</g>')
    assert reason(drawing(f"<defs>{''.join(layers)}</defs><use xlink:href='#l9'/>")) == "too_large"


def test_billion_laughs_by_patterns_and_markers() -> None:
    layers = ['<pattern id="l0" width="1" height="1"><rect width="1" height="1"/></pattern>']
    for i in range(1, 8):
        inside = f'<rect width="1" height="1" style="fill:url(#l{i - 1})"/>' * 10
        layers.append(f'<pattern id="l{i}" width="1" height="1">{inside}</pattern>')
    body = f"<defs>{''.join(layers)}</defs><rect width='9' height='9' fill='url(#l7)'/>"
    assert reason(drawing(body)) == "too_large"
    marker = '<marker id="m">' + "<path/>" * 1000 + "</marker>"
    line = '<path marker-mid="url(#m)" d="M0 0' + "L1 1" * 1000 + '"/>'
    assert reason(drawing(f"<defs>{marker}</defs>{line}")) == "too_large"


def test_endless_references_end() -> None:
    body = '<g id="a"><use xlink:href="#b"/></g><g id="b"><use xlink:href="#a"/></g>'
    assert reason(drawing(body)) == "damaged"
    alone = '<g id="a"><use xlink:href="#a"/></g><rect width="9" height="9" fill="red"/>'
    assert render_svg(drawing(alone), "x", LIMITS, 40).getpixel((2, 2)) == (255, 0, 0)
    chain = "".join(f'<g id="c{i}"><use xlink:href="#c{i + 1}"/></g>' for i in range(5000))
    assert reason(drawing(chain)) == "too_large"


def test_deep_nesting_and_many_elements() -> None:
    assert reason(drawing("<g>" * 5000 + "</g>" * 5000)) == "too_large"
    assert reason(drawing("<g/>" * 600), ImageLimits(max_svg_elements=500)) == "too_large"


def test_a_packed_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(drawing("<desc>" + " " * 30_000_000 + "</desc>"))
    assert len(bomb) < 100_000
    assert reason(bomb) == "too_large"


def test_filters_without_a_bound_are_left_out() -> None:
    slow = '<feMorphology operator="dilate" radius="9999"/><feTurbulence numOctaves="999999999"/>'
    body = f'<filter id="f">{slow}</filter><rect width="40" height="20" filter="url(#f)"/>'
    clean = clean_svg(drawing(body), "x", LIMITS)
    assert "feMorphology" not in clean
    assert "feTurbulence" not in clean
    assert render_svg(drawing(body), "x", LIMITS, 40).size == (40, 20)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg",
        b"<svg></g></svg>",
        drawing("")[:-3],
        b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0"/>',
        b'<svg xmlns="x" width="4" height="4"/>',
        b"\x1f\x8b\x08broken",
    ],
)
def test_damaged_drawings(data: bytes) -> None:
    assert reason(data) == "damaged"


def test_cleaning_changes_no_pixel() -> None:
    body = (
        '<defs><linearGradient id="a"><stop stop-color="red"/><stop offset="1" stop-color="#00f"/>'
        '</linearGradient><linearGradient id="b" xlink:href="#a"/></defs>'
        "<style>.k{opacity:.5}</style>"
        '<g class="k"><path d="M0 0L40 20V0z" fill="url(#b)"/></g><use xlink:href="#c"/>'
        '<circle id="c" cx="9" cy="9" r="5" stroke="green"/>'
    )
    from resvg_py import svg_to_bytes

    options = {"width": 40, "height": 40, "background": "#ffffff", "dpi": 96}
    plain = svg_to_bytes(svg_string=drawing(body).decode(), **options)
    clean = svg_to_bytes(svg_string=clean_svg(drawing(body), "x", LIMITS), **options)
    assert plain == clean
