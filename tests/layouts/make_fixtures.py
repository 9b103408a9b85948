"""Writes fixtures/: tiny random models of open_clip, and what they make of fixed inputs.

Run with a Python that has open_clip 3.3.0 and timm:
    python tests/layouts/make_fixtures.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

FOLDER = Path(__file__).parent / "fixtures"
TEXT = {"context_length": 12, "vocab_size": 50, "width": 16, "heads": 2, "layers": 2}
VIT = {
    "image_size": 30,
    "patch_size": 6,
    "width": 24,
    "head_width": 8,
    "layers": 2,
    "mlp_ratio": 3.0,
}
RESNET = {
    "image_size": 64,
    "layers": [1, 2, 1, 1],
    "width": 4,
    "head_width": 64,
    "patch_size": None,
}
SIGLIP_TEXT = {
    **TEXT, "width": 24, "heads": 3, "mlp_ratio": 3.7362, "no_causal_mask": True, "proj_bias": True,
    "pool_type": "last", "norm_kwargs": {"eps": 1e-6}, "hf_tokenizer_name": ".",
    "act_kwargs": {"approximate": "tanh"}, "tokenizer_kwargs": {"clean": "canonicalize"},
}  # fmt: skip
SIGLIP_VISION = {
    "image_size": 32, "timm_model_name": "vit_base_patch16_siglip_224",
    "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": "none",
}  # fmt: skip
# what the test says that "base" stands for
TINY_BASE = {"embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 2.0}

MODELS: dict[str, dict[str, Any]] = {
    "vit": {"embed_dim": 10, "vision_cfg": VIT, "text_cfg": TEXT},
    "vit_quick": {
        "embed_dim": 10,
        "quick_gelu": True,
        "vision_cfg": {**VIT, "pool_type": "avg", "no_ln_pre": True},
        "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 40},
    },
    "vit_custom": {"embed_dim": 8, "custom_text": True, "vision_cfg": VIT, "text_cfg": TEXT},
    "resnet": {"embed_dim": 10, "quick_gelu": True, "vision_cfg": RESNET, "text_cfg": TEXT},
    "openai": {  # heads are 64 wide in OpenAI's archives
        "embed_dim": 10,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 18, "patch_size": 6, "width": 64, "layers": 1},
        "text_cfg": {**TEXT, "width": 64, "heads": 1, "layers": 1},
    },
    "siglip": {
        "embed_dim": 24,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": SIGLIP_VISION,
        "text_cfg": SIGLIP_TEXT,
    },
}


class Trunk(torch.nn.Module):
    """A tiny tower of timm under the names that open_clip gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = VisionTransformer(
            img_size=32, patch_size=16, class_token=False, global_pool="map", num_classes=0,
            **TINY_BASE,
        )  # fmt: skip

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.trunk(pixels)


def build(config: dict[str, Any]) -> torch.nn.Module:
    config = json.loads(json.dumps(config))
    custom = config.pop("custom_text", False)
    siglip = "timm_model_name" in config["vision_cfg"]
    for key in ("hf_tokenizer_name", "tokenizer_kwargs"):
        config["text_cfg"].pop(key, None)
    if siglip:
        config["vision_cfg"] = VIT
    model = (CustomTextCLIP if custom else CLIP)(**config)
    if siglip:
        model.visual = Trunk()
    return model


def main() -> None:
    assert open_clip.__version__ == "3.3.0"
    FOLDER.mkdir(exist_ok=True)
    for name, config in MODELS.items():
        torch.manual_seed(0)
        model = build(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
            for key, buffer in model.named_buffers():
                if key.endswith("running_var"):
                    buffer.copy_(torch.rand_like(buffer) + 0.5)
                elif key.endswith("running_mean"):
                    buffer.copy_(torch.randn_like(buffer) * 0.1)
        model.half().float().eval()  # the files hold half as many bytes
        side = config["vision_cfg"]["image_size"]
        pixels = torch.randn(3, 3, side, side).half().float()
        ids = torch.randint(1, 40, (3, 12))
        for row, end in enumerate((5, 11, 2)):
            ids[row, end] = config["text_cfg"].get("eos_id", 49)
            ids[row, end + 1 :] = 0
        with torch.no_grad():
            image, text = model.encode_image(pixels), model.encode_text(ids)
            outputs = model(pixels, ids)
        logits = outputs[2] * outputs[0] @ outputs[1].T
        if len(outputs) > 3:
            logits = logits + outputs[3]
        folder = FOLDER / ("openai_clip" if name == "openai" else f"open_clip_{name}")
        folder.mkdir(exist_ok=True)
        text_json = json.dumps({"model_cfg": config, "preprocess_cfg": {
            "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25], "interpolation": "bicubic",
            "resize_mode": "squash" if name == "siglip" else "shortest"}}, indent=1)  # fmt: skip
        (folder / "open_clip_config.json").write_text(text_json + "\n")
        if name == "openai":
            torch.jit.trace(model.half(), (pixels.half(), ids)).save(folder / "archive.pt")
        state = {
            key: (value.half() if value.is_floating_point() else value).contiguous()
            for key, value in model.state_dict().items()
        }
        if name != "openai":
            save_file(state, folder / "open_clip_model.safetensors")
        save_file(
            {"pixels": pixels.half(), "ids": ids, "image": image, "text": text, "logits": logits},
            folder / "outputs.safetensors",
        )


if __name__ == "__main__":
    main()
