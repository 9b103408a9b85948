"""A group of named tensors as safetensors: one file, or a shard from each process and an index.

``model.safetensors``, or ``model-00001-of-00002.safetensors``, ``model-00002-of-00002.safetensors``
and ``model.index.json``, which says for every tensor its shape and which rows of it lie in which
shard. Shards are cut along the first dimension and put together for any other number of processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from interlingua import durable
from interlingua.train import sharding
from interlingua.train.processes import Processes

_INDEX = ".index.json"
_SHARD = "-of-"


def files_of(name: str, group: Mapping[str, Tensor], processes: Processes) -> dict[str, bytes]:
    """The files that this process has to write for a group, by name."""
    sharded = [key for key, tensor in group.items() if sharding.is_sharded(tensor)]
    if not sharded:
        own = _SHARD in name or processes.is_main  # of ranks' own files each writes its own
        return {f"{name}.safetensors": _bytes(group)} if own else {}
    pieces = {
        key: sharding.local(tensor)
        for key, tensor in group.items()
        if (sharding.local(tensor).numel() if sharding.is_sharded(tensor) else processes.is_main)
    }
    files = {f"{processes.file_of_rank(name)}.safetensors": _bytes(pieces)}
    if processes.is_main:
        files[name + _INDEX] = durable.to_json(_index(name, group, processes.world))
    return files


def read(path: Path, names: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """The groups that these files of a folder hold, whole tensors by name."""
    groups = {}
    indexed = [name.removesuffix(_INDEX) for name in names if name.endswith(_INDEX)]
    for group in indexed:
        groups[group] = _put_together(path, json.loads((path / (group + _INDEX)).read_bytes()))
    for name in names:
        group = name.removesuffix(".safetensors")
        if name.endswith(".safetensors") and group.split("-")[0] not in indexed:
            groups[group] = safetensors.torch.load_file(path / name)
    return groups


def digests(files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """One SHA-256 for each group, of its file or over those of its shards."""
    found = {}
    for name, one in files.items():
        if name.endswith(".safetensors"):
            found[name.removesuffix(".safetensors")] = str(one["sha256"])
        elif name.endswith(_INDEX):
            group = name.removesuffix(_INDEX)
            shards = sorted(n for n in files if n.startswith(f"{group}-") and _SHARD in n)
            text = "".join(str(files[shard]["sha256"]) for shard in shards)
            found[group] = hashlib.sha256(text.encode()).hexdigest()
    return found


def _bytes(group: Mapping[str, Tensor]) -> bytes:
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in group.items()}
    data: bytes = safetensors.torch.save(tensors, metadata={"format": "pt"})
    return data


def _index(name: str, group: Mapping[str, Tensor], world: int) -> dict[str, Any]:
    tensors = {}
    for key, tensor in group.items():
        ranges = {0: range(0)}
        if sharding.is_sharded(tensor):
            ranges = {rank: sharding.rows_of(len(tensor), rank, world) for rank in range(world)}
        tensors[key] = {
            "shape": list(tensor.shape),
            "shards": [
                [f"{Processes(rank, world).file_of_rank(name)}.safetensors", here.start, here.stop]
                for rank, here in ranges.items()
                if here or len(ranges) == 1
            ],
        }
    return {"tensors": tensors}


def _put_together(path: Path, index: Mapping[str, Any]) -> dict[str, Tensor]:
    names = sorted({shard[0] for one in index["tensors"].values() for shard in one["shards"]})
    files = {name: safetensors.safe_open(path / name, framework="pt") for name in names}
    whole: dict[str, Tensor] = {}
    for key, one in index["tensors"].items():
        shards = one["shards"]
        if len(shards) == 1:
            whole[key] = files[shards[0][0]].get_tensor(key)
            continue
        for name, start, stop in shards:
            piece = files[name].get_tensor(key)
            if key not in whole:
                whole[key] = torch.empty(one["shape"], dtype=piece.dtype)
            whole[key][start:stop] = piece
    return whole
