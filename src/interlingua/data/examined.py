"""What one look at a file's bytes tells: a few small facts, and never its pixels or samples.

The facts travel as JSON, so that a process that a file may have taken over can hand them back
(``isolation``): what isn't of this form is not taken.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt

from interlingua.config import Config
from interlingua.content import BytesContent
from interlingua.data.gate import AudioLimits, ImageLimits, require_audio, require_image
from interlingua.data.image import open_image
from interlingua.data.image_header import declared_size
from interlingua.data.near_duplicates import DECODED_SIDE, SIDE, Fingerprint, fingerprint_of
from interlingua.data.recordings import recording_of

NO_PACKAGE = "package_missing"  # the reason where nothing that is installed reads such files
_Finite = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Examined(Config):
    """The facts of a file that can be used.

    Attributes:
        kind: ``png``, ``wav`` ...
        size: width and height that a picture's header declares; (0, 0) of a drawing and a sound.
        grey: of a picture that isn't plain, the grey values of its fingerprint in hexadecimal.
        aspect: of that fingerprint; 0 where there is none.
        seconds: of a sound.
        silent: whether a sound is.
        wave: digest of a sound's samples in hexadecimal (``recordings``).
    """

    kind: str = Field(pattern=r"^[a-z0-9]{1,8}$")
    size: tuple[NonNegativeInt, NonNegativeInt] = (0, 0)
    grey: str = Field(default="", pattern=rf"^([0-9a-f]{{{2 * SIDE * SIDE}}})?$")
    aspect: _Finite = 0.0
    seconds: _Finite = 0.0
    silent: bool = False
    wave: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")

    @property
    def fingerprint(self) -> Fingerprint | None:
        """Of a picture that isn't plain."""
        if not self.grey or not self.aspect:
            return None
        grey = np.frombuffer(bytes.fromhex(self.grey), dtype=np.uint8)
        return Fingerprint(grey.reshape(SIDE, SIDE), self.aspect)


def examine_image(data: bytes, name: str, limits: ImageLimits) -> Examined:
    """Decode a picture's bytes and keep what is small of it.

    Raises:
        MediaError: the gate refuses them.
        MissingExtraError: a drawing, without the package that draws.
    """
    kind = require_image(data, name)
    size = None if kind == "svg" else declared_size(data, kind)
    picture = open_image(BytesContent(data, name), limits, near_size=DECODED_SIDE)
    found = fingerprint_of(picture)
    if found is None:
        return Examined(kind=kind, size=size or (0, 0))
    grey = found.grey.tobytes().hex()
    return Examined(kind=kind, size=size or (0, 0), grey=grey, aspect=found.aspect)


def examine_sound(data: bytes, name: str, limits: AudioLimits) -> Examined:
    """Decode a sound's bytes and keep what is small of it.

    Raises:
        MediaError: the gate refuses them.
        MissingExtraError: without the package that decodes.
    """
    kind = require_audio(data, name)
    found = recording_of(BytesContent(data, name), limits)
    return Examined(kind=kind, seconds=found.seconds, silent=found.silent, wave=found.digest.hex())
