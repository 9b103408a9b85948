from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np

from interlingua.report import Thing, View
from interlingua.report.map import choose_things, layouts, map_section
from interlingua.report.media import MediaStore


def stored(section: object) -> dict[str, list]:
    found = re.search(r'id="map-data">(.*?)</script>', str(section))
    assert found is not None
    return json.loads(found.group(1))


def test_every_view_has_a_point_inside_the_frame(things: list[Thing]) -> None:
    section = map_section(things, MediaStore())
    data = stored(section)
    number = sum(len(thing.views) for thing in things)
    assert str(section).count('class="point ') == len(data["points"]) == number
    for places in data["places"].values():
        assert len(places) == number
        assert all(0 < x < 1000 and 0 < y < 660 for x, y in places)
    kinds = [kind for _, kind in data["points"]]
    assert kinds.count("speech") == sum("speech[fr]" in thing.views for thing in things)
    assert [entry[0] for entry in data["things"]] == [thing.name for thing in things]
    assert [entry[2] for entry in data["things"]] == [int(thing.held_out) for thing in things]


def test_views_of_one_thing_lie_together_once_centred() -> None:
    random = np.random.default_rng(0)
    gap = {"image": random.normal(size=32) * 2, "text": random.normal(size=32) * 2}
    things = []
    for i in range(30):
        centre = random.normal(size=32)
        views = {
            kind: View(vector=centre + shift + random.normal(size=32) * 0.05)
            for kind, shift in gap.items()
        }
        things.append(Thing(str(i), str(i), views))
    points, drawings = layouts(things)
    owner, kind = np.array([i for i, _ in points]), np.array([view for _, view in points])

    def nearest(name: str) -> np.ndarray:
        far = np.linalg.norm(drawings[name][:, None] - drawings[name][None], axis=-1)
        np.fill_diagonal(far, np.inf)
        return far.argmin(axis=1)

    assert (kind[nearest("as")] == kind).mean() > 0.9  # the gap shows as it is
    assert (owner[nearest("centred")] == owner).mean() > 0.9


def test_too_many_points_become_a_sample_with_the_held_out_first(
    things_of: Callable[..., list[Thing]],
) -> None:
    many = things_of(60, side=4, seconds=0.01)
    kept = choose_things(many, 50)
    assert sum(len(thing.views) for thing in kept) <= 50
    assert all(thing.held_out for thing in kept)
    assert len(choose_things(many, 10_000)) == 60
    section = str(map_section(many, MediaStore(), most_points=50))
    assert f"{60 - len(kept)} more things are not drawn" in section


def test_large_groups_have_their_own_colour() -> None:
    names = [f"group {i}" for i in range(12) for _ in range(12 - i)]
    things = [
        Thing(str(i), str(i), {"image": View(vector=np.random.default_rng(i).normal(size=4))}, name)
        for i, name in enumerate(names)
    ]
    section = str(map_section(things, MediaStore()))
    points = re.findall(r'class="point v-image g(\d)"', section)
    assert points[0] == "0"
    assert points[-1] == "9"
    assert len(set(points)) == 10
    assert "group 11" not in section.split('class="key groups"')[1].split("</ul>")[0]


def test_names_are_data_not_markup() -> None:
    name = "</script><b>x\u202e"
    things = [
        Thing(str(i), name, {"image": View(vector=np.random.default_rng(i).normal(size=4))})
        for i in range(4)
    ]
    section = str(map_section(things, MediaStore()))
    assert "<b>x" not in section
    assert stored(section)["things"][0][0] == "</script><b>x⟨U+202E⟩"


def test_two_points_are_no_map() -> None:
    things = [Thing(str(i), "x", {"image": View(vector=np.ones(3))}) for i in range(2)]
    assert map_section(things, MediaStore()) is None
    assert map_section([], MediaStore()) is None
