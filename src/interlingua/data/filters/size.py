"""Pictures that are too small or too long, by what their header declares; nothing is decoded.

Source: Jia et al. 2021 (ALIGN, arXiv:2102.05918), section 3: shorter side under 200 pixels, or
aspect over 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from interlingua.content import Content, FileContent
from interlingua.data.filters.filter import Filter, Verdict, pictures
from interlingua.data.filters.svg_aspect import svg_aspect
from interlingua.data.image_header import declared_size, image_kind
from interlingua.errors import MediaError
from interlingua.sample import Sample

# Enough for nearly all; a JPEG may carry its thumbnail and colour profile before its size.
_HEADS = (65_536, 4 << 20)


class Size(Filter):
    """Takes samples with a picture outside of the bounds, or with one that declares no size.

    A drawing (SVG) has no pixels until it is drawn: only its aspect counts.
    """

    class Config(Filter.Config):
        """Settings.

        Attributes:
            min_side: of the shorter side, in pixels.
            max_aspect: the longer side over the shorter one.
        """

        name: str = "size"
        min_side: int = Field(default=200, ge=0)
        max_aspect: float = Field(default=3.0, ge=1)

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        for place, sample in enumerate(samples):
            for part in pictures(sample):
                found = self._of_one(part.content)
                if found is not None:
                    yield Verdict(place, *found)
                    break

    def _of_one(self, content: Content) -> tuple[str, str | float | int] | None:
        """The reason and the measured value; None where the picture may stay."""
        try:
            side, aspect = _side_and_aspect(content)
        except MediaError as error:
            return "size unknown", error.reason
        if side is not None and side < self.config.min_side:
            return "short side", side
        if aspect > self.config.max_aspect:
            return "aspect", round(aspect, 2)
        return None


def _side_and_aspect(content: Content) -> tuple[int | None, float]:
    """The shorter side, None of a drawing, and the longer one over it.

    Raises:
        MediaError: it can't be read, is no picture, or declares no size.
    """
    for number in _HEADS:
        head = _head(content, number)
        kind = image_kind(head)
        if kind == "svg":
            return None, svg_aspect(head)
        size = None if kind is None else declared_size(head, kind)
        if size is not None and min(size) > 0:
            return min(size), max(size) / min(size)
        if kind is None or len(head) < number:
            break
    raise MediaError(
        "The picture declares no size.",
        reason="empty" if not head else "not_an_image" if kind is None else "damaged",
        where=content.name,
    )


def _head(content: Content, number: int) -> bytes:
    if isinstance(content, FileContent):
        try:
            with content.path.open("rb") as file:
                return file.read(number)
        except OSError:
            pass  # the content says it in its own words
    return content.read()[:number]
