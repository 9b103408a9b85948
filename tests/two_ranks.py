"""A program of two processes: what one of them could compute alone, they compute together.

``python two_ranks.py RANK PORT``, once for rank 0 and once for rank 1, with the same free port.
Each prints JSON at the end: by case, the traceback of what failed, or nothing.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from interlingua import ranks
from interlingua.batch import Batch, Media
from interlingua.models.dual_encoder import DualEncoderOutputs
from interlingua.objectives import tiles
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.objectives.info_nce import info_nce
from interlingua.objectives.sigmoid import SigmoidContrastive, sigmoid_loss
from interlingua.train.gradient_cache import cached_step

close = torch.testing.assert_close
SPLITS = [(5, 5), (6, 4), (9, 1), (10, 0), (0, 10)]
SAME = torch.tensor(
    [[0, 5], [1, 5], [2, 6], [0, 7], [3, 8], [4, 6], [5, -1], [6, 9], [0, 1], [7, 8]]
)


def unit(rows: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return functional.normalize(vectors, dim=1)


def own_rows(split: tuple[int, int]) -> slice:
    return slice(0, split[0]) if ranks.rank() == 0 else slice(split[0], sum(split))


# -- what ranks tell each other ---------------------------------------------------------------


def gather() -> None:
    everything = torch.arange(30).reshape(10, 3)
    for split in SPLITS:
        own = own_rows(split)
        assert ranks.sizes_of_ranks(len(everything[own])) == list(split)
        for dtype in (torch.int64, torch.float32, torch.float64, torch.uint8, torch.bool):
            rows, start = ranks.gather_rows(everything[own].to(dtype))
            assert torch.equal(rows, everything.to(dtype))
            assert start == own.start


def reduce() -> None:
    mine = torch.tensor([1.0, -torch.inf, torch.nan, -torch.inf]) + ranks.rank()
    close(ranks.sum_over_ranks(torch.tensor([1.0, 2.0]) + ranks.rank()), torch.tensor([3.0, 5.0]))
    close(ranks.max_over_ranks(torch.tensor([ranks.rank()])), torch.tensor([1]))
    mine[3] = 4.0 if ranks.rank() else -torch.inf
    together = ranks.logsumexp_over_ranks(mine)
    close(together[0], torch.tensor([1.0, 2.0]).logsumexp(0))
    assert together[1] == -torch.inf
    assert together[2].isnan()
    assert together[3] == 4.0


def names() -> None:
    assert ranks.names_of_ranks([["image", "text"], ["sprache ü", "text"]][ranks.rank()]) == [
        "image", "sprache ü", "text",
    ]  # fmt: skip
    assert ranks.names_of_ranks([[], ["text"]][ranks.rank()]) == ["text"]
    assert ranks.names_of_ranks([]) == []
    assert ranks.is_main() == (ranks.rank() == 0)


# -- losses -----------------------------------------------------------------------------------

Function = Callable[..., Tensor]


def value_and_gradients(loss: Function, a: Tensor, b: Tensor, numbers: Any, same: Any) -> Any:
    inputs = [one.clone().requires_grad_() for one in (a, b, *numbers)]
    value = loss(*inputs, same)
    (3 * value).backward()
    return value.detach(), [one.grad for one in inputs]


def prepare_losses() -> list[Any]:
    """Alone: the losses of the whole, before there are two ranks."""
    prepared = []
    single, double = torch.float32, torch.float64
    for loss, numbers, dtypes in (
        (info_nce, [20.0], (single, double)),
        (info_nce, [5000.0], (double,)),  # too large for one exponential per logit
        (sigmoid_loss, [10.0, -9.0], (single, double)),
    ):
        for dtype in dtypes:
            for same in (None, SAME, torch.zeros(10, 1, dtype=torch.int64)):
                inputs = [unit(10, 6, 1).to(dtype), unit(10, 6, 2).to(dtype)]
                inputs.append([torch.tensor(number, dtype=dtype) for number in numbers])
                inputs.append(same)
                prepared.append((loss, inputs, value_and_gradients(loss, *inputs)))
    return prepared


def losses(prepared: list[Any]) -> None:
    for loss, (a, b, numbers, same), (expected, gradients) in prepared:
        for split in SPLITS:
            own = own_rows(split)
            mine = None if same is None else same[own]
            value, found = value_and_gradients(loss, a[own], b[own], numbers, mine)
            tolerance = {"rtol": 1e-5, "atol": 1e-5}
            close(value, expected, **tolerance)
            everyone = ranks.gather_rows(value[None])[0]
            assert everyone[0] == everyone[1]
            close(found[0], gradients[0][own], **tolerance)
            close(found[1], gradients[1][own], **tolerance)
            for part, whole in zip(found[2:], gradients[2:], strict=True):
                close(ranks.sum_over_ranks(part), whole, **tolerance)


def bad_features() -> None:
    for loss, numbers in ((info_nce, [20.0]), (sigmoid_loss, [10.0, -9.0])):
        a = unit(4, 6, 3).float()
        if ranks.rank() == 0:
            a[1, 1] = torch.nan
        a.requires_grad_()
        value = loss(a, unit(4, 6, 4).float(), *map(torch.tensor, numbers))
        value.backward()
        assert value.isnan()
        assert ranks.sum_over_ranks(a.grad).isnan().any()


# Ten samples; what each has. With the split (6, 4), rank 1 has no image at all.
OWNERS = {"image": [0, 1, 2, 5], "text": [9, 0, 1, 2, 3, 5, 6], "sound": [2, 6, 7, 9]}


def outputs_of(samples: slice) -> tuple[SimpleNamespace, Batch]:
    vectors, owner = {}, {}
    for number, (view, owners) in enumerate(OWNERS.items()):
        rows = [row for row, one in enumerate(owners) if samples.start <= one < samples.stop]
        if rows:
            vectors[view] = unit(len(owners), 6, 10 + number)[rows].requires_grad_()
            owner[view] = torch.tensor([owners[row] - samples.start for row in rows])
    scale = torch.tensor(9.0, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-5.0, dtype=torch.float64, requires_grad=True)
    batch = Batch([str(number) for number in range(10)][samples], component=SAME[samples, 0])
    return SimpleNamespace(vectors=vectors, owner=owner, scale=scale, bias=bias), batch


def objectives() -> list[Any]:
    return [
        PairwiseContrastive(PairwiseContrastive.Config(weights={"image-sound": 0.5})),
        PairwiseContrastive(PairwiseContrastive.Config(mask_equal=False)),
        SigmoidContrastive(SigmoidContrastive.Config(weights={"image-text": 0.0})),
    ]


def prepare_pairs() -> list[Any]:
    prepared = []
    for objective in objectives():
        outputs, batch = outputs_of(slice(0, 10))
        loss = objective(outputs, batch)
        loss.total.backward()
        prepared.append((outputs, loss))
    return prepared


def pairs(prepared: list[Any]) -> None:
    """Views and samples that only one rank has; a rank without anything."""
    for objective, (whole, expected) in zip(objectives(), prepared, strict=True):
        for split in SPLITS:
            own = own_rows(split)
            outputs, batch = outputs_of(own)
            loss = objective(outputs, batch)
            assert loss.of_all_ranks
            assert loss.counts == expected.counts
            assert loss.parts.keys() == expected.parts.keys()
            close(loss.total, expected.total, rtol=1e-10, atol=1e-10)
            loss.total.backward()
            for view, vectors in outputs.vectors.items():
                rows = [row for row, one in enumerate(OWNERS[view]) if own.start <= one < own.stop]
                close(vectors.grad, whole.vectors[view].grad[rows], rtol=1e-8, atol=1e-12)
            close(ranks.sum_over_ranks(outputs.scale.grad), whole.scale.grad)


# -- gradient caching under DDP ---------------------------------------------------------------


class Towers(nn.Module):
    """Two small towers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = nn.Linear(5, 6), nn.Linear(4, 6)
        self.log_scale, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        self.double()

    def forward(self, batch: Batch, needs: Any = ()) -> DualEncoderOutputs:
        outputs = DualEncoderOutputs(scale=self.log_scale.exp(), bias=self.bias.clone())
        for view, media in batch.media.items():
            if len(media):
                outputs.vectors[view] = functional.normalize(getattr(self, view)(media.values))
                outputs.owner[view] = media.owner
        return outputs


