"""A small report whose pictures, sounds and vectors are made up: what every test here draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from interlingua.evaluate import Estimate
from interlingua.report import (
    DataUse,
    DirectionRow,
    Line,
    Panel,
    ReportData,
    RunFacts,
    Skipped,
    StageUse,
    Thing,
    TowerUse,
    View,
)
from interlingua.report.strips import draw_strips

WIDTH = 16
RATE = 16000


def make_things(count: int, *, seed: int = 0, side: int = 48, seconds: float = 0.4) -> list[Thing]:
    """Things in three groups; each third one has a sound, each second one a French name."""
    random = np.random.default_rng(seed)
    things = []
    for number in range(count):
        centre = random.normal(size=WIDTH)

        def near(noise: float = 0.3, centre: np.ndarray = centre) -> np.ndarray:
            return centre + random.normal(size=WIDTH) * noise

        pixels = np.full((side, side, 3), 255, np.uint8)
        pixels[side // 4 : -side // 4, side // 4 : -side // 4] = random.integers(0, 255, 3)
        time = np.arange(int(RATE * seconds)) / RATE
        views = {
            "image": View(vector=near(), pixels=pixels),
            "text": View(vector=near(), text=f"A thing number {number}."),
        }
        if number % 3 == 0:
            wave = np.sin(time * 2 * np.pi * (200 + number)).astype(np.float32) * 0.5
            views["sound"] = View(vector=near(), samples=wave, sample_rate=RATE)
        if number % 2 == 0:
            wave = np.sin(time * 2 * np.pi * (90 + number)).astype(np.float32) * 0.3
            views["speech[fr]"] = View(
                vector=near(), samples=wave, sample_rate=RATE, text="Une chose.", language="fr"
            )
        things.append(
            Thing(
                key=f"thing-{number}",
                name=f"thing {number}",
                views=views,
                group=("animals/dogs", "food", "town")[number % 3],
                held_out=number % 5 != 0,
                component=number,
            )
        )
    return things


def make_report(things: list[Thing]) -> ReportData:
    """Every part of the page filled."""
    rows = [
        DirectionRow(
            "text",
            "image",
            {1: Estimate(0.3, 0.24, 0.36), 10: Estimate(0.6, 0.53, 0.67)},
            chance={1: 0.005, 10: 0.05},
            control={1: 0.004, 10: 0.048},
            median_rank=6,
            number=200,
            gallery=200,
        ),
        DirectionRow(
            "speech[fr]",
            "image",
            {1: Estimate(0.01, 0.0, 0.03), 10: Estimate(0.07, 0.04, 0.11)},
            chance={1: 0.005, 10: 0.05},
            baseline={10: 0.14},
            baseline_name="clip length alone",
            median_rank=80,
            number=40,
            gallery=200,
        ),
    ]
    return ReportData(
        title="demo",
        facts=RunFacts(
            command="interlingua train demo",
            recipe="demo",
            seed=0,
            seconds=75,
            device="cpu",
            peak_memory_bytes=2_000_000_000,
            versions={"torch": "2.13.0"},
        ),
        sources=[DataUse("stamps", 500, 200, {"image": 700, "text": 700}, "GPL-2")],
        towers=[
            TowerUse("EfficientNet", "image", 4_700_000),
            TowerUse("Projection", "image", 500_000, 500_000),
        ],
        stages=[StageUse("heads", 300, 75, 256, 1e-3, "projections only")],
        panels=[Panel("Loss", [Line("total", [0, 10, 20], [4.0, 2.0, 1.5])])],
        directions=rows,
        things=things,
        strips=[
            *draw_strips(things, "text", "image", number=2),
            *draw_strips(things, "sound", "image", number=1),
            *draw_strips(things, "image", "sound", number=1),
        ],
        skipped=[Skipped("too_large", 18, "giant.png")],
        limitations=["Drawings only."],
    )


@pytest.fixture(scope="session")
def things_of() -> Callable[..., list[Thing]]:
    return make_things


@pytest.fixture(scope="session")
def report_of() -> Callable[[list[Thing]], ReportData]:
    return make_report


@pytest.fixture(scope="session")
def things() -> list[Thing]:
    return make_things(24)


@pytest.fixture(scope="session")
def report(things: list[Thing]) -> ReportData:
    return make_report(things)
