"""Tokens of made-up modalities, with padding inside and modalities that samples lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import torch

from interlingua.tokens import Tokens

WIDTHS = {"a": 6, "b": 10, "c": 6, "d": 3}
LENGTHS = {"a": 5, "b": 3, "c": 1, "d": 4}
TokensOf = Callable[..., dict[str, Tokens]]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def widths() -> Callable[[int], dict[str, int]]:
    """``widths(2)`` of the first two modalities."""
    return lambda count: dict(list(WIDTHS.items())[:count])


@pytest.fixture
def tokens_of() -> TokensOf:
    """``tokens_of(3, lacking={"a": [0]})``: of three modalities, sample 0 without the first."""

    def make(
        count: int,
        *,
        batch: int = 6,
        lacking: Mapping[str, Sequence[int]] | None = None,
        padded: bool = True,
        seed: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> dict[str, Tokens]:
        random = torch.Generator().manual_seed(seed)
        found = {}
        for name in list(WIDTHS)[:count]:
            length = LENGTHS[name]
            states = torch.randn(batch, length, WIDTHS[name], generator=random, dtype=dtype)
            mask = torch.ones(batch, length, dtype=torch.bool)
            if padded and length > 2:
                mask[::2, length - 1] = False
            mask[list((lacking or {}).get(name, ()))] = False
            found[name] = Tokens(states=states, mask=mask)
        return found

    return make
