from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlingua.evaluate.intervals import Estimate
from interlingua.report.card_data import CardData, Part
from interlingua.report.card_header import card_header, header_values
from interlingua.report.data import DataUse, DirectionRow, ReportData, TowerUse
from interlingua.report.markdown import plain, table
from interlingua.report.model_card import MARK, model_card

NASTY = "a|b <img src=x> [link](http://x) `code` *bold*\n# head \u202e"


@pytest.fixture
def card(report: ReportData) -> CardData:
    towers = [*report.towers, TowerUse("bert", "text", 22_000_000, weights="minilm")]
    return CardData(
        name="demo",
        data=replace(report, towers=towers),
        model="shared_space",
        views=("image", "text", "sound", "speech"),
        dimension=768,
        about="One space.",
        languages=["en", "fr"],
        parts={
            "stamps": Part("Things seen and named", "GPL-2.0-only"),
            "minilm": Part("Sentences", "Apache-2.0", "sentence-transformers/all-MiniLM-L6-v2"),
        },
    )


def front_matter(text: str) -> dict[str, Any]:
    _, header, rest = text.split("---\n", 2)
    assert MARK in rest
    return yaml.safe_load(header)


def test_the_card_says_what_data_under_which_licence_and_what_it_is_worth(card: CardData) -> None:
    text = model_card(card)
    assert MARK in text
    stamps = next(line for line in text.splitlines() if line.startswith("| stamps"))
    assert "GPL-2" in stamps and "500" in stamps and "200" in stamps
    assert "Things seen and named" in stamps
    assert "| minilm | Apache-2.0 |" in text
    line = next(line for line in text.splitlines() if line.startswith("| words → picture"))
    thin = "\u202f"
    for figure in (f"30{thin}% [24–36]", f"60{thin}% [53–67]", f"5.0{thin}%", f"4.8{thin}%", "200"):
        assert figure in line
    spoken = text[text.index("Spoken names by language") :]
    assert "clip length alone@10" in spoken and "French" in spoken
    assert "Drawings only." in text
    assert "No licence was chosen" in text
    assert 'load("THIS/FOLDER")' in text and "space.embed(images=" in text


def test_the_cards_code_is_python(card: CardData) -> None:
    for views in (card.views, ("image",), ("speech",), ()):
        text = model_card(replace(card, views=views))
        code = text.split("```python\n")[1].split("```")[0]
        compile(code, "card", "exec")


def test_the_header_is_what_a_hub_reads(card: CardData, tmp_path: Path) -> None:
    text = f"{card_header(card)}\n{model_card(card)}"
    values = front_matter(text)
    assert values["license"] == "other" and values["library_name"] == "interlingua"
    assert values["base_model"] == ["sentence-transformers/all-MiniLM-L6-v2"]
    assert values["language"] == ["en", "fr"]
    assert "shared-space" in values["tags"]
    (result,) = values["model-index"][0]["results"]  # speech by language stays on the card
    (metric,) = result["metrics"]
    assert (metric["type"], metric["value"]) == ("recall_at_10", 0.6)
    assert metric["args"]["interval_95"] == [0.53, 0.67]
    assert metric["args"]["n"] == 200 and metric["args"]["chance"] == 0.05


def test_the_hubs_own_library_reads_the_card(card: CardData, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = tmp_path / "README.md"
    path.write_text(f"{card_header(card)}\n{model_card(card)}", encoding="utf-8")
    read = hub.ModelCard.load(path)
    assert read.data.license == "other"
    assert read.data.model_name == "demo"
    (result,) = read.data.eval_results
    assert result.metric_value == 0.6
    assert result.metric_args["broken_pairs"] == 0.048


def test_strangers_text_is_no_markup(card: CardData) -> None:
    data = replace(card.data, sources=[DataUse(NASTY, 5, licence=NASTY, note=NASTY)],
                   limitations=[NASTY])  # fmt: skip
    text = model_card(replace(card, name=NASTY, about=NASTY, start_from=NASTY, data=data))
    assert "<img" not in text.replace("\\<img", "") and "\u202e" not in text
    assert "[link]" not in text.replace("\\[link", "")
    rows = [line for line in text.splitlines() if line.startswith("| a\\|b")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 7  # six cells
    assert not [line for line in text.splitlines() if line.startswith("# head")]
    header = header_values(replace(card, name=NASTY, data=data))
    assert yaml.safe_load(card_header(replace(card, name=NASTY, data=data)).strip("-\n")) == header


def test_a_run_that_held_nothing_out_says_so(card: CardData) -> None:
    bare = replace(card, data=ReportData("r", sources=[DataUse("mine", 5)]), languages=[])
    text = model_card(bare)
    assert "Nothing held out was measured." in text
    assert "no figure here tells" in text
    assert "**not stated**" in text  # the licence
    assert "model-index" not in header_values(bare)
    assert "language" not in header_values(bare)


def test_a_fine_tuned_model_is_set_beside_what_it_was(card: CardData) -> None:
    def score(accuracy: float) -> dict[str, float]:
        return {"accuracy": accuracy, "nll": 1.5, "n": 40}

    found = {"start": score(0.5), "tuned": score(0.6), "chosen": score(0.65), "judge_by": 40,
             "chance": 0.25, "classes": 4}  # fmt: skip
    text = model_card(replace(card, finetuned=found, start_from="hf:openai/clip-vit-base-patch32"))
    line = next(line for line in text.splitlines() if line.startswith("| this model"))
    assert "65\u202f% [50–78]" in line  # Wilson's interval of 26 of 40
    assert "Guessing is right for 25\u202f%" in text
    assert "Half of these things chose the checkpoint" in text
    header = header_values(replace(card, start_from="hf:openai/clip-vit-base-patch32"))
    assert header["base_model"][0] == "openai/clip-vit-base-patch32"


def test_losses_of_a_tower_that_learned_alone(card: CardData) -> None:
    accuracy = {"value": 0.5, "low": 0.2, "high": 0.8, "counted": 6, "majority": 0.6}
    losses = {"n": 6, "accuracy": accuracy, "loss": {"value": 1.25, "counted": 6}}
    alone = replace(card, views=("image",), losses=losses, data=replace(card.data, directions=[]))
    text = model_card(alone)
    assert "| accuracy | 0.500 [0.200, 0.800] | 0.600 | 6 |" in text
    assert "| loss | 1.250 | – | 6 |" in text
    assert "weights export THIS/FOLDER --part towers." in text
    assert header_values(alone)["pipeline_tag"] == "image-feature-extraction"


def test_a_figure_without_an_interval_has_none(card: CardData) -> None:
    row = DirectionRow("text", "image", {3: Estimate(0.5, math.nan, math.nan)}, number=1, gallery=2)
    text = model_card(replace(card, data=replace(card.data, directions=[row])))
    assert "| words → picture | – | 50\u202f% |" in text
    args = header_values(replace(card, data=replace(card.data, directions=[row])))
    (result,) = args["model-index"][0]["results"]
    assert result["metrics"][0]["args"] == {"n": 1, "gallery": 2}


def test_plain_text_and_tables() -> None:
    assert plain("a_b|c\nd") == "a\\_b\\|c d"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
