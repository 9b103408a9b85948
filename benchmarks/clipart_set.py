"""The stated set of real pictures and titles that the CLIP benchmarks share.

2,000 public-domain pictures of the source ``clipart``, evenly spaced over those of 400 to 4,096
pixels on the longer side, laid on white, scaled down so that the longer side has 400 to 800
pixels (a fixed spread), and stored twice: as PNG, and as JPEG of quality 90. Each has its first
text as title. Made once, into the cache folder.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image as Picture

from interlingua import data
from interlingua.catalogue import cache
from interlingua.data.image import open_image
from interlingua.data.image_header import declared_size, image_kind
from interlingua.errors import MediaError
from interlingua.sample import Image, Sample, Text

NUM_PICTURES = 2000
SIDES = (400, 800)
LARGEST = 4096
JPEG_QUALITY = 90
FORMAT = 1
FileFormat = Literal["jpeg", "png"]


@dataclass(frozen=True, slots=True)
class ClipartSet:
    """The set on disk."""

    folder: Path
    titles: list[str]

    def paths(self, file_format: FileFormat) -> list[Path]:
        """In the order of the titles."""
        return [
            self.folder / file_format / f"{number:05}.{file_format}"
            for number in range(len(self.titles))
        ]

    def distinct_titles(self) -> list[str]:
        """Every title once, in order."""
        return list(dict.fromkeys(self.titles))


def clipart_set(number: int = NUM_PICTURES) -> ClipartSet:
    """The first ``number`` pictures of the set; all are made on the first call (two minutes).

    Raises:
        FetchError: the source can't be fetched.
    """
    final = cache.cache_root() / "benchmarks" / f"clipart-{FORMAT}"
    with cache.locked(f"benchmarks-clipart-{FORMAT}", cache.to_stderr):
        if not (final / "titles.json").exists():
            cache.to_stderr(f"making {NUM_PICTURES} pictures for the benchmarks in {final}")
            cache.install_folder(final, lambda folder: write_set(folder, _spread()))
    titles = json.loads((final / "titles.json").read_text("utf-8"))
    return ClipartSet(final, titles[:number])


def write_set(folder: Path, samples: Iterator[Sample], number: int = NUM_PICTURES) -> None:
    """Write both files of each sample and the titles; samples that can't be read are left out."""
    for file_format in ("jpeg", "png"):
        (folder / file_format).mkdir()
    titles: list[str] = []
    for sample in samples:
        try:
            picture = open_image(_picture(sample).content)
        except MediaError:
            continue
        place = len(titles)
        side = SIDES[0] + place * 97 % (SIDES[1] - SIDES[0] + 1)
        picture.thumbnail((side, side), Picture.Resampling.LANCZOS)
        picture.save(folder / "png" / f"{place:05}.png")
        picture.save(folder / "jpeg" / f"{place:05}.jpeg", quality=JPEG_QUALITY)
        titles.append(_title(sample))
        if len(titles) == number:
            break
    (folder / "titles.json").write_text(json.dumps(titles, ensure_ascii=False), "utf-8")


def _spread() -> Iterator[Sample]:
    """Samples of a fit size, evenly spaced; some spare ones come last."""
    fit = [sample for sample in data.open_source("clipart") if _fits(_picture(sample))]
    step = max(1, len(fit) / NUM_PICTURES)
    chosen = [int(n * step) for n in range(min(NUM_PICTURES, len(fit)))]
    spare = sorted(set(range(len(fit))) - set(chosen))
    return (fit[n] for n in itertools.chain(chosen, spare))


def _fits(image: Image) -> bool:
    head = image.content.read()
    kind = image_kind(head)
    size = None if kind in (None, "svg") else declared_size(head, kind)
    return size is not None and SIDES[0] <= max(size) <= LARGEST


def _picture(sample: Sample) -> Image:
    image = sample.alternatives("image")[0]
    assert isinstance(image, Image)
    return image


def _title(sample: Sample) -> str:
    text = sample.alternatives("text")[0]
    assert isinstance(text, Text)
    return text.text


def images(paths: Sequence[Path]) -> list[Image]:
    """Files as sample parts."""
    from interlingua.content import FileContent

    return [Image(FileContent(path)) for path in paths]
