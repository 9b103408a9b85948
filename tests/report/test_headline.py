from __future__ import annotations

import re

import pytest

from interlingua.evaluate import Estimate
from interlingua.report import DirectionRow, ReportData
from interlingua.report.headline import headline_section


def data(number: int = 200, **more: object) -> ReportData:
    row = DirectionRow(
        "text",
        "image",
        {1: Estimate(0.28, 0.22, 0.34), 10: Estimate(0.57, 0.5, 0.64)},
        chance={1: 0.005, 10: 0.05},
        number=number,
        gallery=number,
    )
    return ReportData("demo", directions=[row], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "dots"), [(200, 200), (40, 40), (5000, 200)])
def test_dots_stand_for_held_out_queries(number: int, dots: int) -> None:
    ours = str(headline_section(data(number))).split("by the space")[0]
    full = ours.count('r="4.5" class="fill"')
    half = ours.count('<path d="M') - ours.count('class="glyph')
    assert full == round(0.28 * dots)
    assert half - len(re.findall('<path d="M[^>]*></path></svg>', ours)) <= round(0.29 * dots)
    assert ours.count('class="ring"') == dots - full
    assert ("one held-out query" in str(headline_section(data(number)))) == (number == dots)


def test_the_sentence_has_both_figures_and_the_interval() -> None:
    text = re.sub("<[^>]*>", "", str(headline_section(data()))).replace("\u202f", " ")
    assert (
        "Given words, it picks the right one of 200 pictures it never saw in training 28 %" in text
    )
    assert "among its first ten 57 % of the time." in text
    assert "95 % interval 22–34" in text
    assert "chance 0.5 %" in text


def test_without_figures_it_says_so() -> None:
    assert "Nothing held out has been measured" in str(headline_section(ReportData("<demo>")))
    assert "<demo>" not in str(headline_section(ReportData("<demo>")))
