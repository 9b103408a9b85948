from __future__ import annotations

import pytest

from interlingua.report import views


@pytest.mark.parametrize(
    ("view", "base", "name", "short", "ink"),
    [
        ("image", "image", "picture", "picture", "v-image"),
        ("speech[fr]", "speech", "spoken name, French", "spoken, French", "v-speech"),
        ("speech[xx]", "speech", "spoken name, xx", "spoken, xx", "v-speech"),
        ("video", "video", "video", "video", "v-other"),
    ],
)
def test_names(view: str, base: str, name: str, short: str, ink: str) -> None:
    assert (views.base(view), views.name(view), views.short(view), views.ink(view)) == (
        base,
        name,
        short,
        ink,
    )


def test_each_kind_has_its_own_shape() -> None:
    assert len({views.shape(view) for view in (*views.INKS, "video")}) == 5
