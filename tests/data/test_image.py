"""Pictures of every mode and orientation, damaged and giant ones, and the tower's pixels."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from interlingua.content import BytesContent, FileContent
from interlingua.data.gate import ImageLimits
from interlingua.data.image import decode_pixels, open_image, to_pixels, trimmed
from interlingua.errors import MediaError
from interlingua.towers.tower import ImagePreprocess


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> BytesContent:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return BytesContent(buffer.getvalue(), f"made.{kind.lower()}")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def corner_picture(size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Red top left, green top right, blue bottom left, black bottom right."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size[0] // 2, size[1] // 2
    draw.rectangle((0, 0, width - 1, height - 1), "red")
    draw.rectangle((width, 0, size[0], height - 1), "#00ff00")
    draw.rectangle((0, height, width - 1, size[1]), "blue")
    return image


# Modes -------------------------------------------------------------------------------------------


def test_clear_pixels_are_white_and_half_clear_ones_half() -> None:
    image = Image.new("RGBA", (2, 1))
    image.putpixel((0, 0), (10, 20, 30, 0))
    image.putpixel((1, 0), (255, 0, 0, 128))
    result = open_image(encoded(image))
    assert result.mode == "RGB"
    assert result.getpixel((0, 0)) == (255, 255, 255)
    assert np.allclose(result.getpixel((1, 0)), (255, 127, 127), atol=1)


def test_the_hidden_colour_of_clear_pixels_does_not_bleed_when_scaled_down() -> None:
    image = Image.new("RGBA", (256, 256), (0, 0, 0, 0))  # clear, but black underneath
    image.paste((255, 0, 0, 255), (0, 0, 128, 256))
    result = open_image(encoded(image), near_size=32)
    assert result.size == (64, 64)
    assert {colour for _, colour in result.getcolors()} == {(255, 0, 0), (255, 255, 255)}


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LA", "RGBA"])
def test_modes_give_the_same_colours(mode: str) -> None:
    grey = Image.new("L", (8, 8), 0)
    grey.paste(255, (0, 0, 4, 8))
    kind = "JPEG" if mode == "CMYK" else "PNG"
    options = {"quality": 100} if kind == "JPEG" else {}
    result = open_image(encoded(grey.convert("RGB").convert(mode), kind, **options))
    assert np.allclose(result.getpixel((0, 0)), 255, atol=3)
    assert np.allclose(result.getpixel((7, 7)), 0, atol=3)


def test_palette_with_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    result = open_image(encoded(image, transparency=b"\x00\xff"))
    assert [result.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_one_clear_colour_in_a_picture_without_alpha() -> None:
    image = Image.new("RGB", (2, 1), (9, 9, 9))
    image.putpixel((1, 0), (1, 2, 3))
    result = open_image(encoded(image, transparency=(9, 9, 9)))
    assert [result.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (1, 2, 3)]


def test_sixteen_bit_grey() -> None:
    rows = b"\x00" + struct.pack(">4H", 0, 0x8000, 0xFFFF, 0x1234)
    result = open_image(BytesContent(png(4, 1, 16, 0, rows)))
    assert [result.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_sixteen_bit_grey_with_a_clear_level() -> None:
    rows = b"\x00" + struct.pack(">2H", 0x1234, 0x8000)
    clear = png_chunk(b"tRNS", struct.pack(">H", 0x1234))
    result = open_image(BytesContent(png(2, 1, 16, 0, rows, clear)))
    assert [result.getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (128, 128, 128)]


def test_sixteen_bit_colour_with_alpha() -> None:
    rows = b"\x00" + struct.pack(">8H", 0xFFFF, 0, 0, 0xFFFF, 0, 0, 0, 0)
    result = open_image(BytesContent(png(2, 1, 16, 6, rows)))
    assert [result.getpixel((x, 0)) for x in range(2)] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    upright = corner_picture()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = open_image(encoded(stored, "JPEG", exif=exif.tobytes(), quality=95, subsampling=0))
    assert result.size == upright.size
    assert np.abs(np.asarray(result, int) - np.asarray(upright, int)).mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_refuse() -> None:
    result = open_image(encoded(corner_picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert result.size == (60, 40)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_counts(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    content = encoded(first, kind, save_all=True, append_images=[second], lossless=True)
    assert open_image(content).getpixel((3, 3))[0] > 250


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind).data
    refused = 0
    for percent in range(100):
        try:
            image = open_image(BytesContent(data[: len(data) * percent // 100], "cut"))
        except MediaError as error:
            refused += 1
            assert error.reason in ("empty", "damaged", "not_an_image")
        else:
            assert image.size == (40, 40)
    assert refused >= 95  # some formats end in bytes that hold no pixels


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_flipped_bytes_give_a_picture_or_one_clean_error(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind).data
    random = np.random.default_rng(1)
    for _ in range(150):
        torn = bytearray(data)
        for position in random.integers(0, len(data), 3):
            torn[position] = random.integers(256)
        try:
            assert open_image(BytesContent(bytes(torn))).mode == "RGB"
        except MediaError as error:
            assert error.reason in ("damaged", "not_an_image", "too_large")


def test_html_named_png() -> None:
    with pytest.raises(MediaError) as caught:
        open_image(BytesContent(b"<!DOCTYPE html><title>404</title>", "dog.png"))
    assert caught.value.reason == "not_an_image"


def test_the_ending_is_not_believed() -> None:
    assert open_image(BytesContent(encoded(corner_picture(), "JPEG").data, "x.png")).size == (
        60,
        40,
    )


def test_a_size_of_nothing_is_damaged() -> None:
    with pytest.raises(MediaError) as caught:
        open_image(BytesContent(png(0, 5, 8, 2, b"")))
    assert caught.value.reason == "damaged"


def test_a_gif_whose_first_frame_is_larger_than_its_screen() -> None:
    data = bytearray(encoded(Image.new("P", (4, 4)), "GIF").data)
    at = data.index(b"\x2c")
    data[at + 5 : at + 9] = struct.pack("<HH", 9_000, 9_000)
    with pytest.raises(MediaError) as caught:
        open_image(BytesContent(bytes(data)))
    assert caught.value.reason == "too_large"


def test_a_side_beyond_the_limit() -> None:
    with pytest.raises(MediaError) as caught:
        open_image(BytesContent(png(20_000, 1, 8, 0, bytes(20_001))))
    assert caught.value.reason == "too_large"


BOMB = """
import resource, sys
from pathlib import Path
from interlingua.content import FileContent
from interlingua.data.gate import ImageLimits
from interlingua.data.image import decode_pixels, open_image
from interlingua.errors import MediaError
from interlingua.towers.tower import ImagePreprocess
def peak():
    unit = 2**20 if sys.platform == 'darwin' else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
