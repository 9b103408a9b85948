"""Rules, reports and refusals of the declarative layout, on small modules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interlingua.errors import LayoutError
from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import TRANSPOSED, Rule

HERE = Path("a.file")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 6) for _ in range(2))
        self.turned = nn.Linear(3, 4, bias=False)


class Memory:
    """A file format that keeps its tensors in memory."""

    def __init__(self, tensors: Mapping[str, Tensor] | None = None) -> None:
        self.tensors = dict(tensors or {})

    def layout(self) -> Layout:
        return Layout(
            name="memory",
            rules=(
                Rule("blocks.{i}.{p}", ("layer_{i}/q/{p}", "layer_{i}/k/{p}", "layer_{i}/v/{p}")),
                Rule("turned.weight", "turned/kernel", TRANSPOSED),
            ),
            ignored={"decoder/*": "not built", "version": "a setting"},
            read_tensors=lambda path: self.tensors,
            write_tensors=lambda tensors, path: self.tensors.update(tensors),
        )


def written(net: Net) -> Memory:
    memory = Memory()
    memory.layout().write(net, HERE)
    return memory


def test_writing_splits_and_turns() -> None:
    net = Net()
    tensors = written(net).tensors
    assert set(tensors) == {
        *(f"layer_{i}/{x}/{p}" for i in (0, 1) for x in "qkv" for p in ("weight", "bias")),
        "turned/kernel",
    }
    assert torch.equal(tensors["layer_1/k/weight"], net.blocks[1].weight[2:4])
    assert torch.equal(tensors["turned/kernel"], net.turned.weight.t())


def test_reading_fills_a_module_on_the_meta_device_exactly() -> None:
    net = Net()
    memory = written(net)
    memory.tensors |= {"decoder/a/b": torch.ones(1), "version": torch.ones(())}
    with torch.device("meta"):
        other = Net()
    report = memory.layout().read(HERE, other)
    assert report.fits
    assert sorted(report.loaded) == sorted(net.state_dict())
    assert report.ignored == {"decoder/a/b": "not built", "version": "a setting"}
    for name, tensor in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    assert all(parameter.requires_grad for parameter in other.parameters())


def test_values_take_the_dtype_of_the_module() -> None:
    memory = written(Net())
    memory.tensors = {name: tensor.half() for name, tensor in memory.tensors.items()}
    net = Net()
    memory.layout().read(HERE, net)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.pop("layer_1/k/bias"), r"missing \(1\): blocks\.1\.bias"),
        (lambda t: t.update(extra=torch.ones(1)), r"unexpected \(1\): extra"),
        (
            lambda t: t.update({"turned/kernel": torch.ones(4, 3)}),
            r"misshapen \(1\): turned\.weight \(\(3, 4\) in the file, \(4, 3\) wanted\)",
        ),
        (
            lambda t: t.update({"layer_0/q/weight": torch.ones(2, 5)}),
            r"misshapen \(1\): blocks\.0\.weight \(parts that don't join",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(change, complaint) -> None:  # type: ignore[no-untyped-def]
    memory = written(Net())
    change(memory.tensors)
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(LayoutError, match=complaint) as caught:
        memory.layout().read(HERE, net)
    assert caught.value.where == "a.file"
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_long_lists_are_cut() -> None:
    memory = written(Net())
    memory.tensors |= {f"extra_{i}": torch.ones(1) for i in range(20)}
    with pytest.raises(LayoutError, match=r"unexpected \(20\): .*, \.\.\.") as caught:
        memory.layout().read(HERE, Net())
    assert len(str(caught.value)) < 400


def test_a_module_with_a_tensor_without_a_rule_is_not_written() -> None:
    net = Net()
    net.extra = nn.Linear(1, 1)
    with pytest.raises(LayoutError, match=r"no rule for .*extra\.bias"):
        Memory().layout().write(net, HERE)
    with pytest.raises(LayoutError, match=r"missing \(2\): extra\.weight, extra\.bias"):
        written(Net()).layout().read(HERE, net)
