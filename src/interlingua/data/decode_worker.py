"""The process in which files from strangers are decoded; it may die.

Run by ``IsolatedDecoder`` as ``python -m interlingua.data.decode_worker``. It reads requests from
standard input and writes answers to standard output: a line of JSON, then as many bytes as
that line says. No pickle: what comes back from a process that a file may have taken over is data.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from interlingua.content import BytesContent
from interlingua.data.examined import NO_PACKAGE, examine_image, examine_sound
from interlingua.data.gate import AudioLimits, ImageLimits
from interlingua.data.image import decode_pixels
from interlingua.data.sound import decode_wave
from interlingua.errors import InterlinguaError, MediaError, MissingExtraError
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

Decoded = NDArray[Any]


def decode_request(request: dict[str, Any], data: bytes) -> Decoded:
    """Decode what one request asks for.

    Args:
        request: ``kind``, ``name``, ``limits``, and of what a tower takes ``preprocess``.
        data: the file's bytes.

    Returns:
        [3, S, S] uint8 pixels, [T] float32 samples, or the JSON of ``Examined`` as uint8.

    Raises:
        MediaError: the file is refused or damaged.
        MissingExtraError: nothing that is installed reads this kind of file.
    """
    if request["kind"].startswith("examine"):
        return _examine(request, data)
    content = BytesContent(data, request["name"])
    if request["kind"] == "image":
        picture = ImagePreprocess.model_validate(request["preprocess"])
        limits = ImageLimits.model_validate(request["limits"])
        return decode_pixels(content, picture, limits).numpy()
    sound = AudioPreprocess.model_validate(request["preprocess"])
    return decode_wave(content, sound, AudioLimits.model_validate(request["limits"]))


def _examine(request: dict[str, Any], data: bytes) -> Decoded:
    if request["kind"] == "examine_image":
        limits = ImageLimits.model_validate(request["limits"])
        found = examine_image(data, request["name"], limits)
    else:
        found = examine_sound(data, request["name"], AudioLimits.model_validate(request["limits"]))
    return np.frombuffer(found.model_dump_json().encode("ascii"), dtype=np.uint8)


def serve(decode: Callable[[dict[str, Any], bytes], Decoded] = decode_request) -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with contextlib.suppress(OSError):  # decoders that print must not speak into the answers
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    while line := requests.readline():
        request = json.loads(line)
        limit_memory(int(request["memory"]))
        data = requests.read(request["size"])
        try:
            values = np.ascontiguousarray(decode(request, data))
        except MediaError as error:
            _answer(answers, _described(error, error.reason))
        except MissingExtraError as error:
            _answer(answers, _described(error, NO_PACKAGE))
        except InterlinguaError as error:
            _answer(answers, _described(error, "unreadable"))
        except MemoryError:
            what = "Decoding the file takes more memory than is allowed."
            _answer(answers, {"what": what, "reason": "too_large", "next_step": None})
        else:
            header = {"shape": values.shape, "dtype": str(values.dtype), "size": values.nbytes}
            _answer(answers, header, values.tobytes())


def limit_memory(extra: int) -> None:
    """Let this process grow by ``extra`` bytes at most, where the system can say so."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            present = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (present + extra, most))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: the time limit and the gate's own limits remain


def _described(error: InterlinguaError, reason: str) -> dict[str, Any]:
    return {"what": error.what, "reason": reason, "next_step": error.next_step}


def _answer(answers: BinaryIO, header: dict[str, Any], data: bytes = b"") -> None:
    answers.write(json.dumps(header).encode("ascii") + b"\n" + data)
    answers.flush()


if __name__ == "__main__":
    serve()
