from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua import data
from interlingua.data.entries import PROMPTS_FOLDER, PROMPTS_TRANSCRIPTS
from interlingua.data.source import count_reasons
from interlingua.errors import DataError
from interlingua.sample import Audio


def test_the_counts_are_those_of_the_packages(real_data: Callable[[str], object]) -> None:
    real_data("prompts")
    source = data.open_source("prompts")
    assert len(source) == 563
    assert count_reasons(source.problems) == {
        "a tone, no speech": 5,
        "a transcript without a recording": 1,
    }
    for sample in source:
        (speech,) = sample.alternatives("speech")
        assert isinstance(speech, Audio)
        assert speech.language == "en"
        assert speech.transcript
        assert "[" not in speech.transcript
        assert speech.content.size() > 44, "more than a WAV header"
    assert next(s for s in source if s.key == "letters/dash").meta.name == "dash"


def test_damaged_transcripts_are_a_clear_error(tmp_path: Path) -> None:
    transcripts = tmp_path / PROMPTS_TRANSCRIPTS
    transcripts.parent.mkdir(parents=True)
    whole = gzip.compress(b"; a remark\nhello: Hello.\nbeep: [a beep]\n")
    for damaged in (b"", b"no gzip", whole[:20], whole[:-2]):
        transcripts.write_bytes(damaged)
        with pytest.raises(DataError):
            data.open_source("prompts", root=tmp_path)
    transcripts.write_bytes(whole)
    sounds = tmp_path / PROMPTS_FOLDER
    sounds.mkdir(parents=True)
    with pytest.raises(DataError, match="no prompts"):
        data.open_source("prompts", root=tmp_path)
    for name in ("hello", "beep", "unknown"):
        (sounds / f"{name}.wav").touch()
    source = data.open_source("prompts", root=tmp_path)
    assert [sample.key for sample in source] == ["hello"]
    assert count_reasons(source.problems) == {"a tone, no speech": 1, "no transcript": 1}
