"""A writer of shards that tests kill: a server of ``disk_switch``."""

from __future__ import annotations

from pathlib import Path

from interlingua.content import BytesContent
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.sample import Image, Sample, Text
from tests.faults import disk_switch

PNG = b"\x89PNG\r\n\x1a\n"
SAMPLES = [
    Sample(f"k{n}", (Image(BytesContent(PNG + bytes([n]) * 700)), Text(f"text {n}")))
    for n in range(7)
]


def fill(folder: Path) -> None:
    write_shards(ListSource("killed", SAMPLES), folder, samples_per_shard=3)


if __name__ == "__main__":
    disk_switch.serve(lambda request, acknowledge: fill(Path(request["folder"])))
