"""What methods cost: floating point operations, seconds and memory, measured on the real thing.

Seconds are measured alone (no worker runs) and interleaved: round after round each method makes
one step, so that whatever else the machine does meets all of them. The median of the rounds
counts. One thread, as in training.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from interlingua.batch import Batch
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.plan import Method
from interlingua.comparison.rows.row import Costs
from interlingua.comparison.runs.answers import having
from interlingua.comparison.runs.run import (
    objectives_of,
    one_thread,
    stage_of,
    stream_of,
    training_things,
)
from interlingua.models.fused_classifier import FusedClassifier
from interlingua.train import optim, random_state
from interlingua.train.parallel import parallel_for
from interlingua.train.processes import ALONE
from interlingua.train.stages import Stage
from interlingua.train.step import Stepper
from interlingua.train.stream import ShuffledStream

SECONDS = 20.0  # for all timings together
FEWEST_ROUNDS, MOST_ROUNDS = 5, 30
MEASURES = (
    "step_flops", "answer_flops", "step_seconds", "answer_seconds", "alone_seconds", "kept_bytes",
    "state_bytes",
)  # fmt: skip

MEASURED = {
    "step_flops": "Matrix products, convolutions and attention of one training step (forward and "
    "backward), a multiply-add as two; elementwise work is not counted.",
    "answer_flops": "The same for the forward of one answer.",
    "step_seconds": "Median over rounds in which all methods take turns: batch, forward, backward, "
    "clipping, AdamW; one thread.",
    "answer_seconds": "The forward of one batch, divided by its size; median, one thread.",
    "alone_seconds": "The forward of a batch of one; median, one thread.",
    "kept_bytes": "What autograd keeps for backward of one training sample, parameters left out, "
    "each tensor once.",
    "state_bytes": "Trained parameters, their gradients and AdamW's two moments, in fp32.",
    "times": "Each cost divided by that of the dearest single modality. Frozen towers, whose "
    "outputs are cached, are in none of the costs.",
}


def count_flops(call: Callable[[], object]) -> int:
    """Floating point operations of matrix products, convolutions and attention in a call.

    torch doesn't count the attention kernel of the CPU (it gives 0), so its formula stands here.
    """
    aten = torch.ops.aten
    counter = FlopCounterMode(
        display=False,
        custom_mapping={
            aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        },
    )
    with counter:
        call()
    return int(counter.get_total_flops())


def kept_bytes(call: Callable[[], object], model: nn.Module) -> int:
    """Bytes that autograd keeps for the backward of a call, parameters left out, each once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    del result
    return sum(kept.values())


