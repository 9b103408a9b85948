"""Two processes: what ranks tell each other, losses and gradient caching across them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from interlingua import ranks

PROGRAM = Path(__file__).with_name("two_ranks.py")
CASES = ("gather", "reduce", "names", "losses", "bad_features", "pairs", "caching")


def test_one_process_needs_no_group() -> None:
    rows = torch.ones(3, 2, requires_grad=True)
    assert (ranks.world_size(), ranks.rank(), ranks.is_main()) == (1, 0, True)
    gathered, start = ranks.gather_rows(rows)
    assert torch.equal(gathered, rows)
    assert not gathered.requires_grad
    assert start == 0
    assert ranks.sizes_of_ranks(3) == [3]
    for function in (ranks.sum_over_ranks, ranks.max_over_ranks, ranks.logsumexp_over_ranks):
        assert torch.equal(function(rows), rows)
    assert ranks.names_of_ranks(["text", "image", "text"]) == ["image", "text"]


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, str]]:
    """By rank: each case's traceback, empty where it passed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, str(rank), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    outcomes = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            outcomes.append(json.loads(output.splitlines()[-1]))
    finally:
        for process in processes:
            process.kill()
    return outcomes


@pytest.mark.parametrize("case", CASES)
def test_two_ranks(case: str, outcomes: list[dict[str, str]]) -> None:
    for rank, outcome in enumerate(outcomes):
        assert outcome.get(case, "an earlier case failed") == "", f"rank {rank}"


def test_every_case_is_asked_for(outcomes: list[dict[str, str]]) -> None:
    assert set(outcomes[0]) <= set(CASES)
