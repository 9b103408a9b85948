"""What this machine has and lacks, as plain values: the facts behind ``interlingua doctor``."""

from __future__ import annotations

import io
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from interlingua.cli.output import number_of_bytes
from interlingua.errors import InterlinguaError

CORE = ("torch", "numpy", "pillow", "safetensors", "tokenizers", "pydantic", "typer", "rich")
EXTRAS = {
    "audio": ("sounds and speech", ("soundfile", "soxr")),
    "svg": ("SVG pictures", ("resvg-py",)),
    "index": ("the search index", ("lancedb",)),
    "hf": ("downloads from the Hugging Face hub", ("transformers", "huggingface-hub")),
}
TOOLS = {
    "apt-get": "fetches the Debian packages stamps, clipart and prompts",
    "dpkg-query": "finds those already installed, to read them in place",
}
DEMO_DISK_BYTES = 2_000_000_000  # stamps and weights, unpacked and cached, and the run


def examine() -> dict[str, Any]:
    """Everything that ``doctor`` knows, as plain values."""
    facts: dict[str, Any] = {
        "versions": {
            "interlingua": version("interlingua"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{package: version(package) for package in CORE},
        },
        "device": device_facts(),
        "memory": memory_facts(),
        "cache": cache_facts(),
        "here": {"path": str(Path.cwd()), "free_bytes": free_bytes(Path.cwd())},
        "extras": {extra: extra_facts(extra) for extra in EXTRAS},
        "tools": {tool: shutil.which(tool) for tool in TOOLS},
        "decoding": decoding_facts(),
    }
    facts["problems"] = problems_of(facts)
    return facts


def version(package: str) -> str | None:
    """The installed version of a package, None where it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def device_facts() -> dict[str, Any]:
    """What ``--device auto`` picks, with its precision, and what else there is."""
    import torch

    from interlingua.device import pick_device, pick_precision

    device = pick_device("auto")
    capabilities = torch.cpu.get_capabilities()
    return {
        "auto": str(device),
        "precision": str(pick_precision("auto", device)).removeprefix("torch."),
        "cpu": {
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "fast_bf16": sorted(
                name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)
            ),
        },
        "cuda": [
            {
                "name": torch.cuda.get_device_name(number),
                "bytes": torch.cuda.get_device_properties(number).total_memory,
            }
            for number in range(torch.cuda.device_count())
        ],
        "cuda_build": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
    }


def processor_name() -> str:
    """The processor's name as its maker writes it, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_facts() -> dict[str, int]:
    """``total_bytes`` and, where it is told, ``available_bytes``; a container's limit counts."""
    from interlingua.train.memory import machine_memory

    return machine_memory()


def cache_facts() -> dict[str, Any]:
    """Where the cache is, what it holds, what its disk has left; or why it can't be used."""
    from interlingua.catalogue.cache import cache_root

    try:
        root = cache_root()
    except InterlinguaError as error:
        return {"path": error.where, "bytes": {}, "free_bytes": None, "problem": str(error)}
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return {
        "path": str(root),
        "bytes": {folder.name: size_of(folder) for folder in folders},
        "free_bytes": free_bytes(root),
        "problem": None,
    }


def free_bytes(folder: Path) -> int:
    """The free bytes of the disk that a folder is on."""
    return shutil.disk_usage(folder).free


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def extra_facts(extra: str) -> dict[str, Any]:
    """The versions of an extra's packages, and the line that installs what is absent."""
    purpose, packages = EXTRAS[extra]
    versions = {package: version(package) for package in packages}
    missing = None in versions.values()
    return {
        "purpose": purpose,
        "packages": versions,
        "install": f'pip install "interlingua[{extra}]"' if missing else None,
    }


def decoding_facts() -> dict[str, str]:
    """Decode one small picture through the library's own gate: ``ok`` or what went wrong."""
    from PIL import Image

    from interlingua.content import BytesContent
    from interlingua.data.image import open_image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(buffer, "PNG")
    pictures = {"png": buffer.getvalue()}
    if version("resvg-py"):
        pictures["svg"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
    results = {}
    for kind, data in pictures.items():
        try:
            open_image(BytesContent(data, f"doctor.{kind}"))
            results[kind] = "ok"
        except Exception as error:  # a broken library may raise anything; doctor has to say it
            results[kind] = f"{type(error).__name__}: {error}"
    return results


def problems_of(facts: dict[str, Any]) -> list[str]:
    """What keeps the demo from running, one instruction each."""
    problems = []
    cache = facts["cache"]
    if cache["problem"]:
        problems.append(cache["problem"])
    elif cache["free_bytes"] < DEMO_DISK_BYTES:
        free = number_of_bytes(cache["free_bytes"])
        problems.append(f"Only {free} are free at {cache['path']}: free some space.")
    for extra in ("audio", "svg", "index"):
        if line := facts["extras"][extra]["install"]:
            problems.append(f"The demo needs {facts['extras'][extra]['purpose']}: {line}")
    for kind, result in facts["decoding"].items():
        if result != "ok":
            problems.append(f"A {kind.upper()} picture can't be decoded ({result}).")
    return problems
