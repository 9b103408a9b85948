"""What fusions must equal: each other at their limits, and their papers' formulas written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.errors import ConfigError
from interlingua.fusion.bottleneck import Bottleneck
from interlingua.fusion.concatenation import Concatenation
from interlingua.fusion.film import FiLM
from interlingua.fusion.fusion import Fusion
from interlingua.fusion.gated import Gated
from interlingua.fusion.late_average import LateAverage
from interlingua.fusion.late_mlp import LateMLP
from interlingua.fusion.late_weighted import LateWeighted
from interlingua.fusion.low_rank import LowRank
from interlingua.fusion.own_vector import Pool
from interlingua.fusion.tensor import TensorFusion
from interlingua.tokens import Tokens

TokensOf = Callable[..., dict[str, Tokens]]
WidthsOf = Callable[[int], dict[str, int]]

SMALL: dict[str, Any] = {"width": 8, "num_heads": 2, "hidden_width": 12, "dropout": 0.0}
ANSWERS = 4


def pooled_of(fusion: Fusion, tokens: dict[str, Tokens]) -> Tensor:
    pooled = fusion.eval()(tokens).pooled
    assert pooled is not None
    return pooled


def make(kind: type[Any], widths: dict[str, int], **settings: Any) -> Any:
    """With biases as training may make them: what is missing must not speak through those."""
    fusion = kind(kind.Config(**SMALL, **settings), widths, ANSWERS)
    for name, parameter in fusion.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return fusion


# -- late fusions ------------------------------------------------------------------------------


def test_late_average_of_one_modality_is_that_modality(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    both, alone = make(LateAverage, widths(2)), make(LateAverage, widths(1))
    alone.load_state_dict({k: v for k, v in both.state_dict().items() if k in alone.state_dict()})
    tokens = tokens_of(2, lacking={"b": range(6)})
    assert torch.allclose(pooled_of(both, tokens), pooled_of(alone, {"a": tokens["a"]}), atol=1e-6)


def test_late_average_is_the_mean_of_what_each_answers_alone(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = make(LateAverage, widths(3)), tokens_of(3, lacking={"b": [1], "c": [1, 2]})
    alone = {}
    for name, width in widths(3).items():
        one = make(LateAverage, {name: width})
        one.load_state_dict({k: v for k, v in fusion.state_dict().items() if f".{name}." in k})
        alone[name] = pooled_of(one, {name: tokens[name]})
    pooled = pooled_of(fusion, tokens)
    wanted = {0: "abc", 1: "a", 2: "ab", 3: "abc"}
    for row, names in wanted.items():
        mean = torch.stack([alone[name][row] for name in names]).mean(0)
        assert torch.allclose(pooled[row], mean, atol=1e-6)


def test_equal_weights_are_the_average_and_one_weight_is_one_modality(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    average, weighted = make(LateAverage, widths(3)), make(LateWeighted, widths(3))
    weighted.load_state_dict(average.state_dict(), strict=False)
    tokens = tokens_of(3, lacking={"b": [1], "c": [1, 2], "a": [3]})
    for score in (0.0, 1.5):
        nn.init.constant_(weighted.scores, score)
        assert torch.allclose(pooled_of(weighted, tokens), pooled_of(average, tokens), atol=1e-6)
    with torch.no_grad():
        weighted.scores[1] += 200.0
    alone = make(LateAverage, {"b": widths(3)["b"]})
    alone.load_state_dict({k: v for k, v in average.state_dict().items() if ".b." in k})
    has_b = [0, 2, 3, 4, 5]
    found = pooled_of(weighted, tokens)
    assert torch.allclose(found[has_b], pooled_of(alone, {"b": tokens["b"]})[has_b], atol=1e-6)
    # who lacks the modality that counts is answered by the others
    assert torch.allclose(found[1], pooled_of(average, tokens)[1], atol=1e-6)


def test_late_mlp_sees_nothing_but_the_answers(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion, tokens = make(LateMLP, widths(2)), tokens_of(2, lacking={"b": [1]})
    average = make(LateAverage, widths(2))
    average.load_state_dict({k: v for k, v in fusion.state_dict().items() if "rule" not in k})
    answers = [
        pooled_of(average, {**tokens, other: Tokens(one.states, torch.zeros_like(one.mask))})
        for other, one in reversed(tokens.items())
    ]  # of a alone, of b alone
    up, _, _, down = fusion.rule
    wanted = down(functional.gelu(up(torch.cat(answers, dim=1))))
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-6)


def test_concatenation_is_one_hidden_layer_over_the_vectors(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = make(Concatenation, widths(2)), tokens_of(2, lacking={"b": [1]})
    vectors = [fusion.eval().vectors.of(name, one) for name, one in tokens.items()]
    assert not vectors[1][1].any()
    up, _, _, down = fusion.join
    wanted = down(functional.gelu(up(torch.cat(vectors, dim=1))))
    assert torch.equal(pooled_of(fusion, tokens), wanted)


def test_the_vector_of_a_modality_is_the_mean_of_its_real_tokens() -> None:
    states, mask = torch.randn(2, 3, 8), torch.tensor([[True, True, False], [False] * 3])
    states[0, 2] = torch.nan
    pool = Pool(8)
    nn.init.normal_(pool.norm.bias)
    found = pool(states, mask)
    assert torch.allclose(found[0], pool.norm(states[0, :2].mean(0)), atol=1e-6)
    assert not found[1].any()


# -- tensors -----------------------------------------------------------------------------------


def both_tensor_fusions(widths: dict[str, int], dtype: torch.dtype) -> tuple[TensorFusion, LowRank]:
    """Tensor fusion with random weights, and the low-rank one that is equal to it."""
    width, factors = SMALL["width"], 1 + 3
    rank = factors ** (len(widths) - 1)
    tensor = make(TensorFusion, widths, factor_width=3).to(dtype)
    low_rank = make(LowRank, widths, factor_width=3, rank=rank).to(dtype)
    low_rank.factors.load_state_dict(tensor.factors.state_dict())
    # W[d, i, .., j, k] = sum over all (i, .., j) of e_i x .. x e_j x W[d, i, .., j, :]
    whole = tensor.join.weight.detach().view(width, rank, factors)
    *names, last = widths
    with torch.no_grad():
        for place, name in enumerate(names):
            index = torch.arange(rank) // factors ** (len(names) - 1 - place) % factors  # [R]
            one = functional.one_hot(index, factors).to(dtype)  # [R, 1 + F]
            low_rank.weights[name].copy_(one[:, :, None].expand(-1, -1, width))
        low_rank.weights[last].copy_(whole.permute(1, 2, 0))
        low_rank.bias.copy_(tensor.join.bias)
    return tensor, low_rank


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_low_rank_at_full_rank_is_tensor_fusion(
    count: int, dtype: torch.dtype, limit: float, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    tensor, low_rank = both_tensor_fusions(widths(count), dtype)
    lacking = {"a": [0], "b": [1, 2], "c": [2]} if count > 1 else None
    tokens = tokens_of(count, lacking=lacking, dtype=dtype)
    found, wanted = pooled_of(low_rank, tokens), pooled_of(tensor, tokens)
    assert found.dtype == dtype and wanted.abs().max() > 0.1
    assert (found - wanted).abs().max() < limit


def test_tensor_fusion_is_the_weighted_outer_product(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion, tokens = make(TensorFusion, widths(3), factor_width=3), tokens_of(3)
    a, b, c = fusion.eval().factors(tokens)
    assert all(torch.equal(one[:, 0], torch.ones(6)) for one in (a, b, c))
    weights = fusion.join.weight.view(-1, 4, 4, 4)
    wanted = torch.einsum("bi,bj,bk,dijk->bd", a, b, c, weights) + fusion.join.bias
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-5)


def test_what_is_missing_leaves_the_products_of_the_others(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = make(TensorFusion, widths(2), factor_width=3), tokens_of(2, lacking={"b": [0]})
    a, _ = fusion.eval().factors(tokens)
    of_a_alone = fusion.join.weight.view(-1, 4, 4)[:, :, 0]  # [D, 1 + F]
    wanted = of_a_alone @ a[0] + fusion.join.bias
    assert torch.allclose(pooled_of(fusion, tokens)[0], wanted, atol=1e-6)


def test_low_rank_is_tensor_fusion_by_a_sum_of_outer_products(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    """Equations 5 and 6 of the paper, with the tensor that the implementation never makes."""
    fusion, tokens = make(LowRank, widths(3), factor_width=3, rank=2), tokens_of(3)
    a, b, c = fusion.eval().factors(tokens)
    weights = torch.zeros(SMALL["width"], 4, 4, 4)
    for rank in range(2):
        for answer in range(SMALL["width"]):
            u, v, w = (fusion.weights[name][rank, :, answer] for name in "abc")
            weights[answer] += u[:, None, None] * v[:, None] * w
    for row in range(6):
        outer = a[row][:, None, None] * b[row][:, None] * c[row]
        wanted = (weights * outer).sum((1, 2, 3)) + fusion.bias
        assert torch.allclose(pooled_of(fusion, tokens)[row], wanted, atol=1e-5)


def test_a_tensor_that_is_too_large_says_so() -> None:
    with pytest.raises(ConfigError, match=r"(?s)4 modalities would have 1,185,921.*low_rank"):
        make(TensorFusion, dict.fromkeys("abcd", 4), factor_width=32)


# -- FiLM --------------------------------------------------------------------------------------


def without_weights(fusion: FiLM) -> FiLM:
    for parameter in fusion.conditions.parameters():
        nn.init.zeros_(parameter)
    return fusion


@pytest.mark.parametrize("main", ["a", "b"])
@pytest.mark.parametrize("num_layers", [0, 2])
def test_film_with_gamma_1_and_beta_0_is_the_main_modality_alone(
    main: str, num_layers: int, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = without_weights(make(FiLM, widths(3), main=main, num_layers=num_layers))
    alone = make(FiLM, {main: widths(3)[main]}, num_layers=num_layers)
    alone.load_state_dict({n: fusion.state_dict()[n] for n in alone.state_dict()})
    tokens = tokens_of(3, lacking={"c": [0]})
    found = pooled_of(fusion, tokens)
    assert torch.equal(found, pooled_of(alone, {main: tokens[main]}))
    states, mask = fusion.streams[main](tokens[main])
    assert torch.equal(found, fusion.pool(states, mask))


def test_film_scales_and_shifts(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion, tokens = make(FiLM, widths(3), num_layers=0), tokens_of(3, lacking={"c": [0]})
    vectors, _ = fusion.eval().others(tokens)
    given = [layer(one) for layer, one in zip(fusion.conditions.values(), vectors, strict=True)]
    given[1][0] = 0.0
    delta, beta = (given[0] + given[1]).chunk(2, dim=1)
    states, mask = fusion.streams["a"](tokens["a"])
    wanted = fusion.pool((1 + delta)[:, None] * states + beta[:, None], mask)
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-6)


def test_film_without_its_main_modality_is_said_by_the_others(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = make(FiLM, widths(2))
    missing = pooled_of(fusion, tokens_of(2, lacking={"a": range(6)}))
    assert missing.std(0).min() > 0
    same = pooled_of(without_weights(fusion), tokens_of(2, lacking={"a": range(6)}))
    assert torch.allclose(same, same[:1].expand_as(same), atol=1e-6)


def test_film_of_an_unknown_modality_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no modality 'imaeg' \(did you mean 'image'"):
        make(FiLM, {"image": 4, "text": 4}, main="imaeg")


# -- gates -------------------------------------------------------------------------------------


def opened(fusion: Gated, modality: int, by: float = 200.0) -> Gated:
    nn.init.zeros_(fusion.gates.weight)
    nn.init.zeros_(fusion.gates.bias)
    with torch.no_grad():
        fusion.gates.bias.view(len(fusion.modalities), -1)[modality] = by
    return fusion


@pytest.mark.parametrize("modality", [0, 1, 2])
def test_a_gate_at_its_limit_is_one_modality(
    modality: int, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = opened(make(Gated, widths(3)), modality)
    name = "abc"[modality]
    alone = make(Gated, {name: widths(3)[name]})
    alone.load_state_dict({n: fusion.state_dict()[n] for n in alone.state_dict()})
    tokens = tokens_of(3)
    assert torch.allclose(
        pooled_of(fusion, tokens), pooled_of(alone, {name: tokens[name]}), atol=1e-6
    )


def test_a_gate_towards_what_is_missing_lets_the_other_through(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = opened(make(Gated, widths(2)), 0), tokens_of(2, lacking={"a": range(6)})
    wanted = fusion.candidates["b"](fusion.eval().vectors.of("b", tokens["b"])).tanh()
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-6)


def test_gates_of_two_are_the_tied_ones_of_the_paper(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion, tokens = make(Gated, widths(2)), tokens_of(2)
    a, b = (fusion.eval().vectors.of(name, tokens[name]) for name in "ab")
    weight_a, weight_b = fusion.gates.weight.chunk(2)
    bias_a, bias_b = fusion.gates.bias.chunk(2)
    both = torch.cat([a, b], dim=1)
    z = (both @ (weight_a - weight_b).T + bias_a - bias_b).sigmoid()
    wanted = z * fusion.candidates["a"](a).tanh() + (1 - z) * fusion.candidates["b"](b).tanh()
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-6)


# -- the bottleneck ----------------------------------------------------------------------------


def test_a_bottleneck_without_exchange_is_the_own_streams(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = make(Bottleneck, widths(2), fusion_layers=0)
    assert fusion.bottleneck is None
    tokens = tokens_of(2, lacking={"b": [1]})
    alone = []
    for name in "ab":
        one = make(Bottleneck, {name: widths(2)[name]})
        one.load_state_dict({n: fusion.state_dict()[n] for n in one.state_dict()})
        alone.append(pooled_of(one, {name: tokens[name]}))
    wanted = (alone[0] + alone[1]) / 2
    wanted[1] = alone[0][1]
    assert torch.allclose(pooled_of(fusion, tokens), wanted, atol=1e-6)


def test_a_bottleneck_of_one_modality_is_its_own_stream(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = make(Bottleneck, widths(1)), tokens_of(1)
    states, mask = fusion.streams["a"](tokens["a"])
    assert torch.equal(pooled_of(fusion, tokens), fusion.pools["a"](states, mask))


@pytest.mark.parametrize("exchange", ["mean", "in_turn"])
def test_the_exchange_is_as_said(tokens_of: TokensOf, widths: WidthsOf, exchange: str) -> None:
    """Sample by sample, on the real tokens of who is there."""
    fusion = make(Bottleneck, widths(3), num_layers=3, num_bottlenecks=2, exchange=exchange)
    tokens = tokens_of(3, lacking={"b": [1], "a": [2], "c": [2]})
    found = pooled_of(fusion, tokens)
    for row in range(6):
        states = {}
        for name, one in tokens.items():
            if one.mask[row].any():
                kept = one.states[row, one.mask[row]][None]
                real = Tokens(kept, torch.ones(kept.shape[:2], dtype=torch.bool))
                states[name], _ = fusion.streams[name].enter(real)
                states[name] = fusion.streams[name].blocks[0](states[name])
        shared = fusion.bottleneck[None]
        for layer in (1, 2):
            told = []
            for name in reversed(states):
                length = states[name].shape[1]
                out = fusion.streams[name].blocks[layer](torch.cat([states[name], shared], 1))
                states[name] = out[:, :length]
                told.append(out[:, length:])
                if exchange == "in_turn":
                    shared = told[-1]
            if exchange == "mean":
                shared = torch.stack(told).mean(0)
        vectors = [fusion.pools[n].norm(one.mean(1)) for n, one in states.items()]
        assert torch.allclose(found[row], torch.cat(vectors).mean(0), atol=1e-5)


def test_modalities_reach_each_other_through_the_bottleneck_alone(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    def states_of_a(fusion: Bottleneck, seed: int) -> Tensor:
        tokens = {**tokens_of(2), "b": tokens_of(2, seed=seed)["b"]}
        return fusion.eval()(tokens).states[:, :5]

    fusion = make(Bottleneck, widths(2))
    assert (states_of_a(fusion, 2) - states_of_a(fusion, 3)).abs().amax((1, 2)).min() > 1e-6
    silent = make(Bottleneck, widths(2), fusion_layers=0)
    assert torch.equal(states_of_a(silent, 2), states_of_a(silent, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion_layers": 1}, "nobody reads"),
        ({"fusion_layers": 3}, "more than the 2 layers"),
        ({"num_layers": 1}, "more than the 1 layers"),
    ],
)
def test_layers_of_a_bottleneck_that_make_no_sense(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bottleneck.Config(**settings)


# -- sizes -------------------------------------------------------------------------------------


def test_a_low_rank_sum_starts_at_the_size_of_one_number() -> None:
    """Whatever the rank and the number of modalities, so that no fusion begins blind or deaf."""
    for count, rank in ((1, 4), (2, 4), (3, 16)):
        torch.manual_seed(0)
        fusion = LowRank(
            LowRank.Config(width=64, factor_width=32, rank=rank), dict.fromkeys("abc"[:count], 4), 2
        )
        product = torch.ones(500, rank, 64)
        for weight in fusion.weights.values():
            product = product * torch.einsum("bf,rfd->brd", torch.randn(500, 33), weight)
        assert math.isclose(float(product.detach().sum(1).std()), 1.0, rel_tol=0.2)
