"""Writes modified_resnet.safetensors: two tiny ResNets of open_clip with inputs and outputs.

Run once, in an environment with open_clip_torch 3.3.0:

    python tests/towers/make_modified_resnet.py

Weights are stored in half precision (the outputs are made with the rounded ones).
"""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip.modified_resnet import ModifiedResNet
from safetensors.torch import save_file

CASES = {"a": ([1, 2, 1, 1], 4, 4, 64, 12), "b": ([1, 1, 1, 2], 4, 2, 96, 8)}


def main() -> None:
    torch.manual_seed(0)
    tensors = {}
    for case, (layers, width, heads, size, output) in CASES.items():
        model = ModifiedResNet(layers, output, heads, size, width)
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if name.endswith("running_var") or (tensor.dim() == 1 and "weight" in name):
                    tensor.uniform_(0.5, 1.5)
                elif name.endswith(("bias", "running_mean")):
                    tensor.normal_(std=0.1)
                if tensor.is_floating_point():
                    tensor.copy_(tensor.half().float())
        pixels = torch.randn(2, 3, size, size).half()
        with torch.no_grad():
            model.eval()
            tensors[f"{case}.output"] = model(pixels.float())
        tensors[f"{case}.pixels"] = pixels
        for name, tensor in model.state_dict().items():
            if "num_batches" not in name:
                tensors[f"{case}.weights.{name}"] = tensor.half().contiguous()
    save_file(tensors, Path(__file__).with_name("modified_resnet.safetensors"))


if __name__ == "__main__":
    main()
