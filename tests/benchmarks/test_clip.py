"""What the CLIP benchmarks are made of, as far as it needs no peer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import clip_batches, clip_models, flops, train_curve
from benchmarks.clip_training import Pairs
from benchmarks.clipart_set import write_set
from interlingua.content import BytesContent, FileContent
from interlingua.sample import Image, Sample, Text

SMALL = clip_models.SIZES["small"]


def pairs() -> Pairs:
    ids = torch.zeros(3, 77, dtype=torch.int64)
    for row, length in enumerate((3, 9, 5)):
        ids[row, 1 : length - 1] = 7
        ids[row, 0], ids[row, length - 1] = 49_406, 49_407
    return Pairs(torch.zeros(3, 3, 112, 112, dtype=torch.uint8), ids)


def test_our_batch_is_cut_behind_the_longest_text() -> None:
    batch = clip_batches.as_batch(pairs())
    text = batch.media["text"]
    assert text.values is not None and text.mask is not None
    assert text.values.shape == (3, 9)
    assert text.mask.sum(1).tolist() == [3, 9, 5]
    assert batch.text_id is None and batch.component is None  # nothing is masked: open_clip can't


def test_texts_of_a_given_length() -> None:
    ids = clip_batches._of_length(pairs().ids, 16, 49_406, 49_407)
    assert (ids[:, 0] == 49_406).all() and (ids[:, 15] == 49_407).all()
    assert (ids[:, 1:15] == 7).all() and (ids[:, 16:] == 0).all()


def test_normalized_pixels_are_what_the_tower_makes_itself() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    floats = clip_batches.normalized(pixels)
    red = (pixels[:, 0] / 255 - clip_models.MEAN[0]) / clip_models.STD[0]
    torch.testing.assert_close(floats[:, 0], red)


def test_flops_are_those_of_the_model() -> None:
    from interlingua.models.dual_encoder import DualEncoder

    vision, words = SMALL["vision_cfg"], SMALL["text_cfg"]
    towers = {
        "image": {"tower": {
            "name": "vit", "image_size": vision["image_size"], "patch_size": vision["patch_size"],
            "width": vision["width"], "num_layers": vision["layers"], "num_heads": 8,
            "hidden_width": 4 * vision["width"],
        }},
        "text": {"tower": {
            "name": "text_transformer", "width": words["width"], "num_layers": words["layers"],
            "num_heads": words["heads"], "hidden_width": 4 * words["width"],
        }},
    }  # fmt: skip
    config = DualEncoder.Config.model_validate({"width": SMALL["embed_dim"], "towers": towers})
    model = DualEncoder(config).eval()
    batch = clip_batches.as_batch(pairs())
    for view, expected in (("image", flops.picture(SMALL)), ("text", flops.text(SMALL, 9))):
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            model.embed_media(view, batch.media[view])
        assert counted.get_total_flops() / 3 == pytest.approx(expected, rel=0.05)


def test_the_count_of_vit_b_32_is_the_published_one() -> None:
    config = clip_models.SIZES["ViT-B-32"]
    whole = flops.picture(config) + flops.transformer(50, 768, 1) * 49 / 50
    assert whole == pytest.approx(8.82e9, rel=0.01)  # open_clip's model_profile.csv


def test_the_set_has_both_files_of_each_picture(tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    pixels = np.random.default_rng(0).integers(0, 255, (450, 1500, 3), dtype=np.uint8)
    Picture.fromarray(pixels).save(wide)
    good = Sample("good", (Image(FileContent(wide)), Text("a wide one")))
    bad = Sample("bad", (Image(BytesContent(b"no picture", "bad")), Text("none")))
    folder = tmp_path / "set"
    folder.mkdir()
    write_set(folder, iter([good, bad, good, good]), number=2)
    assert json.loads((folder / "titles.json").read_text()) == ["a wide one"] * 2
    for name, side in (("00000", 400), ("00001", 497)):
        sizes = {Picture.open(f).size for f in folder.glob(f"*/{name}.*")}
        assert sizes == {(side, round(side * 0.3))}
        assert len(list(folder.glob(f"*/{name}.*"))) == 2


def test_curves_are_judged_by_the_peer_s_own_noise() -> None:
    steps = np.linspace(4, 2, 60)
    generator = np.random.default_rng(0)
    curves = {
        "open_clip fp32": list(steps),
        "open_clip bf16": list(steps + 0.05 * generator.normal(size=60)),
        "interlingua bf16": list(steps + 0.05 * generator.normal(size=60)),
    }
    assert train_curve.judged(curves, {}).passed
    curves["interlingua fp32"] = list(steps + 0.2)
    found = train_curve.judged(curves, {})
    assert not found.passed and "NOT within" in "\n".join(found.lines)
    curves["interlingua fp32"] = [math.nan] * 60
    assert not train_curve.judged(curves, {}).passed
