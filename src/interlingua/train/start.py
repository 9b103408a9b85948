"""A run that begins with another model's weights: fine-tuning, continued training.

What a run begins with is its own, not the model's: the model of a fine-tuned run is described
in full by its recipe and needs the other weights no more once it has a checkpoint.
"""

from __future__ import annotations

from torch import Tensor, nn

from interlingua.errors import ConfigError
from interlingua.model_source import load_model


def start_from(model: nn.Module, address: str) -> dict[str, Tensor]:
    """Give a model all the weights of another one of the same shape.

    Weights of towers that this model keeps frozen, outside of its checkpoints, are left alone.

    Args:
        model: just built.
        address: a run, a checkpoint folder or ``hf:owner/name``.

    Returns:
        A copy of the weights, by name.

    Raises:
        ConfigError: names or shapes differ.
        CheckpointError, FetchError, LayoutError: see ``Space.load``.
    """
    weights = read_start(model, address)
    model.load_state_dict(weights)
    return weights


def read_start(model: nn.Module, address: str) -> dict[str, Tensor]:
    """The weights that ``start_from`` gives to a model; the model is left as it is."""
    other, _ = load_model(address)
    wanted, found = model.state_dict(), other.state_dict()
    outside = getattr(getattr(model, "frozen_towers", None), "sources", ())
    frozen = tuple(f"towers.{name}." for name in outside)
    given = {name: found[name] for name in found if not (frozen and name.startswith(frozen))}
    missing = sorted(set(wanted) - set(given))
    extra = sorted(set(given) - set(wanted))
    misshapen = [
        name for name in wanted if name in given and wanted[name].shape != given[name].shape
    ]
    if missing or extra or misshapen:
        raise ConfigError(
            f"The model of the recipe isn't the one that it starts from: lacks {_some(extra)}, "
            f"has besides {_some(missing)}, of another shape {_some(misshapen)}.",
            where=f"start_from={address}",
            next_step="`interlingua finetune MODEL` writes a recipe that fits.",
        )
    return {name: given[name].detach().clone() for name in wanted}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" ... ({len(names)})" if len(names) > 3 else "") or "nothing"
