"""SigLIP's picture towers by the names that timm gives them; open_clip's configurations use these.

Source: ``vision_transformer.py`` of huggingface/pytorch-image-models.
"""

from __future__ import annotations

import re
from typing import Any

from interlingua.layouts.config_file import Section

# width, blocks, heads, feed-forward width
SIZES = {
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "so400m": (1152, 27, 16, 4304),
    "giantopt": (1536, 40, 16, 6144),
}
_NAME = re.compile(r"vit_(base|large|so400m|giantopt)_patch(\d+)_siglip_(\d+)")
_TANH = {("so400m", 16), ("giantopt", 16)}  # made for SigLIP 2; the others have the exact GELU


def describe_timm(vision: Section, width: int) -> dict[str, Any]:
    """The settings of the tower that ``timm_model_name`` stands for.

    Args:
        vision: ``vision_cfg``.
        width: of the space.

    Raises:
        LayoutError: the tower isn't one of SigLIP's.
    """
    vision.require({"timm_pool": "map", "timm_proj": "none"})
    name = vision.text("timm_model_name")
    match = _NAME.fullmatch(name)
    if match is None:
        vision.fail(
            f"The picture tower {name!r} of timm is not supported.",
            "Supported: open_clip's own ViT and ResNet, and vit_..._siglip_... of timm.",
        )
    kind, patch = match[1], int(match[2])
    inner, num_layers, num_heads, hidden = SIZES[kind]
    if inner != width:
        vision.fail(f"{name} gives {inner} numbers, embed_dim is {width}.")
    return {
        "name": "vit",
        "image_size": vision.number("image_size", int(match[3])) // patch * patch,
        "patch_size": patch,
        "width": inner,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "hidden_width": hidden,
        "activation": "gelu_tanh" if (kind, patch) in _TANH else "gelu",
        "norm_eps": 1e-6,
        "class_token": False,
        "pooling": "attention",
        "pre_norm": False,
        "patch_bias": True,
    }


def timm_name(tower: dict[str, Any]) -> str:
    """The name of a tower with these settings; empty where timm has none."""
    sizes = tuple(tower[key] for key in ("width", "num_layers", "num_heads", "hidden_width"))
    patch = tower["patch_size"]
    for kind, known in SIZES.items():
        activation = "gelu_tanh" if (kind, patch) in _TANH else "gelu"
        if (sizes, tower["activation"], tower["norm_eps"]) == (known, activation, 1e-6):
            return f"vit_{kind}_patch{patch}_siglip_{tower['image_size']}"
    return ""
