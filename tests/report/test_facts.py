from __future__ import annotations

import re

from interlingua.report import DataUse, RunFacts, Skipped, StageUse, TowerUse
from interlingua.report.facts import (
    command_block,
    machine_list,
    skipped_list,
    sources_table,
    stages_table,
    towers_table,
)


def text(markup: object) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", str(markup)).replace("\u202f", " "))


def test_sources_with_different_views_share_columns() -> None:
    table = text(
        sources_table(
            [
                DataUse("stamps", 501, 200, {"image": 701, "speech": 5621}, "GPL-2"),
                DataUse("clipart", 8011, views={"image": 8011, "video": 3}),
            ]
        )
    )
    assert "pictures spoken names video" in table
    assert "stamps GPL-2 501 200 701 5,621 –" in table
    assert "clipart 8,011 – 8,011 – 3" in table


def test_towers_are_summed() -> None:
    drawn = towers_table(
        [TowerUse("net", "image", 4_700_000), TowerUse("head", "image", 300_000, 300_000)]
    )
    assert "net 4.7 M frozen head 300 k 300 k Together 5.0 M 300 k" in text(drawn)
    assert 'style="width:100.00%" class="frozen"' in str(drawn)
    assert 'style="width:6.38%" class="trained"' in str(drawn)


def test_skipped_samples_are_counted_by_reason() -> None:
    shown = text(skipped_list([Skipped("damaged", 1, "a.png"), Skipped("too_large", 18)]))
    assert "19 samples were left out" in shown
    assert shown.index("too large 18") < shown.index("damaged for example a.png 1")
    assert "Nothing was skipped" in text(skipped_list([]))
    assert "1 sample was" in text(skipped_list([Skipped("damaged", 1)]))


def test_the_machine_and_the_command() -> None:
    facts = RunFacts(seed=0, seconds=342, peak_memory_bytes=3_400_000_000, versions={"torch": "2"})
    assert "Seed 0 Time in all 5 min 42 s Peak memory 3.4 GB Versions torch 2" in text(
        machine_list(facts)
    )
    command = "interlingua train demo a.b='<x>'"
    assert "a.b=&#x27;&lt;x&gt;&#x27;" in str(command_block(command))


def test_stages_and_empty_parts() -> None:
    assert "heads 300 256 0.001 1 min 15 s" in text(
        stages_table([StageUse("heads", 300, 75, 256, 1e-3)])
    )
    assert sources_table([]) is towers_table([]) is stages_table([]) is None
    assert machine_list(RunFacts()) is command_block("") is None
