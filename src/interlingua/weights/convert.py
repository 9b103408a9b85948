"""Turns a PyTorch ``.pth`` state dict into safetensors; run as a child process only.

A ``.pth`` is a pickle. It is opened nowhere else in the project, with
``weights_only=True``, in a process that holds nothing worth stealing and may die.

Run: ``python convert.py weights.pth model.safetensors``
"""

from __future__ import annotations

import sys


def convert(source: str, target: str) -> None:
    """Read the state dict at ``source``, write its tensors to ``target``."""
    import torch
    from safetensors.torch import save_file

    state = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise SystemExit("not a state dict of tensors")
    save_file({name: value.contiguous().clone() for name, value in state.items()}, target)


if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2])
