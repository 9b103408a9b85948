from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import torch

from interlingua.cli import machine


def test_doctor_as_json(interlingua, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "data" / "stamps").mkdir(parents=True)
    (tmp_path / "cache" / "data" / "stamps" / "x").write_bytes(b"12345")
    facts = json.loads(interlingua("doctor", "--json").out)
    assert facts["versions"]["torch"] == metadata.version("torch")
    assert facts["device"]["auto"] in ("cpu", "cuda", "mps")
    assert facts["device"]["cpu"]["threads"] == torch.get_num_threads()
    assert facts["cache"]["path"] == str(tmp_path / "cache")
    assert facts["cache"]["bytes"] == {"data": 5}
    assert facts["cache"]["free_bytes"] > 0
    assert facts["memory"]["total_bytes"] >= facts["memory"].get("available_bytes", 0) > 0
    assert set(facts["extras"]) == {"audio", "svg", "index", "hf"}
    assert facts["decoding"]["png"] == "ok"


def test_doctor_for_people(interlingua) -> None:
    ended = interlingua("doctor")
    assert ended.err == ""
    for word in ("torch", "device auto", "precision", "memory", "cache", "free", "apt-get"):
        assert word in ended.out


def test_an_unusable_cache_is_a_problem(interlingua, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "file" / "cache"))
    ended = interlingua("doctor")
    assert ended.code == 1
    assert "INTERLINGUA_CACHE" in ended.out


def test_a_missing_package_comes_with_its_line(interlingua, monkeypatch) -> None:
    there = machine.version
    monkeypatch.setattr(machine, "version", lambda name: None if name == "soxr" else there(name))
    ended = interlingua("doctor")
    assert ended.code == 1
    assert "soxr missing" in ended.out
    assert 'pip install "interlingua[audio]"' in ended.out


def test_a_broken_decoder_is_a_problem() -> None:
    facts = machine.examine()
    facts["decoding"]["png"] = "OSError: broken"
    assert any("PNG" in problem for problem in machine.problems_of(facts))


def test_extras_are_those_of_the_package() -> None:
    requirements = metadata.requires("interlingua") or []
    for extra, (_, packages) in machine.EXTRAS.items():
        wanted = {
            requirement.split(">")[0].lower()
            for requirement in requirements
            if f'extra == "{extra}"' in requirement
        }
        assert wanted == set(packages), extra
