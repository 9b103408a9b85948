"""Equal parameters: a fusion's own settings are changed until it has as many as the others.

What is counted is the fusion and its head; the towers are the same for all. Models are built on
the meta device, where a parameter costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from pydantic import ValidationError

from interlingua.comparison.rows.row import Parameters
from interlingua.config import nearest
from interlingua.errors import ConfigError
from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.late_average import LateAverage

TOLERANCE = 0.1
LARGEST = 1 << 14  # of a setting that is searched
FINEST = 64  # all knobs together are searched in 64ths of what they are

Size = Callable[[FusionConfig], float]


def fusion_parameters(config: FusionConfig, widths: Mapping[str, int], answers: int) -> int:
    """How many a fusion and its head have.

    Raises:
        ConfigError: the fusion doesn't take these modalities.
    """
    with torch.device("meta"):
        fusion: Fusion = config.build(widths, answers)
    own = sum(parameter.numel() for parameter in fusion.parameters())
    return own if fusion.decides else own + (fusion.pooled_width + 1) * answers


def reference_parameters(widths: Mapping[str, int], answers: int) -> int:
    """What the others are matched to: late averaging as it is by default.

    Each modality has a stream of its own there, the plainest way to use them all; it doesn't
    depend on what else is compared.
    """
    return fusion_parameters(LateAverage.Config(), widths, answers)


def matched(
    config: FusionConfig, widths: Mapping[str, int], answers: int, target: int
) -> tuple[FusionConfig, Parameters]:
    """The same fusion with ``target`` parameters, or as near to it as its settings go.

    Its ``knobs`` (settings that add parameters as they grow, those of a fusion inside it too) are
    tried: the first one alone, all together, each other one alone; the width comes last.

    Returns:
        The settings, and their figures without towers; ``matched`` says whether it worked.

    Raises:
        ConfigError: the fusion doesn't take these modalities, or names a knob that it lacks.
    """
    known = {config.model_dump_json(): fusion_parameters(config, widths, answers)}

    def size(one: FusionConfig) -> float:
        name = one.model_dump_json()
        if name not in known:
            try:
                known[name] = fusion_parameters(one, widths, answers)
            except ConfigError:  # too large for its own rules
                return math.inf
        return known[name]

    best = config
    for one in _candidates(config, size, target):
        if _miss(size(one), target) < _miss(size(best), target):
            best = one
        if _miss(size(best), target) <= TOLERANCE:
            break
    found = known[best.model_dump_json()]
    return best, Parameters(
        trained=found,
        fusion=found,
        frozen=0,
        target=target,
        matched=_miss(found, target) <= TOLERANCE,
        settings={
            knob: _read(best, knob)
            for knob in knobs_of(config)
            if _read(best, knob) != _read(config, knob)
        },
    )


def knobs_of(config: FusionConfig) -> tuple[str, ...]:
    """The settings that are searched, in order, ``inner.hidden_width`` for one further in.

    ``width`` comes last.

    Raises:
        ConfigError: a knob that is no setting.
    """
    fields = type(config).model_fields
    for knob in config.knobs:
        if knob not in fields:
            raise ConfigError(
                f"The fusion {config.name!r} has no setting {knob!r}{nearest(knob, fields)}.",
                where=f"{type(config).__qualname__}.knobs",
            )
    inside = [
        f"{name}.{knob}"
        for name in fields
        if isinstance(inner := getattr(config, name), FusionConfig)
        for knob in knobs_of(inner)
        if knob != "width"
    ]
    return (*(knob for knob in config.knobs if knob != "width"), *inside, "width")


def _candidates(config: FusionConfig, size: Size, target: int) -> Iterator[FusionConfig]:
    """Settings that may fit, the least changed ones first."""
    yield config
    *knobs, width = knobs_of(config)

    def alone(knob: str) -> FusionConfig:
        lowest = max(1, _read(config, knob) // 4)  # not starved
        return _searched(config, (knob,), size, target, 1, lowest, LARGEST)

    for knob in knobs[:1]:
        yield alone(knob)
    if len(knobs) > 1:
        lowest, highest = FINEST // 16, FINEST * 32
        yield _searched(config, tuple(knobs), size, target, FINEST, lowest, highest)
    for knob in knobs[1:]:
        yield alone(knob)
    heads = config.num_heads  # they divide the width
    narrow = _searched(config, (width,), size, target, 1, heads, LARGEST, step=heads)
    yield narrow
    for knob in knobs[:1]:  # between two widths
        yield _searched(narrow, (knob,), size, target, 1, 1, LARGEST)


def _searched(
    config: FusionConfig,
    knobs: tuple[str, ...],
    size: Size,
    target: int,
    unit: int,
    low: int,
    high: int,
    step: int = 1,
) -> FusionConfig:
    """The setting with which the size comes nearest to the target, by halving.

    Args:
        config: where the search begins.
        knobs: one, whose value is searched; or several, which are multiplied by value / unit.
        size: of a setting.
        target: of the size.
        unit: 1 for a single knob.
        low, high: of the value.
        step: its values are multiples of it.
    """

    def turned(value: int) -> FusionConfig:
        one = config
        for knob in knobs:
            scaled = value * step if unit == 1 else max(1, _read(config, knob) * value // unit)
            one = _with(one, knob, scaled)
        return one

    low, high = -(-low // step), high // step
    first = low
    try:
        while low < high:  # the smallest value that is not below the target
            middle = (low + high) // 2
            if size(turned(middle)) < target:
                low = middle + 1
            else:
                high = middle
        near = [turned(value) for value in range(max(first, low - 1), low + 1)]
    except ValidationError:  # the setting has a rule of its own
        return config
    return min(near, key=lambda one: _miss(size(one), target))


def _read(config: FusionConfig, knob: str) -> int:
    name, _, rest = knob.partition(".")
    value = getattr(config, name)
    return _read(value, rest) if rest else int(value)


def _with(config: FusionConfig, knob: str, value: int) -> FusionConfig:
    name, _, rest = knob.partition(".")
    new = _with(getattr(config, name), rest, value) if rest else value
    settings = {one: getattr(config, one) for one in type(config).model_fields}
    return type(config).model_validate({**settings, name: new})


def _miss(found: float, target: int) -> float:
    return abs(found - target) / target
