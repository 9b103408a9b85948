"""Compiling a model in place: the blocks of its towers, or all of it where it has none.

``nn.Module.compile`` keeps the module and its parameters' names. Blocks of one kind share their
compiled code, so that a deep tower compiles as fast as a shallow one.

Source: torch's guide to regional compilation (docs.pytorch.org, "Reducing torch.compile cold
start compilation time with regional compilation").
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import torch
from torch import nn

from interlingua.errors import ConfigError
from interlingua.train.parallel import blocks_of

_VARIANTS = 64


def compile_in_place(model: nn.Module, device: torch.device) -> None:
    """Compile the model's blocks for its device.

    Raises:
        ConfigError: what compiles for this device is absent.
    """
    check(device)
    import torch._dynamo

    # All towers' blocks share one limit: two kinds of states, the last block, each size of a stage.
    settings = torch._dynamo.config
    settings.recompile_limit = max(settings.recompile_limit, _VARIANTS)
    for module in blocks_of(model) or [model]:
        module.compile()


def check(device: torch.device) -> None:
    """See that something can compile for a device.

    Raises:
        ConfigError: nothing can.
    """
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise ConfigError(
                "compile=true needs the package 'triton' on a GPU, which is not installed.",
                where="compile",
                next_step="Install a torch that brings it (Linux), or set compile=false.",
            )
        return
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    names = ["cl"] if sys.platform == "win32" else names
    if not any(name and shutil.which(name) for name in names):
        raise ConfigError(
            "compile=true needs a C++ compiler on the CPU, and none is found.",
            where="compile",
            next_step="Install g++ (apt install g++), name one in $CXX, or set compile=false.",
        )