def media_batch(samples: slice) -> Batch:
    numbers = torch.arange(10)
    media = {"image": unit(10, 5, 30), "text": unit(10, 4, 31)}
    return Batch(
        [str(number) for number in range(10)],
        {view: Media(numbers, 0 * numbers, values) for view, values in media.items()},
        component=SAME[:, 0],
    ).select(samples)


def prepare_caching() -> list[Any]:
    prepared = []
    for objective in objectives()[1:]:
        objective.config = type(objective).Config()
        model, batch = Towers(), media_batch(slice(0, 10))
        objective(model(batch), batch).total.backward()
        prepared.append((objective, {name: one.grad for name, one in model.named_parameters()}))
    return prepared


def caching(prepared: list[Any]) -> None:
    """Micro-batches of unequal ranks: gradients meet once and are those of one whole step."""
    for objective, expected in prepared:
        for split in SPLITS[:3]:
            for find_unused in {True, expected["bias"] is None}:  # DDP waits for all it knows
                model = nn.parallel.DistributedDataParallel(
                    Towers(), find_unused_parameters=find_unused
                )
                for _ in range(2):  # DDP makes its buckets anew after the first
                    model.zero_grad()
                    cached_step(
                        model, media_batch(own_rows(split)),
                        lambda outputs, batch, of=objective: 2 * of(outputs, batch).total,
                        objective.needs, 2, torch.float32, torch.device("cpu"),
                    )  # fmt: skip
                    for name, parameter in model.module.named_parameters():
                        if (whole := expected[name]) is not None:
                            close(parameter.grad, whole, rtol=1e-9, atol=1e-12)


def main() -> None:
    rank, port = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    tiles.CPU_TILE = 4
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    prepared = prepare_losses(), prepare_pairs(), prepare_caching()
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2,
        timeout=datetime.timedelta(seconds=20),
    )  # fmt: skip
    cases: dict[str, Callable[[], None]] = {
        "gather": gather,
        "reduce": reduce,
        "names": names,
        "losses": lambda: losses(prepared[0]),
        "bad_features": bad_features,
        "pairs": lambda: pairs(prepared[1]),
        "caching": lambda: caching(prepared[2]),
    }
    failures = {}
    for name, case in cases.items():
        try:
            case()
            failures[name] = ""
        except Exception:
            failures[name] = traceback.format_exc()
            break  # the other rank may wait within the case: it ends by its timeout
    print(json.dumps(failures), flush=True)
    distributed.destroy_process_group()
    # gloo's threads may abort an interpreter that shuts down ("terminate called without an active
    # exception"), after everything is said and done
    os._exit(0)


if __name__ == "__main__":
    main()
