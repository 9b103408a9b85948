"""One CLIP with the same weights for every library: made by open_clip, in its own layout.

No trained weights are needed to compare speed, so open_clip draws them (seed 0) and saves them
as its ``open_clip_config.json`` and ``open_clip_model.safetensors``. All sides load that folder.

Untrained, the vectors of all inputs lie close together (mean cosine 0.90 between pictures), where
equal and different outputs can hardly be told apart. To compare vectors, the blocks' matrices are
drawn ``SPREAD`` times as large: then pictures have a mean cosine of 0.65.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from interlingua.catalogue import cache

SIZES: dict[str, dict[str, Any]] = {
    "ViT-B-32": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8,
                     "layers": 12},
    },
    "ViT-B-16": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8,
                     "layers": 12},
    },
    "small": {
        "embed_dim": 256,
        "vision_cfg": {"image_size": 112, "layers": 6, "width": 256, "patch_size": 16,
                       "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4,
                     "layers": 4},
    },
}  # fmt: skip
SPREAD = 2.0
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def checkpoint(name: str = "ViT-B-32", spread: float = 1.0) -> Path:
    """The folder of a model of this size; made on the first call, into the cache folder.

    Args:
        name: of ``SIZES``.
        spread: by which the blocks' matrices are multiplied: 1 to train, ``SPREAD`` to embed.
    """
    config = {
        "model_cfg": SIZES[name],
        "preprocess_cfg": {
            "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest",
        },
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps([config, spread], sort_keys=True).encode()).hexdigest()[:12]
    final = cache.cache_root() / "benchmarks" / f"{name}-{digest}"
    with cache.locked(f"benchmarks-{name}", cache.to_stderr):
        if not final.exists():
            cache.install_folder(final, lambda folder: _draw(folder, config, spread))
    return final


def _draw(folder: Path, config: dict[str, Any], spread: float) -> None:
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.CLIP(**config["model_cfg"])
    state = {
        name: value.detach() * (spread if "resblocks" in name and value.ndim == 2 else 1.0)
        for name, value in model.state_dict().items()
    }
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1), "utf-8")
    tokenizer_of_open_clip().save(str(folder / "tokenizer.json"))


def tokenizer_of_open_clip() -> Any:
    """open_clip's own vocabulary in the fast ``tokenizers`` format.

    Its cleaning (HTML, Unicode repair, white space, lower case) is our data side's work.
    """
    from open_clip.tokenizer import SimpleTokenizer
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    theirs = SimpleTokenizer()
    backend = Tokenizer(
        models.BPE(
            vocab=theirs.encoder,
            merges=list(theirs.bpe_ranks),
            end_of_word_suffix="</w>",
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = "<start_of_text>", "<end_of_text>"
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, theirs.sot_token_id), (end, theirs.eot_token_id)],
    )
    backend.enable_padding(pad_id=0, pad_token="!")
    return backend


def ours(folder: Path, image_size: int | None = None) -> Any:
    """Our ``DualEncoder``, loaded from open_clip's layout."""
    from interlingua.models.pretrained import load_pretrained

    model = load_pretrained(folder)
    if image_size is not None:
        model.enter_stage({"image": {"image_size": image_size}})
    return model


def for_transformers(folder: Path) -> Path:
    """The same model as transformers' ``CLIPModel`` saves it; written by us on the first call."""
    from interlingua.models.pretrained import load_pretrained, save_pretrained

    final = folder.with_name(f"{folder.name}-hf")
    with cache.locked(f"benchmarks-{final.name}", cache.to_stderr):
        if not final.exists():
            model = load_pretrained(folder)
            cache.install_folder(final, lambda new: save_pretrained(model, new, layout="hf_clip"))
    return final


def open_clip_model(folder: Path, image_size: int | None = None, **settings: Any) -> Any:
    """open_clip's model of the same folder: (model, preprocess of evaluation)."""
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(
        f"local-dir:{folder}", force_image_size=image_size, **settings
    )
    return model, preprocess