@dataclass(slots=True)
class Bench:
    """A method, ready to make steps and answers."""

    model: FusedClassifier
    stage: Stage
    stepper: Stepper
    optimizer: torch.optim.Optimizer
    stream: ShuffledStream
    many: Batch
    one: Batch

    def step(self) -> None:
        """One training step, as the loop makes it."""
        optim.training_mode(self.model)
        self.stepper.gradients(self.stream, self.stage, self.optimizer, 1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def answer(self, batch: Batch) -> None:
        """The forward of a batch."""
        self.model.eval()
        with torch.inference_mode():
            self.model(batch)

    def loss(self) -> object:
        """The forward of a training step, with all that backward needs."""
        optim.training_mode(self.model)
        outputs = self.model(self.many, needs=self.stepper.needs)
        return [objective(outputs, self.many) for objective, _ in self.stepper.objectives.values()]


def measure_costs(methods: Sequence[Method], folds: Folds, seed: int) -> dict[str, Costs]:
    """By key, what each method costs; with modality dropout it costs the same as without.

    Args:
        methods: all of them.
        folds: the first fold gives the batches.
        seed: of that fold.
    """
    plain = [method for method in methods if not method.dropout]
    with random_state.undisturbed(), one_thread():
        random_state.seed_all(0)
        benches = {method.key: _bench(method, folds, seed) for method in plain}
        costs = {key: _counted(bench) for key, bench in benches.items()}
        for key, seconds in _timed(benches).items():
            for name, value in seconds.items():
                setattr(costs[key], name, value)
    singles = [costs[method.key] for method in plain if method.single]
    for one in costs.values():
        one.times = multiples(one, singles)
    return costs


def multiples(costs: Costs, singles: Sequence[Costs]) -> dict[str, float]:
    """Each measure divided by the highest among the single modalities."""
    times = {}
    for name in MEASURES:
        dearest = max((getattr(one, name) for one in singles), default=0)
        if dearest:
            times[name] = getattr(costs, name) / dearest
    return times


def _bench(method: Method, folds: Folds, seed: int) -> Bench:
    fold = folds.open(0, seed).fold
    config = method.model(folds.task, fold)
    model: FusedClassifier = config.build()
    stage = stage_of(folds.task)
    device = torch.device("cpu")
    objectives = objectives_of(model, folds.task.budget.smoothing)
    stepper = Stepper(
        objectives, parallel_for("ddp", ALONE, torch.float32, device), ALONE, device, torch.float32
    )
    stepper.called = model
    things = training_things(fold, method.modalities)
    stream = stream_of(things, stage, 0, method.modalities)
    # a batch that has everything, as many as a step has
    whole = set.intersection(*(set(having(things, [name])) for name in method.modalities))
    rows = sorted(whole) or list(range(len(things)))
    rows = [rows[number % len(rows)] for number in range(stage.batch_size)]
    without = set(things.modalities) - set(method.modalities)
    return Bench(
        model,
        stage,
        stepper,
        optim.prepare(model, stage),
        stream,
        things.batch(rows, without=without),
        things.batch(rows[:1], without=without),
    )


def _counted(bench: Bench) -> Costs:
    """What is counted and not timed."""
    size = len(bench.many)
    drawn, bench.stream.make = bench.stream.make, lambda rows, random: bench.many
    step = count_flops(bench.step)
    bench.stream.make = drawn
    trained = sum(one.numel() for one in bench.model.parameters() if one.requires_grad)
    return Costs(
        batch_size=size,
        step_flops=step,
        answer_flops=count_flops(lambda: bench.answer(bench.many)) / size,
        step_seconds=0.0,
        answer_seconds=0.0,
        alone_seconds=0.0,
        kept_bytes=kept_bytes(bench.loss, bench.model) / size,
        state_bytes=4 * 4 * trained,
    )


def _timed(benches: dict[str, Bench]) -> dict[str, dict[str, float]]:
    """By method, the median seconds; the rounds are interleaved."""
    seconds: dict[str, dict[str, list[float]]] = {
        key: {"step_seconds": [], "answer_seconds": [], "alone_seconds": []} for key in benches
    }
    began = time.perf_counter()
    for number in range(1 + MOST_ROUNDS):
        if number > FEWEST_ROUNDS and time.perf_counter() - began > SECONDS:
            break
        for key, bench in benches.items():
            row = {
                "step_seconds": _seconds(bench.step),
                "answer_seconds": _seconds(bench.answer, bench.many) / len(bench.many),
                "alone_seconds": _seconds(bench.answer, bench.one),
            }
            if number:  # the first round warms up
                for name, value in row.items():
                    seconds[key][name].append(value)
    return {
        key: {name: statistics.median(values) for name, values in row.items()}
        for key, row in seconds.items()
    }


def _seconds(call: Callable[..., object], *given: object) -> float:
    began = time.perf_counter()
    call(*given)
    return time.perf_counter() - began


def _attention(query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> int:
    """Two products [Q, D] x [D, K] and [Q, K] x [K, V] in each head of each sample."""
    samples, heads, queries, width = query
    return int(2 * samples * heads * queries * key[-2] * (width + value[-1]))


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *rest: Any,
                        **more: Any) -> int:  # fmt: skip
    """The scores once more, then two products for each of the two: five in all."""
    samples, heads, queries, width = query
    return int(2 * samples * heads * queries * key[-2] * (3 * width + 2 * value[-1]))
