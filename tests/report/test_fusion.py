"""The page of a comparison of fusions, from plain data alone."""

from __future__ import annotations

import copy
import math
import re
from html.parser import HTMLParser

import pytest

from interlingua.report.fusion import fusion_page
from interlingua.report.fusion_figures import Figures

MODALITIES = ["picture", "speech"]


def estimate(value, width=0.05):
    return {"value": value, "low": value - width, "high": value + width}


def row(key, accuracy, *, single=False, dropout=0.0, cost=1.0):
    modalities = [key.removeprefix("only ")] if single else MODALITIES
    sets = [[one] for one in modalities] + ([] if single else [MODALITIES])
    curve = {"levels": [0.0, 0.5, 1.0], "relative": accuracy - 0.1, "effective": None,
             "relative_scaled": 0.5, "effective_scaled": None,
             "accuracy": [estimate(accuracy), estimate(accuracy - 0.1), estimate(0.3)]}  # fmt: skip
    return {
        "key": key, "fusion": key.removesuffix("+dropout"), "title": key, "single": single,
        "modalities": modalities, "dropout": dropout,
        "parameters": {"trained": 9000, "fusion": 8000, "frozen": 0, "target": 8000,
                       "matched": key != "tensor", "settings": {}},
        "accuracy": estimate(accuracy), "by_seed": [accuracy], "nll": estimate(0.7),
        "calibration": {"error": 0.07, "confidence": 0.8, "accuracy": accuracy, "nll": 0.7,
                        "bins": [{"low": 0.5, "high": 1.0, "n": 40, "confidence": 0.8,
                                  "accuracy": accuracy}]},
        "presence": [{"present": one, "accuracy": estimate(accuracy - 0.1 * (2 - len(one))),
                      "single": "" if single else f"only {one[0]}",
                      "against_single": None if single else estimate(-0.02, 0.01)}
                     for one in sets],
        "shapley": dict.fromkeys(modalities, 0.2), "empty": 0.3,
        "robustness": [{**curve, "modality": name} for name in (*modalities, "all")],
        "followed": [] if single else [
            {"name": "two things", "n": 30, "by_modality": {n: estimate(0.4) for n in MODALITIES},
             "none": estimate(0.2)}],
        "learning": {"steps": [10, 20], "loss": [1.2, 0.7]},
        "runs": [], "seconds": 3.0, "success": None,
        "costs": {"batch_size": 64, "times": {"step_flops": cost, "step_seconds": cost}},
    }  # fmt: skip


@pytest.fixture
def data():
    return {
        "task": {
            "name": "complement", "title": "A <b>thing</b> seen and named", "classes": ["a", "b"],
            "modalities": MODALITIES, "towers": {"picture": "efficientnet, frozen"},
            "train": 500.0, "test": 120.0, "clusters": 600, "folds": 5, "seeds": [0, 1],
            "chance": 0.5, "majority": 0.6, "settings": {}, "notes": ["Groups under 20 left out."],
            "budget": {"steps": 400.0, "batch_size": 64.0},
        },
        "rows": [
            row("early", 0.80, cost=2.5), row("late_average", 0.78), row("tensor", 0.60, cost=4.0),
            row("only picture", 0.70, single=True), row("only speech", 0.55, single=True, cost=0.5),
            row("early+dropout", 0.79, dropout=0.3, cost=2.5),
        ],
        "differences": [
            {"row": "early", "other": "only picture", "metric": "accuracy", "value": estimate(0.1)},
            {"row": "early", "other": "late_average", "metric": "accuracy",
             "value": estimate(0.02)},
            {"row": "early", "other": "tensor", "metric": "accuracy", "value": estimate(0.2)},
            {"row": "early+dropout", "other": "early", "metric": "accuracy",
             "value": estimate(-0.01)},
        ],
        "best_single": "only picture",
        "failed": [{"key": "film", "fold": -1, "seed": -1, "message": "It can't be built."}],
        "measured": {"accuracy": "Share of right answers."},
        "notes": ["No more."], "machine": {"processors": "2"}, "seconds": 100.0,
        "format": "interlingua-comparison", "format_version": 1,
    }  # fmt: skip


def page(path, data):
    return fusion_page(path / "p.html", data).read_text("utf-8")


def test_best_and_what_can_not_be_told_apart_from_it(data) -> None:
    figures = Figures(data)
    assert figures.best()["key"] == "early"
    assert [one["key"] for one in figures.tied()] == ["late_average"]
    turned = figures.difference("late_average", "early")
    assert turned.value == -0.02 and turned.low == pytest.approx(-0.07)
    assert figures.difference("tensor", "only speech") is None
    assert math.isnan(figures.times(data["rows"][0], "kept_bytes"))


def test_without_pairs_intervals_decide(data) -> None:
    data["differences"] = []
    assert [one["key"] for one in Figures(data).tied()] == ["late_average", "only picture"]


