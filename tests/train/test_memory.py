from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.batch import Batch, Media
from interlingua.errors import TrainingError
from interlingua.tokens import Tokens
from interlingua.train.memory import (
    PeakMemory,
    batch_sizes,
    held_memory,
    machine_memory,
    memory_explained,
    readable_bytes,
)
from interlingua.train.stages import Stage

CPU = torch.device("cpu")


def model(frozen: int = 10) -> nn.Module:
    made = nn.ModuleList([nn.Linear(100, 50, bias=False), nn.Linear(frozen, 1, bias=False)])
    made[1].requires_grad_(False)
    made.register_buffer("mean", torch.zeros(25))
    return made


def message(stage: Stage, made: nn.Module | None, error: Exception) -> str:
    with pytest.raises(TrainingError) as caught, memory_explained(stage, CPU, made):
        raise error
    return str(caught.value)


def test_what_a_stage_holds() -> None:
    held = held_memory(model(), Stage(steps=1, ema=0.9))
    assert held.weights == 4 * (5000 + 10 + 25)
    assert held.gradients == held.average == 20_000
    assert held.optimizer == 40_000
    assert held.total == 20_140 + 80_000
    assert held_memory(model(), Stage(steps=1)).average == 0


def test_what_a_batch_takes() -> None:
    one = torch.zeros(2, dtype=torch.int64)
    batch = Batch(
        ["a", "b"],
        {
            "image": Media(one, one, torch.zeros(2, 3, 4, 4, dtype=torch.uint8)),
            "text": Media(one, one, torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5) > 0),
            "sound": Media(one, one, tokens=Tokens(pooled=torch.zeros(2, 6))),
            "speech": Media(one, one),
        },
    )
    sizes = {str(size): size.num_bytes for size in batch_sizes(batch)}
    assert sizes == {
        "image 2 x 3 x 4 x 4 uint8": 96,
        "text 2 x 5 int64": 90,
        "sound 2 x 6 float32": 48,
    }


def test_the_message_has_sizes_and_what_to_lower() -> None:
    stage = Stage(name="all", steps=1, batch_size=64)
    text = message(stage, model(), torch.OutOfMemoryError("no more"))
    assert "weights 20.1 kB; gradients 20.0 kB; AdamW's moments 40.0 kB;" in text
    assert "averaged" not in text
    assert "were in use at most; there are " in text
    assert "stages.all.micro_batch=32" in text
    assert "halve it and double stages.all.accumulate" in text
    assert "--resume" in text
    smaller = Stage(name="all", steps=1, batch_size=64, micro_batch=8)
    assert "micro_batch=4" in message(smaller, model(), MemoryError())
    single = Stage(name="all", steps=1, batch_size=1)
    assert "micro_batch" not in message(single, None, MemoryError())


def test_weights_that_never_fit_ask_for_other_things(monkeypatch: pytest.MonkeyPatch) -> None:
    from interlingua.train import memory

    monkeypatch.setattr(memory, "memory_of", lambda device: (0, 90_000))
    text = message(Stage(name="all", steps=1), model(), MemoryError())
    assert "distributed=fsdp2" in text
    assert "batch_size" not in text


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="size"), memory_explained(Stage(steps=1), CPU):
        raise RuntimeError("size mismatch")


def test_the_peak_is_seen_and_begins_anew() -> None:
    watched = PeakMemory(CPU)
    torch.ones(30_000_000)  # 120 MB, gone at once
    assert watched.peak() - watched.before > 100e6
    again = PeakMemory(CPU)
    assert again.peak() - again.before < 50e6


def test_the_machines_memory() -> None:
    facts = machine_memory()
    assert facts["total_bytes"] >= facts.get("available_bytes", 1) > 1e6


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e12, "3000.0 GB")]
)
def test_bytes_for_people(count: float, text: str) -> None:
    assert readable_bytes(count) == text
