"""What a training stage may set in the towers of a model: picture size, patch dropout."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from interlingua.config import nearest
from interlingua.errors import ConfigError


def enter_stage(towers: Mapping[str, nn.Module], settings: Mapping[str, Any]) -> None:
    """Hand each trained tower its settings; a tower that gets none goes back to its own.

    Args:
        towers: the trained ones, by name.
        settings: by tower and then by name, ``{"image": {"image_size": 112}}``.

    Raises:
        ConfigError: a tower that is not trained here, or that has no such setting.
    """
    if unknown := sorted(set(settings) - set(towers)):
        raise ConfigError(
            f"A stage gives settings to {', '.join(unknown)}, which is not trained here.",
            where="stages.model",
            next_step=f"Trained towers: {', '.join(towers) or 'none'}.",
        )
    for name, tower in towers.items():
        enter = getattr(tower, "enter_stage", None)
        wanted = settings.get(name, {})
        known = () if enter is None else tuple(inspect.signature(enter).parameters)
        for setting in wanted:
            if setting not in known:
                raise ConfigError(
                    f"The tower {name!r} has no setting {setting!r} of a stage"
                    f"{nearest(setting, known)}.",
                    where="stages.model",
                    next_step=f"It has: {', '.join(known) or 'none'}.",
                )
        if enter is not None:
            enter(**wanted)
