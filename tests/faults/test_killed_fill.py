"""A fill of the feature cache that is killed, or finds no room, at each of its changes of the disk.

Afterwards nothing in the cache is damaged, the next fill computes what no whole chunk holds and
nothing else, and the features have the bits of a fill that was not disturbed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors

from tests.faults.disk_switch import FAILED, KILLED, Served
from tests.faults.tally import Tally, spread


@pytest.fixture(scope="module")
def whole(
    served: Served, tiny_media: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What an undisturbed fill answers, twice: the second computes nothing."""
    folder = tmp_path_factory.mktemp("whole") / "cache"
    first = served(folder, work="fill", media=tiny_media)
    assert first["status"] == 0, first["message"]
    assert first["computed"] == rows_on_disk(folder) == {"image": 36, "sound": 36}
    again = served(folder, work="fill", media=tiny_media)
    assert again["computed"] == {"image": 0, "sound": 0}
    assert again["digests"] == first["digests"]
    return first


def rows_on_disk(cache: Path) -> dict[str, int]:
    """By view, the rows in chunks that have their names."""
    rows = {"image": 0, "sound": 0}
    for path in cache.glob("*/plan-*/chunk-??????.safetensors"):
        with safetensors.safe_open(path, framework="pt") as file:
            view = "image" if path.parents[1].name.startswith("image") else "sound"
            rows[view] += len(file.get_tensor("values"))
    return rows


def disturb(
    served: Served, folder: Path, media: Path, whole: dict[str, Any], action: str, at: int
) -> None:
    ended = served(folder, work="fill", media=media, action=action, at=at)
    if "refuse" in action:
        said = ("TrainingError: Nothing more can be written: No space left on device",)
        # a removal isn't refused; then nothing at all was
        assert ended["status"] == FAILED and ended["message"].startswith(said), ended
    else:
        assert ended["status"] == KILLED
    before = rows_on_disk(folder)
    again = served(folder, work="fill", media=media)
    assert again["status"] == 0, again["message"]
    assert again["digests"] == whole["digests"]
    for view, computed in again["computed"].items():
        assert computed == whole["computed"][view] - before[view], "what was there is read"
    assert rows_on_disk(folder) == whole["computed"]
    leftovers = list(folder.rglob("*.tmp-*"))
    assert not leftovers or ended["acknowledged"] == 2, leftovers
    shutil.rmtree(folder)


WAYS = {
    "kill": "SIGKILL in a cache fill",
    "power cut": "power cut in a cache fill",
    "refuse once": "no room in a cache fill, once",
    "refuse": "no room in a cache fill, from then on",
}


@pytest.mark.parametrize("action", WAYS)
def test_some_changes(
    served: Served, whole: Any, tally: Tally, tiny_media: Path, tmp_path: Path, action: str
) -> None:
    for at in spread(whole["changes"], 3, seed=len(action)):
        with tally.trial(WAYS[action], f"change {at} of {whole['changes']}"):
            disturb(served, tmp_path / f"at-{at}", tiny_media, whole, action, at)


@pytest.mark.slow
@pytest.mark.parametrize("action", WAYS)
def test_every_change(
    served: Served, whole: Any, tally: Tally, tiny_media: Path, tmp_path: Path, action: str
) -> None:
    assert whole["changes"] > 60
    for at in range(1, whole["changes"] + 1):
        with tally.trial(WAYS[action], f"change {at} of {whole['changes']}"):
            disturb(served, tmp_path / f"at-{at}", tiny_media, whole, action, at)
