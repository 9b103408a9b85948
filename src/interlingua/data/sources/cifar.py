"""CIFAR-10 and CIFAR-100 in their binary form: no pickle is read.

``cifar-10-batches-bin``: ``data_batch_1.bin`` ... ``test_batch.bin``, each record one label
byte and 3,072 bytes of red, green and blue planes, 32 x 32. ``cifar-100-binary``:
``train.bin`` and ``test.bin`` with a coarse and a fine label byte before the pixels.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; the layout is
described on the data set's page, "Binary version".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from interlingua.config import NamedConfig
from interlingua.data.labels import ClassName
from interlingua.data.source import Problem
from interlingua.data.sources.image_folder import LabelledSource, labelled, named
from interlingua.errors import DataError, MediaError
from interlingua.sample import Sample

SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE
HEADER = struct.pack(
    "<2sIHHIIiiHHIIiiII",  # file header, then BITMAPINFOHEADER: bottom-up rows of B, G, R
    *(b"BM", 54 + PIXEL_BYTES, 0, 0, 54),
    *(40, SIDE, SIDE, 1, 24, 0, PIXEL_BYTES, 2835, 2835, 0, 0),
)


@dataclass(frozen=True, slots=True)
class RecordContent:
    """One record's pixels, handed out as a BMP file.

    Attributes:
        path: of the batch file.
        offset: of the pixels in it, in bytes.
        number: of the record, for messages.
    """

    path: Path
    offset: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.path}::{self.number}"

    @property
    def suffix(self) -> str:
        return ".bmp"

    def size(self) -> int:
        return len(HEADER) + PIXEL_BYTES

    def read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                planes = file.read(PIXEL_BYTES)
        except OSError as error:
            raise MediaError(
                "The batch file can't be read.", reason="unreadable", where=self.name
            ) from error
        if len(planes) != PIXEL_BYTES:
            raise MediaError("The record is cut off.", reason="damaged", where=self.name)
        return HEADER + _bottom_up(planes)


class Cifar(LabelledSource):
    """The pictures of one split.

    Raises:
        DataError: no binary files here, the pickled version, or files of another layout.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            root: ``cifar-10-batches-bin`` or ``cifar-100-binary``, or the folder above it.
            split: ``train`` or ``test``.
            labels: CIFAR-100's 100 ``fine`` classes or its 20 ``coarse`` ones.
            names: a label file to use in place of the set's own names.
            templates: texts for training.
        """

        folder: ClassVar[str] = "data"
        name: str = "cifar"
        root: Path
        split: Literal["train", "test"] = "test"
        labels: Literal["fine", "coarse"] = "fine"
        names: Path | None = None
        templates: tuple[str, ...] = ()

    def __init__(self, config: Cifar.Config):
        root = _binary_folder(config.root.expanduser())
        is_hundred = (root / "fine_label_names.txt").is_file()
        title = "cifar-100" if is_hundred else "cifar-10"
        if is_hundred:
            names, files = f"{config.labels}_label_names.txt", [f"{config.split}.bin"]
            label_bytes, place = 2, ("coarse", "fine").index(config.labels)
        else:
            names = "batches.meta.txt"
            numbered = [f"data_batch_{number}.bin" for number in range(1, 6)]
            files = ["test_batch.bin"] if config.split == "test" else numbered
            label_bytes, place = 1, 0
        self.classes = _class_names(root / names)
        if config.names is not None:
            self.classes = named([one.key for one in self.classes], config.names)
        samples: list[Sample] = []
        problems: list[Problem] = []
        for file in files:
            for key, content, label in _records(root / file, label_bytes, place, problems):
                if label < len(self.classes):
                    one = self.classes[label]
                    samples.append(labelled(key, content, one, title, config.templates))
                else:
                    problems.append(Problem("a label that is no class", content.name))
        if not samples:
            raise DataError("There is no picture in the batch files.", where=str(root))
        if config.labels == "fine" or not is_hundred:
            self.benchmark = f"{title.upper()} {config.split}"
            self.benchmark_size = 10_000 if config.split == "test" else 50_000
        super().__init__(title, samples, problems)


def _binary_folder(root: Path) -> Path:
    for place in (root, root / "cifar-10-batches-bin", root / "cifar-100-binary"):
        if (place / "batches.meta.txt").is_file() or (place / "fine_label_names.txt").is_file():
            return place
    for place in (root, root / "cifar-10-batches-py", root / "cifar-100-python"):
        if (place / "batches.meta").is_file() or (place / "meta").is_file():
            raise DataError(
                "This is CIFAR's Python version, whose files are pickles; pickles can run any "
                "program and are not read.",
                where=str(place),
                next_step="Take the set's binary version: cifar-10-binary.tar.gz or "
                "cifar-100-binary.tar.gz from the same page, unpacked.",
            )
    raise DataError(
        "There is no CIFAR in its binary version here.",
        where=str(root),
        next_step="Give the unpacked folder: cifar-10-batches-bin or cifar-100-binary.",
    )


def _class_names(path: Path) -> list[ClassName]:
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("The names of the classes can't be read.", where=str(path)) from error
    keys = [line.strip() for line in lines if line.strip()]
    if not keys:
        raise DataError("There is no class here.", where=str(path))
    return [ClassName(key, (key.replace("_", " "),)) for key in keys]


def _records(
    path: Path, label_bytes: int, place: int, problems: list[Problem]
) -> list[tuple[str, RecordContent, int]]:
    """Key, content and label of each whole record; labels are read, pixels are not."""
    length = label_bytes + PIXEL_BYTES
    found = []
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            for number in range(size // length):
                file.seek(number * length + place)
                label = file.read(1)[0]
                content = RecordContent(path, number * length + label_bytes, number)
                found.append((f"{path.stem}/{number:05d}", content, label))
    except OSError as error:
        raise DataError(
            "A batch file can't be read.",
            where=str(path),
            next_step="Unpack the whole archive; `split=test` needs the test file alone.",
        ) from error
    if size % length:
        problems.append(Problem("a record that is cut off", f"{path}::{size // length}"))
    return found


def _bottom_up(planes: bytes) -> bytes:
    """Red, green and blue planes as the rows of a BMP."""
    pixels = bytearray(PIXEL_BYTES)
    for channel in range(3):
        pixels[2 - channel :: 3] = planes[channel * SIDE * SIDE : (channel + 1) * SIDE * SIDE]
    row = 3 * SIDE
    rows = [bytes(pixels[start : start + row]) for start in range(0, PIXEL_BYTES, row)]
    return b"".join(reversed(rows))
