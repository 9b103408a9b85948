"""Hand-made corpora: pictures of given sizes in memory, texts as given."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy
import pytest
from PIL import Image as Pillow

from interlingua.config import resolve, validate
from interlingua.content import BytesContent
from interlingua.data.filters.filter import Filtered
from interlingua.sample import Image, Meta, OneOf, Part, Sample, Text


@cache
def png(width: int = 40, height: int = 40, seed: int = 0) -> bytes:
    """Random blocks: no two seeds look alike."""
    blocks = numpy.random.default_rng(seed).integers(0, 256, (5, 5, 3), numpy.uint8)
    file = io.BytesIO()
    Pillow.fromarray(blocks).resize((width, height), Pillow.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def sample(
    key: str, texts: str | Sequence[str] = (), picture: bytes | None = None, source: str = "web"
) -> Sample:
    parts: list[Part | OneOf] = []
    if picture is not None:
        parts.append(Image(BytesContent(picture, f"{key}.png")))
    words = (texts,) if isinstance(texts, str) else tuple(texts)
    if len(words) == 1:
        parts.append(Text(words[0]))
    elif words:
        parts.append(OneOf(tuple(map(Text, words)), tuple(range(1, len(words) + 1))))
    return Sample(key, tuple(parts), meta=Meta(source=source))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path_factory.getbasetemp() / "filters"))


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    return png


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., Sample]:
    return sample


@pytest.fixture(scope="session")
def run_filter() -> Callable[..., Filtered]:
    """``run_filter("size", samples, min_side=64)``; ``open_scorer`` goes to the filter."""

    def run(name: str, samples: Sequence[Sample], open_scorer: Any = None, **settings: Any) -> Any:
        plain = {"name": name, **settings}
        config = validate(resolve("data.filters", name).Config, plain, "test")
        return config.build(open_scorer)(samples)

    return run


@pytest.fixture(scope="session")
def taken() -> Callable[[Filtered], list[tuple[Any, ...]]]:
    """(key, text, reason, value, whole) of each removal."""

    def of(done: Filtered) -> list[tuple[Any, ...]]:
        return [
            (one.sample.key, one.shown_text, one.reason, one.value, one.whole)
            for one in done.removals
        ]

    return of
