"""Who is there: modality dropout, weights over what is there, the token that stands in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from interlingua.fusion.own_vector import mean_of_there, weighted_sum
from interlingua.fusion.presence import StandIn, drop_modalities, present, shares_of_there
from interlingua.tokens import Tokens

TokensOf = Callable[..., dict[str, Tokens]]


def who(tokens: dict[str, Tokens]) -> torch.Tensor:
    return present(tokens.values())


@pytest.mark.parametrize(("count", "rate"), [(2, 0.3), (3, 0.3), (2, 0.8), (4, 0.5)])
def test_the_rate_is_kept_and_nobody_is_left_empty(
    count: int, rate: float, tokens_of: TokensOf
) -> None:
    tokens = tokens_of(count, batch=20_000)
    kept = who(drop_modalities(tokens, rate))
    assert kept.any(1).all()
    # all would go with rate^M, one of them is kept then
    lost = rate - rate**count / count
    assert torch.allclose(1 - kept.float().mean(0), torch.tensor(lost), atol=0.015)
    first, second = 1 - kept[:, 0].float(), 1 - kept[:, 1].float()
    if count > 2:  # each goes on its own, but for the rule
        assert abs(float((first * second).mean()) - rate**2) < 0.1 * rate


def test_what_is_missing_stays_missing_and_the_last_one_stays(tokens_of: TokensOf) -> None:
    tokens = tokens_of(3, batch=3000, lacking={"a": range(1000), "b": range(500), "c": range(100)})
    before = who(tokens)
    after = who(drop_modalities(tokens, 0.9))
    assert not (after & ~before).any()
    assert torch.equal(after.any(1), before.any(1))
    assert torch.equal(after[100:500], before[100:500])  # they had one only
    # of two that are there each is kept as often as the other
    share = after[500:1000].float().mean(0)
    assert abs(float(share[1] - share[2])) < 0.1


def test_padding_and_content_stay(tokens_of: TokensOf) -> None:
    tokens = tokens_of(2, batch=200)
    dropped = drop_modalities(tokens, 0.5)
    for name, one in dropped.items():
        assert one.states is tokens[name].states
        there = one.mask.any(1)
        assert 0 < there.sum() < 200
        assert torch.equal(one.mask[there], tokens[name].mask[there])


def test_no_rate_or_a_single_modality_changes_nothing(tokens_of: TokensOf) -> None:
    state = torch.get_rng_state()
    for tokens, rate in ((tokens_of(3), 0.0), (tokens_of(1), 0.9)):
        dropped = drop_modalities(tokens, rate)
        assert all(dropped[name] is one for name, one in tokens.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_decides(tokens_of: TokensOf) -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return who(drop_modalities(tokens_of(3, batch=50), 0.4))

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))


def test_shares_add_up_over_who_is_there() -> None:
    there = torch.tensor([[True, True], [True, False], [False, False]])
    scores = torch.tensor([0.0, 1.0]).expand(3, 2)
    shares = shares_of_there(scores, there)
    tied = torch.tensor(1.0).sigmoid()
    wanted = torch.tensor([[1 - tied, tied], [1.0, 0.0], [0.0, 0.0]])
    assert torch.allclose(shares, wanted)
    by_number = shares_of_there(scores[..., None].expand(3, 2, 5), there)
    assert torch.allclose(by_number, wanted[..., None].expand(3, 2, 5))


def test_a_far_lower_score_is_no_nan() -> None:
    scores = torch.tensor([[-1e38, 1e38]], requires_grad=True)
    shares = shares_of_there(scores, torch.tensor([[True, False]]))
    assert shares.tolist() == [[1.0, 0.0]]
    shares.sum().backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_means_of_vectors_and_of_rows() -> None:
    there = torch.tensor([[True, True], [False, True], [False, False]])
    first, second = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    found = mean_of_there([first, second], there)
    wanted = torch.stack([(first[0] + second[0]) / 2, second[1], torch.zeros(4, 5)])
    assert torch.allclose(found, wanted)
    exact = mean_of_there([first.double(), second.double()], there)
    assert exact.dtype == torch.float64
    half = mean_of_there([first.bfloat16(), second.bfloat16()], there)
    assert half.dtype == torch.float32
    shares = torch.rand(3, 2)
    by_hand = shares[:, 0, None, None] * first + shares[:, 1, None, None] * second
    assert torch.allclose(weighted_sum([first, second], shares), by_hand)


def test_a_stand_in_speaks_for_who_is_missing_and_for_nobody_else() -> None:
    stand_in = StandIn(4)
    states, mask = torch.randn(3, 2, 4), torch.tensor([[True, True], [False, True], [False] * 2])
    states = states.masked_fill(~mask[..., None], 0.0)
    found, real = stand_in(states, mask)
    assert torch.equal(found[:2], states[:2]) and torch.equal(real[:2], mask[:2])
    assert torch.equal(found[2, 0], stand_in.token) and real[2].tolist() == [True, False]
