"""Which device and which precision: ``auto | cpu | cuda | mps``, bf16 where it is fast.

Source: oneDNN's dispatch of bf16 (AMX, AVX-512 BF16), CUDA compute capability 8.0.
"""

from __future__ import annotations

import contextlib
from typing import Literal

import torch

from interlingua.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def pick_device(name: str = "auto") -> torch.device:
    """The torch device for a name.

    Raises:
        ConfigError: the device is unknown or absent on this machine.
    """
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "mps" if present["mps"] else "cpu")
    kind = name.split(":")[0]
    if kind not in present:
        raise ConfigError(
            f"There is no device {name!r}.", next_step="Use --device auto, cpu, cuda or mps."
        )
    if not present[kind]:
        raise ConfigError(
            f"This machine or this build of torch {torch.__version__} has no {kind}.",
            next_step="Use --device auto; `interlingua doctor` lists what there is.",
        )
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """True where bf16 products are quicker than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", None)  # absent in older torch: then fp32
        able = ask() if ask else {}
        return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    return False


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto``, ``fp32`` or ``bf16`` as a dtype."""
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[name]


def autocast(
    device: torch.device, precision: torch.dtype
) -> contextlib.AbstractContextManager[None]:
    """Autocast to bf16, or nothing at all for fp32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=precision)
