"""The contract that every fusion of the table keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from interlingua.config import resolve, to_plain, validate
from interlingua.errors import ConfigError, DataError
from interlingua.fusion import TABLE
from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.tokens import Tokens

TokensOf = Callable[..., dict[str, Tokens]]
WidthsOf = Callable[[int], dict[str, int]]

SMALL = {"width": 8, "num_heads": 2, "hidden_width": 12, "num_layers": 2}
ANSWERS = 4
# one case or more for each fusion of the table
CASES: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in TABLE} | {
    "tensor": ("tensor", {"factor_width": 3}),
    "low_rank": ("low_rank", {"factor_width": 5, "rank": 3}),
    "cross_attention-one_way": ("cross_attention", {"direction": "one_way"}),
    "cross_attention-deep": ("cross_attention", {"fusion_layers": 2}),
    "bottleneck-no_exchange": ("bottleneck", {"fusion_layers": 0}),
    "bottleneck-late": ("bottleneck", {"num_layers": 3}),
    "film-no_blocks": ("film", {"num_layers": 0}),
    "align": ("align", {"num_layers": 1, "vector_width": 5,
                        "inner": {"name": "cross_attention", **SMALL, "num_layers": 1}}),
    "align-late": ("align", {"inner": {"name": "late_average", **SMALL}}),
}  # fmt: skip
LACKING = {"a": [0, 3], "b": [1], "c": [0, 2], "d": [0, 1]}


def config_of(case: str, **changes: Any) -> FusionConfig:
    name, settings = CASES[case]
    config: FusionConfig = validate(
        resolve("fusion", name).Config, {"name": name, **SMALL, **settings, **changes}, "test"
    )
    return config


def build(case: str, widths: dict[str, int], seed: int = 0, **changes: Any) -> Fusion:
    torch.manual_seed(seed)
    fusion: Fusion = config_of(case, **changes).build(widths, ANSWERS)
    return fusion


def pooled_of(fusion: Fusion, tokens: dict[str, Tokens]) -> Tensor:
    pooled = fusion(tokens).pooled
    assert pooled is not None
    return pooled


def outputs_of(fusion: Fusion, tokens: dict[str, Tokens]) -> SimpleNamespace:
    outputs = SimpleNamespace(vectors={}, owner={}, scale=torch.ones(()))
    if fusion.aligns:
        fusion.fill_vectors(outputs, tokens)
    return outputs


def loss_of(fusion: Fusion, tokens: dict[str, Tokens]) -> Tensor:
    """Something that every number of what a fusion gives has a part in."""
    pooled = pooled_of(fusion, tokens)
    weights = torch.arange(pooled.numel(), dtype=pooled.dtype).view_as(pooled).cos()
    total = (pooled * weights).sum()
    outputs = outputs_of(fusion, tokens)
    for number, vectors in enumerate(outputs.vectors.values()):
        target = torch.arange(vectors.numel(), dtype=vectors.dtype).add(number).view_as(vectors)
        total = total + outputs.scale * (vectors * target.sin()).sum()
    return total


def gradients(fusion: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in fusion.named_parameters() if p.grad is not None}


def test_every_fusion_of_the_table_has_a_case() -> None:
    assert {name for name, _ in CASES.values()} == set(TABLE)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shapes_with_any_number_of_modalities(
    case: str, count: int, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    tokens = tokens_of(count, lacking=LACKING if count > 1 else None)
    fusion = build(case, widths(count)).eval()
    joined = fusion(tokens)
    wanted = ANSWERS if fusion.decides else fusion.config.width
    assert fusion.modalities == tuple(tokens)
    assert joined.pooled is not None and fusion.pooled_width == wanted
    assert joined.pooled.shape == (6, wanted) and joined.pooled.dtype == torch.float32
    assert joined.pooled.isfinite().all()
    assert joined.pooled.std(0).min() > 0  # it says something of the samples
    if joined.states is not None:
        assert joined.mask is not None and joined.states.shape[:2] == joined.mask.shape
        assert joined.states.shape[2] == fusion.config.width and joined.states.isfinite().all()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_parameter_gets_a_gradient(
    case: str, count: int, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = build(case, widths(count)).train()
    loss_of(fusion, tokens_of(count, lacking=LACKING if count > 1 else None)).backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.requires_grad and parameter.grad is not None, name
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("case", CASES)
def test_saving_and_loading_is_exact(
    case: str, tokens_of: TokensOf, widths: WidthsOf, tmp_path: Path
) -> None:
    tokens = tokens_of(3, lacking=LACKING)
    fusion, again = (build(case, widths(3), seed).eval() for seed in (0, 1))
    before = pooled_of(fusion, tokens)
    assert not torch.equal(pooled_of(again, tokens), before)
    save_file({k: v.contiguous() for k, v in fusion.state_dict().items()}, tmp_path / "fusion")
    again.load_state_dict(load_file(tmp_path / "fusion"))
    assert torch.equal(pooled_of(again, tokens), before)


@pytest.mark.parametrize("case", CASES)
def test_same_seed_gives_the_same_numbers(case: str, tokens_of: TokensOf, widths: WidthsOf) -> None:
    first, second = build(case, widths(2), 3), build(case, widths(2), 3)
    other = build(case, widths(2), 4)
    states = [fusion.state_dict() for fusion in (first, second, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    tokens = tokens_of(2)
    torch.manual_seed(5)
    trained = pooled_of(first.train(), tokens)  # dropout is drawn from torch's generator
    torch.manual_seed(5)
    assert torch.equal(pooled_of(second.train(), tokens), trained)


@pytest.mark.parametrize("case", CASES)
def test_dropout_acts_in_training_only(case: str, tokens_of: TokensOf, widths: WidthsOf) -> None:
    tokens = tokens_of(2)
    changes = {"dropout": 0.5}
    if case.startswith("align"):  # what is joined is joined by the inner fusion
        changes = {"inner": {**to_plain(config_of(case).inner), **changes}}  # type: ignore[attr-defined]
    fusion = build(case, widths(2), **changes)
    assert not torch.equal(pooled_of(fusion.train(), tokens), pooled_of(fusion.train(), tokens))
    assert torch.equal(pooled_of(fusion.eval(), tokens), pooled_of(fusion.eval(), tokens))


@pytest.mark.parametrize("case", CASES)
def test_settings_survive_as_plain_data_and_misspelt_ones_are_named(case: str) -> None:
    config = config_of(case)
    plain = to_plain(config)
    assert validate(type(config), plain, "test") == config
    with pytest.raises(ConfigError, match=r"hiden_width.*did you mean 'hidden_width'"):
        validate(type(config), {**plain, "hiden_width": 3}, "test")
    with pytest.raises(ConfigError, match="3 heads do not divide a width of 8"):
        validate(type(config), {**plain, "num_heads": 3}, "test")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, 1e30])
def test_what_is_masked_changes_nothing(
    case: str, junk: float, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    """Neither the outputs nor a gradient, be it padding or a whole modality."""
    fusion = build(case, widths(3)).eval()
    found: list[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]] = []
    for content in (0.5, junk):
        tokens = {
            name: replace(one, states=one.states.masked_fill(~one.mask[..., None], content))
            for name, one in tokens_of(3, lacking=LACKING).items()
        }
        for one in tokens.values():
            one.states.requires_grad_()
        fusion.zero_grad()
        loss_of(fusion, tokens).backward()
        by_input = {name: one.states.grad for name, one in tokens.items()}
        found.append((pooled_of(fusion, tokens).detach(), gradients(fusion), by_input))
        for name, one in tokens.items():
            assert not by_input[name][~one.mask].any()
            assert by_input[name][one.mask].abs().sum() > 0
    (pooled, of_parameters, of_inputs), (junked, *others) = found
    assert torch.equal(pooled, junked)
    for before, after in zip((of_parameters, of_inputs), others, strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("case", CASES)
def test_samples_are_alone_and_their_order_is_irrelevant(
    case: str, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    tokens = tokens_of(3, lacking=LACKING)
    fusion = build(case, widths(3)).eval()
    whole = pooled_of(fusion, tokens)
    for rows in (torch.tensor([4, 2, 0, 5, 1, 3]), torch.tensor([0]), torch.tensor([1, 5])):
        some = {n: Tokens(one.states[rows], one.mask[rows]) for n, one in tokens.items()}
        assert torch.allclose(pooled_of(fusion, some), whole[rows], atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_all_modalities_are_heard(case: str, tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = build(case, widths(3)).eval()
    whole = pooled_of(fusion, tokens_of(3))
    for name in fusion.modalities:
        without = pooled_of(fusion, tokens_of(3, lacking={name: [0, 1]}))
        assert (without[:2] - whole[:2]).abs().amax(1).min() > 1e-6
        assert torch.allclose(without[2:], whole[2:], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_a_sample_may_lack_all_but_one_or_everything(
    case: str, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion = build(case, widths(3)).eval()
    lacking = {"a": [0, 1, 3, 4], "b": [0, 2, 3, 4], "c": [1, 2, 3, 4]}
    tokens = tokens_of(3, lacking=lacking)  # 0 has c, 1 has b, 2 has a, 3 and 4 have nothing
    loss_of(fusion, tokens).backward()
    assert all(grad.isfinite().all() for grad in gradients(fusion).values())
    pooled = pooled_of(fusion.eval(), tokens).detach()
    assert pooled.isfinite().all()
    assert torch.allclose(pooled[3], pooled[4])  # nothing is nothing, whatever it holds
    for row in range(3):
        assert not torch.allclose(pooled[row], pooled[3], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_autocast_to_bf16_stays_near(case: str, tokens_of: TokensOf, widths: WidthsOf) -> None:
    tokens = tokens_of(3, lacking=LACKING)
    fusion = build(case, widths(3)).eval()
    exact = pooled_of(fusion, tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(fusion, tokens)
        rough = pooled_of(fusion, tokens)
    loss.backward()
    assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(grad.isfinite().all() for grad in gradients(fusion).values())


@pytest.mark.parametrize("case", sorted({*CASES} - {"film-no_blocks"}))  # no block, no hidden layer
@pytest.mark.parametrize("count", [1, 2])
def test_knobs_change_the_number_of_parameters(case: str, count: int, widths: WidthsOf) -> None:
    def size(**changes: int) -> int:
        return sum(one.numel() for one in build(case, widths(count), **changes).parameters())

    config = config_of(case)
    assert config.knobs[0] == "hidden_width"
    for knob in config.knobs:
        before = getattr(config, knob)
        sizes = [size(**{knob: value}) for value in (1, before, before + 1, 2 * before)]
        assert sizes == sorted(set(sizes)), knob


@pytest.mark.parametrize("case", CASES)
def test_a_fusion_of_nothing_is_refused(case: str) -> None:
    with pytest.raises(ConfigError, match="one modality at least"):
        build(case, {})


@pytest.mark.parametrize("case", CASES)
def test_tokens_without_states_are_refused(
    case: str, tokens_of: TokensOf, widths: WidthsOf
) -> None:
    tokens = {name: replace(one, states=None) for name, one in tokens_of(2).items()}
    with pytest.raises(DataError, match="needs tokens with states and a mask"):
        build(case, widths(2))(tokens)


@pytest.mark.parametrize("case", CASES)
def test_only_what_aligns_has_vectors(case: str, tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = build(case, widths(2))
    assert fusion.aligns == case.startswith("align")
    if not fusion.aligns:
        with pytest.raises(ConfigError, match=r"(?s)has no vectors to align.*fusion align"):
            fusion.fill_vectors(SimpleNamespace(), tokens_of(2))


def test_an_unknown_fusion_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no 'bottelneck' in fusion \(did you mean 'bottleneck'"):
        resolve("fusion", "bottelneck")
