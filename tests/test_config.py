"""Wrong configuration is a message with the whole path and the nearest known key."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import Field, SerializeAsAny, ValidationError

from interlingua.config import Config, NamedConfig, nearest, part_of, resolve, to_plain, validate
from interlingua.errors import ConfigError


class Inner(Config):
    size: int = 3
    ratio: float = 0.5


class Other(Config):
    colour: str


class Outer(Config):
    steps: int
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default_factory=dict)
    either: Inner | Other | None = None
    part: Annotated[SerializeAsAny[NamedConfig] | None, part_of("objectives")] = None
    parts: tuple[Annotated[SerializeAsAny[NamedConfig], part_of("objectives")], ...] = ()


class Chosen:
    class Config(NamedConfig):
        folder: ClassVar[str] = "objectives"
        name: str = "chosen"
        depth: int = 1
        inner: Inner = Inner()

    def __init__(self, config: Config, *extra: object):
        self.config = config
        self.extra = extra


HERE = f"{__name__}:Chosen"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest's import mode doesn't register this module under a name that can be imported."""
    import sys

    module = type(sys)(__name__)
    module.Chosen = Chosen
    module.number = 3
    monkeypatch.setitem(sys.modules, __name__, module)


def message(data: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Outer, data, "recipe.yaml")
    assert "recipe.yaml" in str(caught.value)
    return caught.value.what


@pytest.mark.parametrize(
    ("data", "path", "hint"),
    [
        ({"steps": 1, "stepz": 2}, "stepz", "steps"),
        ({"steps": 1, "inner": {"sise": 2}}, "inner.sise", "size"),
        ({"steps": 1, "many": [{}, {"ratoi": 2}]}, "many.1.ratoi", "ratio"),
        ({"steps": 1, "by_name": {"a": {"szie": 2}}}, "by_name.a.szie", "size"),
        ({"steps": 1, "either": {"color": "red"}}, "either.color", "colour"),
        (
            {"steps": 1, "part": {"name": "pairwise_contrastive", "wieghts": {}}},
            "part.wieghts",
            "weights",
        ),
        ({"steps": 1, "parts": [{"name": HERE, "dept": 1}]}, "parts.0.dept", "depth"),
        (
            {"steps": 1, "part": {"name": HERE, "inner": {"sizes": 1}}},
            "part.inner.sizes",
            "size",
        ),
    ],
)
def test_unknown_key_names_path_and_nearest(data: dict[str, object], path: str, hint: str) -> None:
    assert f"unknown key {path!r} (did you mean {hint!r}?)" in message(data)


def test_an_unknown_key_like_no_other_has_no_hint() -> None:
    assert message({"steps": 1, "zzzzzz": 2}) == (
        "The configuration is wrong: unknown key 'zzzzzz'."
    )


def test_every_wrong_thing_is_named() -> None:
    text = message({"steps": "many", "inner": {"sise": 2, "ratoi": 1}, "many": [{"size": "big"}]})
    assert "steps: " in text
    assert "'inner.sise' (did you mean 'size'?)" in text
    assert "'inner.ratoi' (did you mean 'ratio'?)" in text
    assert "many.0.size: " in text


def test_missing_key() -> None:
    assert "steps: Field required" in message({})


def test_unknown_part_names_the_nearest() -> None:
    text = message({"steps": 1, "part": {"name": "pairwise_contrastiv"}})
    assert "part: There is no 'pairwise_contrastiv' in objectives" in text
    assert "did you mean 'pairwise_contrastive'?" in text


def test_part_without_name() -> None:
    assert "part: needs a 'name' from objectives" in message({"steps": 1, "part": {"depth": 1}})


@pytest.mark.parametrize(
    "name", ["nowhere.at.all:Class", f"{__name__}:Missing", f"{__name__}:number", "os:system", ":x"]
)
def test_part_that_is_no_part(name: str) -> None:
    assert "part: " in message({"steps": 1, "part": {"name": name}})


def test_part_by_name_alone_and_by_class_path() -> None:
    outer = validate(Outer, {"steps": 1, "part": HERE, "parts": [{"name": HERE, "depth": 4}]}, "")
    assert isinstance(outer.part, Chosen.Config)
    assert outer.parts[0].depth == 4
    built = outer.parts[0].build("extra")
    assert isinstance(built, Chosen)
    assert built.extra == ("extra",)


def test_plain_data_comes_back_unchanged() -> None:
    outer = validate(
        Outer,
        {"steps": 1, "part": {"name": HERE, "inner": {"size": 9}}, "by_name": {"a": {}}},
        "",
    )
    plain = to_plain(outer)
    assert plain["part"] == {"name": HERE, "depth": 1, "inner": {"size": 9, "ratio": 0.5}}
    assert validate(Outer, plain, "") == outer


def test_configs_are_closed_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Inner(siez=3)
    with pytest.raises(ValidationError):
        Inner().size = 4


def test_a_broken_module_of_our_own_is_a_bug_not_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from interlingua import objectives

    monkeypatch.setitem(objectives.TABLE, "broken", "interlingua.objectives.absent:Class")
    with pytest.raises(ModuleNotFoundError):
        resolve("objectives", "broken")


def test_nearest() -> None:
    assert nearest("stamp", ["stamps", "clipart"]) == " (did you mean 'stamps'?)"
    assert nearest("qqq", ["stamps", "clipart"]) == ""
