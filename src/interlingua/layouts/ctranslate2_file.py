"""The binary file of CTranslate2, versions 5 and 6, read with every length checked first.

Little-endian: version u32, name string, revision u32, number of variables u32; each variable:
name, rank u8, that many dimensions u32, type u8, number of bytes u32, the bytes; then number of
aliases u32, each two strings. A string is its length u16, which counts a closing zero byte.

Source: ``ModelSpec._serialize`` in OpenNMT/CTranslate2, ``python/ctranslate2/specs``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from interlingua.errors import LayoutError

FILE_NAME = "model.bin"
VERSIONS = (5, 6)
# in the order of the DataType enumeration
DTYPES = (
    torch.float32,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.float16,
    torch.bfloat16,
)
MAX_RANK = 8
SPEC_NAME = "WhisperSpec"
SPEC_REVISION = 3


class _Reader:
    """A position in the bytes of a file; nothing is read past their end."""

    def __init__(self, data: bytes, where: str):
        self.data = data
        self.where = where
        self.position = 0

    def fail(self, what: str) -> LayoutError:
        return LayoutError(
            f"This is no CTranslate2 file that can be read: {what}.",
            where=f"{self.where}, byte {self.position}",
            next_step="Run `interlingua weights verify`, or fetch it again.",
        )

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.position:
            raise self.fail("it ends too early")
        start, self.position = self.position, self.position + count
        return memoryview(self.data)[start : self.position]

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize(code)))[0])

    def string(self) -> str:
        raw = bytes(self.take(self.number("H")))
        if not raw.endswith(b"\0"):
            raise self.fail("a name has no end")
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail("a name is not text") from error

    def variable(self) -> Tensor:
        rank = self.number("B")
        if rank > MAX_RANK:
            raise self.fail(f"a tensor of {rank} dimensions")
        shape = [self.number("I") for _ in range(rank)]
        kind = self.number("B")
        if kind >= len(DTYPES):
            raise self.fail(f"the number type {kind} is unknown")
        num_bytes = self.number("I")
        dtype = DTYPES[kind]
        # sizes are compared as Python integers, which don't overflow, before anything is allocated
        if num_bytes != math.prod(shape) * dtype.itemsize:
            raise self.fail(f"{num_bytes} bytes for a tensor {shape} of {dtype}")
        raw = self.take(num_bytes)
        if num_bytes == 0:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(bytearray(raw), dtype=dtype).view(shape)


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """All variables of a file, or of ``model.bin`` in a folder, in their stored types.

    Aliases are left out: they repeat a variable under a second name.

    Raises:
        LayoutError: the file is missing, damaged or of an unknown version.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LayoutError("There is no file of weights.", where=str(file)) from error
    reader = _Reader(data, str(file))
    version = reader.number("I")
    if version not in VERSIONS:
        raise reader.fail(f"version {version}, known are {VERSIONS[0]} and {VERSIONS[1]}")
    reader.string()
    reader.number("I")
    tensors: dict[str, Tensor] = {}
    for _ in range(reader.number("I")):
        name = reader.string()
        if name in tensors:
            raise reader.fail(f"{name} stands there twice")
        tensors[name] = reader.variable()
    for _ in range(reader.number("I")):
        reader.string()
        if reader.string() not in tensors:
            raise reader.fail("an alias of a variable that is not there")
    if reader.position != len(data):
        raise reader.fail("bytes follow the last variable")
    return tensors


def write_ctranslate2(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write variables to a file, or to ``model.bin`` in an existing folder, without aliases."""

    def string(text: str) -> bytes:
        raw = text.encode("utf-8") + b"\0"
        return struct.pack("<H", len(raw)) + raw

    with (path / FILE_NAME if path.is_dir() else path).open("wb") as file:
        file.write(struct.pack("<I", VERSIONS[-1]) + string(SPEC_NAME))
        file.write(struct.pack("<II", SPEC_REVISION, len(tensors)))
        for name in sorted(tensors):
            tensor = tensors[name].detach().cpu().contiguous()
            raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            rank = tensor.dim()
            file.write(string(name) + struct.pack(f"<B{rank}I", rank, *tensor.shape))
            file.write(struct.pack("<BI", DTYPES.index(tensor.dtype), len(raw)) + raw)
        file.write(struct.pack("<I", 0))
