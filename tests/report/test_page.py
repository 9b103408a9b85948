from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from interlingua.report import (
    DataUse,
    Panel,
    ReportData,
    Strip,
    Thing,
    TowerUse,
    View,
    render_page,
    write_report,
)
from interlingua.report.data import Hit, Line, RunFacts, Skipped, StageUse

VOID = {"img", "input", "meta", "link", "br", "hr"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """The page as a browser would read it; ``problems`` are wrongly nested elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.problems: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {}
        self.shown = ""
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "style"):
            self._script = attributes.get("id", tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.texts[self._script] = self.texts.get(self._script, "") + data
        else:
            self.shown += data

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


@pytest.fixture(scope="module")
def page(report: ReportData) -> Page:
    return Page(render_page(report))


def test_elements_are_nested_rightly(page: Page) -> None:
    assert page.problems == []
    assert page.open == []


def test_every_part_is_there(page: Page) -> None:
    parts = [a["id"] for tag, a in page.elements if tag == "section" and "id" in a]
    assert parts == [
        "ways",
        "search",
        "directions",
        "map",
        "training",
        "facts",
        "skipped",
        "limits",
    ]
    for text in (
        "interlingua train demo",
        "Drawings only.",
        "Not above chance",
        "too large",
        "GPL-2",
    ):
        assert text in page.shown


def test_nothing_is_asked_from_outside(page: Page) -> None:
    for attribute in ("src", "href", "action", "data", "poster", "srcset"):
        for value in page.values(attribute):
            assert value.startswith(("data:", "#")), value
    assert "url(" not in page.texts["style"]
    assert "@import" not in page.texts["style"]
    assert not re.search(
        r"fetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon", page.texts["script"]
    )
    addresses = set(re.findall(r"https?://[^\s\"']+", render_page(ReportData("x"))))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_the_policy_allows_the_pages_own_script_only(page: Page) -> None:
    (policy,) = [
        a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(page.texts["script"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not [
        key for _, attributes in page.elements for key in attributes if key.startswith("on")
    ]


def test_names_point_at_what_exists(page: Page) -> None:
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    for attribute in ("aria-controls", "aria-labelledby", "list", "data-copies"):
        assert set(page.values(attribute)) <= set(identifiers)
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(identifiers)
    sounds, pictures = (json.loads(page.texts[name]) for name in ("sounds", "pictures"))
    assert set(page.values("data-sound")) <= set(sounds)
    entries = json.loads(page.texts["map-data"])["things"]
    assert {entry[3] for entry in entries} <= set(pictures)
    assert {clip[2] for entry in entries for clip in entry[4]} <= set(sounds)


def test_pictures_and_buttons_have_names(page: Page) -> None:
    assert all("alt" in attributes for tag, attributes in page.elements if tag == "img")
    players = [a for tag, a in page.elements if tag == "button" and "data-sound" in a]
    assert players
    assert all(player["aria-label"] for player in players)
    for tag, attributes in page.elements:
        if tag == "svg":
            assert "aria-hidden" in attributes or attributes.get("aria-label")


def test_an_empty_report_is_a_page() -> None:
    page = Page(render_page(ReportData("run")))
    assert page.problems == []
    assert "Nothing held out has been measured" in page.shown
    assert "Nothing was skipped" in page.shown


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    bad = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202e'
    view = View(vector=np.ones(3), text=bad, language=bad)
    views = {"text": view, "image": View(vector=np.ones(3)), f"speech[{bad}]": view}
    things = [Thing(f"{bad}{i}", bad, views, group=bad) for i in range(3)]
    report = ReportData(
        bad,
        facts=RunFacts(bad, bad, bad, device=bad, versions={bad: bad}),
        sources=[DataUse(bad, 1, views={bad: 1}, licence=bad, note=bad)],
        towers=[TowerUse(bad, bad, 1, weights=bad, note=bad)],
        stages=[StageUse(bad, 1, 1, detail=bad)],
        panels=[Panel(bad, [Line(bad, [0, 1], [1, 2])], [(0, bad)], note=bad)],
        things=things,
        strips=[Strip({"text": view}, "text", [Hit(things[0].key, "text", 0.5, True)], name=bad)],
        strips_note=bad,
        skipped=[Skipped(bad, 1, bad)],
        limitations=[bad],
    )
    page = Page(render_page(report))
    assert page.problems == []
    assert page.texts["script"] == Page(render_page(ReportData("x"))).texts["script"]
    assert not [tag for tag, a in page.elements if a.get("src") == "x" or "onerror" in a]
    assert page.shown.count("<script>alert(1)</script>") > 15
    assert "\u202e" not in render_page(report)


def test_two_hundred_things_stay_below_eight_megabytes(
    things_of: Callable[..., list[Thing]], report_of: Callable[[list[Thing]], ReportData]
) -> None:
    random = np.random.default_rng(0)
    # Noise is the worst that a picture or sound can be to its encoder.
    things = [
        dataclasses.replace(
            thing,
            views={
                name: dataclasses.replace(
                    view,
                    pixels=None
                    if view.pixels is None
                    else random.integers(0, 255, (150, 150, 3), np.uint8),
                    samples=None
                    if view.samples is None
                    else random.normal(size=16000 * 5).astype(np.float32),
                )
                for name, view in thing.views.items()
            },
        )
        for thing in things_of(200, side=4, seconds=0.01)
    ]
    text = render_page(report_of(things))
    assert len(text.encode()) < 8_000_000
    assert "pictures or sounds of the map are not in this page" in text


def test_the_page_is_written_whole(tmp_path: Path, report: ReportData) -> None:
    path = write_report(tmp_path / "runs" / "demo", report)
    assert path == tmp_path / "runs" / "demo" / "report.html"
    assert path.read_text("utf-8").endswith("</html>\n")
    write_report(path.parent, ReportData("second"))
    assert "second" in path.read_text("utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_the_same_data_gives_the_same_page(report: ReportData) -> None:
    assert render_page(report) == render_page(report)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_script_runs_in_a_browser(tmp_path: Path, report: ReportData) -> None:
    path = write_report(tmp_path, report)
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=2000", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run(
        [*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert '<html lang="en" class="js"' in done.stdout  # the policy let the script run
    assert done.stdout.count("<image ") == len(report.things)
    assert "CONSOLE" not in done.stderr  # no error, nothing refused by the policy
