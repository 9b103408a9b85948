"""The program as its users call it, in this process: arguments in, exit code and output out."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import soundfile
from PIL import Image

from interlingua.cli import failures
from interlingua.cli.main import program


@dataclass(frozen=True)
class Ended:
    """How a call of the program ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def interlingua(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """``interlingua("data", "list")``."""
    monkeypatch.setenv("COLUMNS", "160")  # messages on one line

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["interlingua", *map(str, arguments)])
        capsys.readouterr()
        code = failures.run(program)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny():
    """The module tests/tiny_space.py, under the name that recipes find it by."""
    path = Path(__file__).parents[1] / "tiny_space.py"
    spec = importlib.util.spec_from_file_location("tiny_space", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_space"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> Path:
    """A folder of real files: three captioned pictures, a sound, a damaged picture."""
    folder = tmp_path_factory.mktemp("media")
    for name, colour in (("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (24, 16), colour).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"a {name} dog\n")
    time = numpy.arange(16_000) / 16_000
    soundfile.write(folder / "tone.wav", 0.5 * numpy.sin(2 * numpy.pi * 900 * time), 16_000)
    (folder / "broken.png").write_bytes((folder / "red.png").read_bytes()[:40])
    (folder / "broken.txt").write_text("a dog\n")
    return folder


@pytest.fixture(scope="session")
def run(tiny, tmp_path_factory) -> Path:
    """A run as training leaves it, of a model that can be understood."""
    from interlingua.train.recipe import Recipe, to_yaml
    from interlingua.train.run_folder import RunFolder

    folder = tmp_path_factory.mktemp("run")
    tokenizer = tiny.write_tokenizer(folder)
    config = tiny.TinySpace.Config(name="tiny_space:TinySpace", tokenizer=tokenizer)
    recipe = Recipe(
        name="test",
        model=config,
        data={"sources": [{"source": {"name": "stamps"}}]},
        objectives={"match": {"objective": {"name": "pairwise_contrastive"}}},
        stages=[{"steps": 10}],
    )
    kept = RunFolder(folder / "run")
    kept.write_text("recipe.yaml", to_yaml(recipe))
    kept.checkpoints.save(10, {"model": tiny.TinySpace(config).state_dict()}, {})
    return kept.path


@pytest.fixture
def index(interlingua, run: Path, media: Path, tmp_path: Path) -> Path:
    """The folder of ``media``, searchable."""
    path = tmp_path / "index"
    ended = interlingua("index", "build", media, "--run", run, "--out", path)
    assert ended.code == 0, ended.err
    return path
