"""The shapes that a model and its parts give, watched in a real forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn


@contextmanager
def shapes_of(model: nn.Module) -> Iterator[dict[str, str]]:
    """Gives a mapping that the first forward in the block fills: part of the model -> its shapes.

    The parts are the model's own children, and of several towers, heads or projections each one.
    """
    found: dict[str, str] = {}
    watched = {"model": model}
    for name, child in model.named_children():
        inner = child.named_children() if isinstance(child, nn.ModuleDict) else ()
        watched.update({f"{name}.{key}": one for key, one in inner} or {name: child})

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if name not in found:
                found[name] = "; ".join(dict.fromkeys(_shapes("", output)))

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in watched.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        for name in [name for name, text in found.items() if not text]:
            del found[name]


def _shapes(name: str, value: Any) -> Iterator[str]:
    """``vectors image 256 x 384``: the tensors of numbers inside an output."""
    if isinstance(value, Tensor):
        if value.ndim and value.is_floating_point():  # owners and masks are no outputs to look at
            dtype = str(value.dtype).removeprefix("torch.")
            yield f"{name} {' x '.join(map(str, value.shape))} {dtype}".strip()
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _shapes(f"{name} {key}".strip(), inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _shapes(name, inner)
    elif is_dataclass(value):
        for one in fields(value):
            yield from _shapes(f"{name} {one.name}".strip(), getattr(value, one.name))