def test_the_page_has_every_part_and_needs_nothing_else(data, tmp_path) -> None:
    text = page(tmp_path, data)
    for heading in ("How good", "All figures", "What it costs", "When a modality gets worse",
                    "When a modality is missing", "What modality dropout costs and brings",
                    "What each modality adds", "When modalities contradict each other",
                    "How sure, how right", "How they learned",
                    "Runs that gave nothing"):  # fmt: skip
        assert f">{heading}</h2>" in text, heading
    assert "Acting in the simulator" not in text
    assert not re.search(r"""(src|href)=["']?(http|//)""", text)
    assert "&lt;b&gt;thing&lt;/b&gt;" in text and "<b>thing" not in text
    assert "early</b> is best with 80.0" in text
    assert list(tmp_path.iterdir()) == [tmp_path / "p.html"]


class Drawings(HTMLParser):
    def __init__(self):
        super().__init__()
        self.labels, self.open = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
        if tag == "svg":
            self.labels.append(dict(attributes).get("aria-label"))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_markup_closes_and_every_drawing_says_what_it_shows(data, tmp_path) -> None:
    drawings = Drawings()
    drawings.feed(page(tmp_path, data))
    assert drawings.open == []
    assert len(drawings.labels) >= 12 and all(drawings.labels)
    assert "early 80.0" in drawings.labels[0].replace("\u202f", " ")


def test_points_stand_where_their_figures_are(data, tmp_path) -> None:
    text = page(tmp_path, data)
    chart = text[text.index("How good") : text.index("All figures")]
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', chart)]
    values = [0.80, 0.78, 0.60, 0.70, 0.55]
    slope = (places[0] - places[2]) / 0.2
    for place, value in zip(places, values, strict=True):
        assert place == pytest.approx(places[0] + (value - 0.8) * slope, abs=0.2)


def test_methods_that_act_are_judged_by_success(data, tmp_path) -> None:
    for one in data["rows"]:
        exchanged = {} if one["single"] else {"speech": estimate(0.2)}
        one["success"] = {"rate": estimate(one["accuracy"]["value"] - 0.2), "by_seed": [0.5],
                          "exchanged": exchanged, "episodes": 512}  # fmt: skip
    figures = Figures(data)
    assert figures.metric == "success"
    text = page(tmp_path, data)
    assert "Acting in the simulator" in text and "another episode's speech" in text.replace(
        "&#x27;", "'"
    )
    assert "is best with 60.0" in text


def test_acting_without_a_modality_is_shown_where_it_was_asked(data, tmp_path) -> None:
    headings = ("Acting when a modality is missing", "What each modality adds to acting")
    for one in data["rows"]:
        one["success"] = {"rate": estimate(0.6), "by_seed": [0.5], "exchanged": {}, "episodes": 512}
    before = page(tmp_path, data)
    assert not any(heading in before for heading in headings)
    assert math.isnan(Figures(data).one_gone(data["rows"][0]))
    first = data["rows"][0]
    for presence, rate in zip(first["presence"], (0.312, 0.047, 0.6), strict=True):
        presence["success"] = {"rate": estimate(rate), "single": "only picture",
                               "against_single": estimate(-0.131, 0.01)}  # fmt: skip
    first["success"] |= {"shapley": {"picture": 0.412, "speech": 0.147}, "empty": 0.041}
    assert Figures(data).one_gone(first) == 0.047
    after = page(tmp_path, data)
    section = after[after.index(headings[0]) : after.index(headings[1])]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section)
    assert [cell.replace("\u202f", " ") for cell in cells] == ["60 %", "31 %", "4.7 %"]
    assert "\u221213.1 [\u221214.1, \u221212.1] against only picture" in section
    assert "picture +41.2, speech +14.7" in after[after.index(headings[1]) :]


def test_one_gone_is_the_worst_loss(data) -> None:
    figures = Figures(data)
    assert figures.one_gone(data["rows"][0]) == pytest.approx(0.7)
    assert math.isnan(figures.one_gone(data["rows"][3])), "of one modality nothing is left"


def test_what_was_not_measured_leaves_its_part_out(data, tmp_path) -> None:
    for one in data["rows"]:
        one.update(costs=None, robustness=[], followed=[], learning={"steps": [], "loss": []})
        one["calibration"]["bins"] = []
        for found in (one["accuracy"], *(p["accuracy"] for p in one["presence"])):
            found.update(low=None, high=None)
    data["rows"] = [one for one in data["rows"] if not one["dropout"]]
    text = page(tmp_path, data)
    for heading in ("What it costs", "gets worse", "contradict", "How sure", "How they learned",
                    "dropout costs"):  # fmt: skip
        assert not re.search(f"<h2>[^<]*{heading}", text), heading
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower()


def test_nothing_trained_is_a_page_all_the_same(data, tmp_path) -> None:
    empty = copy.deepcopy(data)
    empty.update(rows=[], differences=[], best_single="")
    assert "No method was trained to its end" in page(tmp_path, empty)
