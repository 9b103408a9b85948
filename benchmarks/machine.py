"""What the machine can do at most (matrix product, memory copy), and what it and torch are.

The ceiling is the best of several shapes and of all ways that this torch offers, measured in the
same process as the benchmark: a share of it is a share of what could have been had here.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks.harness import Findings
from interlingua.data.loader import available_cores
from interlingua.device import has_fast_bf16

# [rows, inner, columns]: squares, and the shapes of a ViT-B/32's layers at a batch of 32 and 64
SHAPES = (
    (1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096),
    (1600, 768, 3072), (1600, 3072, 768), (3200, 768, 2304),
)  # fmt: skip
PACKAGES = (
    "interlingua", "torch", "torchvision", "open_clip_torch", "transformers", "timm", "tokenizers",
    "sentence-transformers", "efficientnet-lite-pytorch", "faiss-cpu", "usearch", "webdataset",
    "numpy", "pillow", "lancedb",
)  # fmt: skip
FLAGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "KMP_AFFINITY",
         "LD_PRELOAD", "TORCHDYNAMO_DISABLE")  # fmt: skip
COPY_BYTES = 1 << 29


def measure(options: argparse.Namespace) -> Findings:
    """The benchmark ``machine``: nothing but the limits."""
    limits = measured_limits(options.device, quick=options.quick)
    return Findings(limits, limit_lines(limits))


def measured_limits(device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """FLOP/s of the best matrix product by precision, and bytes/s of a copy (read + written)."""
    shapes = SHAPES[:1] if quick else SHAPES
    seconds = 0.02 if quick else 0.4
    flops, best_shape = {}, {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        best = max(
            ((_product_rate(product, shape, seconds), way, shape)
             for shape in shapes
             for way, product in _products(shape, dtype, device)),
            key=lambda item: item[0],
        )  # fmt: skip
        flops[precision] = best[0]
        best_shape[precision] = f"{best[1]} {'x'.join(map(str, best[2]))}"
    return {
        "flops": flops,
        "flops_by": best_shape,
        "copy_bytes": _copy_rate(device, COPY_BYTES // (64 if quick else 1)),
    }


def _products(
    shape: tuple[int, int, int], dtype: torch.dtype, device: str
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """All ways to multiply that this torch has for the device."""
    rows, inner, columns = shape
    left = torch.randn(rows, inner, dtype=dtype, device=device)
    weight = torch.randn(columns, inner, dtype=dtype, device=device)
    right = weight.T.contiguous()
    yield "mm", functools.partial(torch.mm, left, right)
    yield "linear", functools.partial(functional.linear, left, weight)
    packed = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if device == "cpu" and packed is not None and torch.backends.mkldnn.is_available():
        yield "oneDNN linear", functools.partial(packed, left, weight, None, "none", [], "")


def _product_rate(product: Callable[[], Any], shape: tuple[int, int, int], seconds: float) -> float:
    with torch.inference_mode():
        took = _best_seconds(product, seconds)
    return 2 * shape[0] * shape[1] * shape[2] / took


def _copy_rate(device: str, num_bytes: int) -> float:
    source = torch.ones(num_bytes // 4, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / _best_seconds(lambda: target.copy_(source), 0.5)


def _best_seconds(work: Callable[[], Any], seconds: float) -> float:
    """The shortest of as many calls as fit into that time, at least three after a first one."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    work()
    best, number, end = float("inf"), 0, time.perf_counter() + seconds
    while number < 3 or time.perf_counter() < end:
        wait()
        began = time.perf_counter()
        work()
        wait()
        best, number = min(best, time.perf_counter() - began), number + 1
    return best


def limit_lines(limits: dict[str, Any]) -> list[str]:
    """The limits in words."""
    return [
        f"matrix product {precision}  {rate / 1e12:7.3f} TFLOP/s  ({limits['flops_by'][precision]})"
        for precision, rate in limits["flops"].items()
    ] + [f"memory copy          {limits['copy_bytes'] / 1e9:7.1f} GB/s  (read + written)"]


def describe(device: str = "cpu") -> dict[str, Any]:
    """Machine, versions, threads and flags, for the JSON."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    capable: dict[str, bool] = ask() if ask else {}
    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "accelerator": torch.cuda.get_device_name() if device.startswith("cuda") else None,
        "instructions": sorted(
            name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if capable.get(name)
        ),
        "fast_bf16": has_fast_bf16(torch.device(device)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "flags": {name: os.environ[name] for name in FLAGS if name in os.environ},
        "versions": versions(),
        "commit": _commit(),
    }


def processor_name() -> str:
    """As the operating system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Of the packages that take part and are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The checkout's commit, with + where files differ from it."""
    root = Path(__file__).resolve().parents[1]
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True,
                           check=True).stdout.strip()
            for command in (["rev-parse", "--short", "HEAD"],
                            ["status", "--porcelain", "--untracked-files=no"])
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")