decode_pixels(FileContent(Path(sys.argv[1])), ImagePreprocess())  # everything is loaded
before = peak()
try:
    limits = ImageLimits(stream_pixels=int(sys.argv[3]))
    image = open_image(FileContent(Path(sys.argv[2])), limits, 224)
    print(peak() - before, *image.size, *image.getpixel((0, 0)))
except MediaError as error:
    print(peak() - before, error.reason)
"""


def in_child(tmp_path: Path, bomb: Path, stream_pixels: int = 0) -> list[str]:
    small = tmp_path / "small.png"
    corner_picture().save(small)
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(small), str(bomb), str(stream_pixels)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    return done.stdout.split()


def streamed_png(path: Path, width: int, height: int, colour: int) -> None:
    """A PNG of one colour in a few hundred kB, made without ever holding its pixels."""
    channels = {2: 3, 6: 4}[colour]
    packer = zlib.compressobj(6)
    row = b"\x00" + bytes([200, 30, 30, 255][:channels]) * width
    body = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    streamed_png(bomb, 13_000, 13_000, 2)
    assert bomb.stat().st_size < 2_000_000
    grown, reason = in_child(tmp_path, bomb)
    assert reason == "too_large"
    assert float(grown) < 50


def test_a_giant_is_streamed_down_in_little_memory_when_allowed(tmp_path: Path) -> None:
    giant = tmp_path / "giant.png"
    streamed_png(giant, 10_000, 9_000, 6)  # 343 MiB of pixels
    grown, *rest = in_child(tmp_path, giant, stream_pixels=10**9)
    assert [int(value) for value in rest] == [500, 450, 200, 30, 30]
    assert float(grown) < 150


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "GIF", "BMP"])
def test_other_formats_that_declare_too_much_are_refused(kind: str) -> None:
    content = encoded(Image.new("RGB", (64, 64)), kind)
    with pytest.raises(MediaError) as caught:
        open_image(content, ImageLimits(max_pixels=64 * 63))
    assert caught.value.reason == "too_large"


# What a tower gets -------------------------------------------------------------------------------


def test_pixels_have_the_towers_shape() -> None:
    for fit in ("crop", "pad"):
        pixels = to_pixels(corner_picture((333, 77)), ImagePreprocess(size=64, fit=fit))
        assert pixels.shape == (3, 64, 64)
        assert pixels.dtype == torch.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 16_000), (16_000, 1), (2, 3)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("trim", [False, True])
def test_extreme_shapes(size: tuple[int, int], fit: str, trim: bool) -> None:
    content = encoded(Image.new("RGB", size, "red"))
    preprocess = ImagePreprocess(size=32, fit=fit, trim=trim)
    pixels = decode_pixels(content, preprocess)
    assert pixels[:, 16, 16].tolist() == [255, 0, 0] or fit == "pad"
    assert pixels.shape == (3, 32, 32)


def test_crop_equals_resizing_the_short_side_and_cutting_the_centre() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    short = image.resize((512, 256), Image.Resampling.BICUBIC)  # 224 / 0.875
    expected = np.asarray(short.crop((144, 16, 368, 240)), int)
    ours = to_pixels(image, ImagePreprocess()).permute(1, 2, 0).numpy().astype(int)
    inside = (ours - expected)[4:-4, 4:-4]  # at the rim the filter sees only the square
    assert np.abs(inside).max() <= 1


@pytest.mark.parametrize("size", [(401, 533), (800, 417), (225, 224)])
def test_crop_is_on_whole_pixels_as_torchvision_cuts_it(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    resized = tuple(int(224 * side / min(size)) for side in size)  # Resize(224)
    left, top = (round((side - 224) / 2) for side in resized)  # CenterCrop(224)
    whole = image.resize(resized, Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 224, top + 224)), int)
    preprocess = ImagePreprocess(size=224, crop_fraction=1.0)
    ours = to_pixels(image, preprocess).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(ours - expected)[4:-4, 4:-4].max() <= 1  # half a pixel off: 100 and more


def test_decoding_small_gives_nearly_the_pixels_of_decoding_whole() -> None:
    smooth = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    ).resize((2048, 1536), Image.Resampling.BICUBIC)
    preprocess = ImagePreprocess()
    for kind in ("PNG", "JPEG"):
        content = encoded(smooth, kind)
        small = open_image(content, near_size=224)
        assert small.height < 1536
        assert min(small.size) >= 448
        whole = to_pixels(open_image(content), preprocess).int()
        assert (decode_pixels(content, preprocess).int() - whole).abs().float().mean() < 1.0


def test_pad_keeps_the_whole_picture_on_its_background() -> None:
    preprocess = ImagePreprocess(size=40, fit="pad", background=(1, 2, 3))
    pixels = to_pixels(Image.new("RGB", (80, 20), "red"), preprocess)
    assert pixels[:, 0, 20].tolist() == [1, 2, 3]
    assert pixels[:, 20, 0].tolist() == [255, 0, 0]


def test_trim_cuts_a_plain_border_only() -> None:
    image = Image.new("RGB", (50, 50), "white")
    image.paste("red", (10, 20, 30, 25))
    assert trimmed(image).size == (20, 5)
    assert trimmed(Image.new("RGB", (50, 50), "white")).size == (50, 50)
    assert trimmed(corner_picture()).size == (60, 40)


def test_same_bits_every_time_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    corner_picture((900, 700)).save(path)
    first = decode_pixels(FileContent(path), ImagePreprocess())
    assert torch.equal(first, decode_pixels(BytesContent(path.read_bytes()), ImagePreprocess()))
