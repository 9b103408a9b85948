"""Measured, side by side with peers, on the same work: ``python -m benchmarks --list``.

A benchmark is a module of this folder and one line of ``TABLE``. It has

- ``cases(options)``: comparisons that the harness checks and times (``harness.Case``);
- or ``measure(options)``: figures that it makes by itself (``harness.Findings``); with
  ``cases`` beside it where it has their memory measured;

and may have ``add_options(parser)``. The first line of its docstring is what ``--list`` shows.
"""

from __future__ import annotations

# name of the module -> packages of the peers' environment that it can't do without
TABLE: dict[str, tuple[str, ...]] = {
    "machine": (),
    "train_step": ("open_clip",),
    "train_growth": ("open_clip",),
    "train_curve": ("open_clip",),
    "embed_images": ("open_clip",),
    "embed_texts": ("open_clip", "transformers"),
    "embed_sentences": ("sentence_transformers",),
    "loader": ("torchvision", "webdataset"),
    "loss_memory": ("open_clip",),
    "noise": (),
    "from_scratch": (),
    "fusion": (),
    "one_modality_first": (),
    "files_to_features": ("timm", "efficientnet_lite_pytorch"),
    "vector_search": (),
    "text_query": (),
    "seeds": (),
}
