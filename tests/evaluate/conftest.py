"""A space for evaluation tests: a picture's vector is its mean colour, a text's its mean word."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from interlingua.space import Space


@pytest.fixture(scope="module")
def colour_space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Words for colours lie where pictures of these colours do; other words say nothing."""
    path = Path(__file__).parents[1] / "tiny_space.py"
    spec = importlib.util.spec_from_file_location("tiny_space", path)
    tiny = importlib.util.module_from_spec(spec)
    sys.modules["tiny_space"] = tiny
    spec.loader.exec_module(tiny)
    tokenizer = tiny.write_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    model = tiny.TinySpace(tiny.TinySpace.Config(name="tiny_space:TinySpace", tokenizer=tokenizer))
    with torch.no_grad():
        model.text[0] *= 0.1
        model.text[4:] *= 0.1
        for place, colour in enumerate(torch.eye(3), start=1):  # red, green, blue
            model.text[place] = (colour - 0.4) @ model.image
    return Space(model, device="cpu", precision="fp32")
