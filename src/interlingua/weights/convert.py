"""Turns a pickled state dict, or OpenAI's TorchScript archive, into safetensors: a child process.

A ``.pth`` or ``.bin`` is a pickle. It is opened nowhere else in the project, with
``weights_only=True``, in a process that holds nothing worth stealing and may die. A TorchScript
archive is read for its tensors; its code is not run.

Run: ``python convert.py weights.pth model.safetensors``; prints ``archive`` or ``state_dict``.
"""

from __future__ import annotations

import sys
import warnings
import zipfile
from typing import Any


def convert(source: str, target: str) -> str:
    """Read the tensors at ``source``, write them to ``target``; returns the kind of file."""
    from safetensors.torch import save_file

    kind = "archive" if is_archive(source) else "state_dict"
    state = _archive_state(source) if kind == "archive" else _pickled_state(source)
    save_file({name: value.contiguous().clone() for name, value in state.items()}, target)
    return kind


def is_archive(source: str) -> bool:
    """Whether this is a TorchScript archive: a zip with constants beside its tensors."""
    if not zipfile.is_zipfile(source):
        return False
    with zipfile.ZipFile(source) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _archive_state(source: str) -> dict[str, Any]:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own notice that it will be replaced one day
        archive = torch.jit.load(source, map_location="cpu")  # type: ignore[no-untyped-call]
    return dict(archive.state_dict())


def _pickled_state(source: str) -> dict[str, Any]:
    import torch

    state = torch.load(source, map_location="cpu", weights_only=True)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]  # a training checkpoint
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise SystemExit("not a state dict of tensors")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


if __name__ == "__main__":
    print(convert(sys.argv[1], sys.argv[2]))  # noqa: T201
