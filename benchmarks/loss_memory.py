"""Memory and time of the contrastive loss alone, forward and backward, as the batch grows.

Ours and open_clip's ``ClipLoss`` (``--loss sigmoid``: ``SigLipLoss``) on the same random vectors,
as they are called by a training in one process. Loss and gradients are compared first. Times are
of interleaved rounds in one process; memory is that of a fresh process for each side and size, less
what it held before. A size that doesn't fit open_clip is left out there, and its memory is drawn
on from the largest one that did, with B². Gradient errors against fp64 stand beside it, also
for open_clip under bf16 autocast, as it trains by default.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import chart, harness, memory
from benchmarks.compare import relatively_apart
from benchmarks.harness import Case, Check, Findings, Prepared, Side
from interlingua.objectives.info_nce import info_nce
from interlingua.objectives.sigmoid import sigmoid_loss

OURS, PEER = "interlingua", "open_clip"
SIZES = (8192, 16_384, 32_768, 65_536)
GOAL_AT, GOAL_RATIO = 32_768, 10  # open_clip's memory over ours
SLOPE = 1.1  # of ours in B, both on logarithmic axes: 1 is linear, 2 is what logits would take
ERROR_SIZE = 2048
# [B, B] matrices in fp32 that open_clip holds at its peak, rounded up: only decides what to leave
# out.
PEER_MATRICES = 6

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--sizes", nargs="+", type=int, help=f"batches {SIZES}")
    parser.add_argument("--width", type=int, default=512, help="of the vectors")
    parser.add_argument("--scale", type=float, default=50.0, help="inverse temperature")
    parser.add_argument("--loss", default="info_nce", choices=("info_nce", "sigmoid"))
    parser.add_argument("--all-peers", action="store_true", help="leave no size out")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One for each size."""
    for size in options.sizes or ((256, 512) if options.quick else SIZES):
        sides = [Side(OURS, lambda size=size: _prepare(OURS, size, options))]
        if options.all_peers or PEER_MATRICES * 4 * size**2 < _available(options.device):
            sides.append(Side(PEER, lambda size=size: _prepare(PEER, size, options), goal=1.0))
        yield Case(
            f"B = {size}", sides, amount=size, unit="pairs", compare=_compare, axis="batch", at=size
        )


def measure(options: argparse.Namespace) -> Findings:
    """Times, memory, and what they come to."""
    settings = harness.Settings(options.rounds, device=options.device)
    rows: list[dict[str, Any]] = []
    agree = True
    for case in cases(options):
        result = harness.run_case(case, settings)
        agree &= result.passed
        row: dict[str, Any] = {"batch": int(case.at), **result.plain()}
        if result.passed and not options.no_memory:
            row["memory"] = {side.name: _memory(case, side, options) for side in case.sides}
        rows.append(row)
        print(_line(result, row.get("memory", {})), flush=True)  # large sizes take minutes
    errors = gradient_errors(options)
    figures: dict[str, Any] = {"rows": rows, "gradient_errors": errors, **_growth(rows)}
    series = {
        name: [(row["batch"], row["memory"][name]["added"]) for row in rows if _known(row, name)]
        for name in (OURS, PEER)
    }
    series = {name: points for name, points in series.items() if points}
    title = "Memory of the loss in MB, forward and backward"
    charts = {"memory": chart.lines(title, series, "batch", logarithmic=True)} if series else {}
    return Findings(figures, _summary(figures), agree and figures.get("held", True), charts)


def loss_of(name: str, side: str) -> Loss:
    """The loss of a side as a function of vectors, scale and bias."""
    if side == OURS and name == "info_nce":
        return lambda a, b, scale, bias: info_nce(a, b, scale)
    if side == OURS:
        return sigmoid_loss
    from open_clip.loss import ClipLoss, SigLipLoss

    if name == "info_nce":
        clip = ClipLoss()
        return lambda a, b, scale, bias: clip(a, b, scale)
    return SigLipLoss()


def definition(name: str, a: Tensor, b: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """The losses as the papers have them, with whole matrices."""
    logits = scale * a @ b.T
    if name == "sigmoid":
        signs = 2 * torch.eye(len(a), dtype=a.dtype) - 1
        return -functional.logsigmoid(signs * (logits + bias)).sum() / len(a)
    both = logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()
    return -both.mean() / 2


def inputs(size: int, width: int, scale: float, device: str) -> list[Tensor]:
    """Two sides that belong together more or less, scale and bias; all want gradients."""
    generator = torch.Generator().manual_seed(size)
    a = torch.randn(size, width, generator=generator)
    b = torch.randn(size, width, generator=generator).mul_(5.0).add_(a)
    vectors = [functional.normalize(one, dim=1).to(device) for one in (a, b)]
    numbers = [torch.tensor(number, device=device) for number in (scale, -10.0)]
    return [one.requires_grad_() for one in (*vectors, *numbers)]


def _prepare(side: str, size: int, options: argparse.Namespace) -> Prepared:
    loss = loss_of(options.loss, side)
    given = inputs(size, options.width, options.scale, options.device)

    def run(_: int, of: list[Tensor] = given) -> list[Tensor]:
        for one in of:
            one.grad = None
        value = loss(*of)
        value.backward()
        return [value.detach(), *(one.grad for one in of[:3] if one.grad is not None)]

    run(
        0, inputs(64, options.width, options.scale, options.device)
    )  # what only the first call does
    return Prepared(run, lambda: [one.clone() for one in run(0)])


def _compare(ours: list[Tensor], peer: list[Tensor]) -> list[Check]:
    checks = [relatively_apart(float(ours[0]), float(peer[0]), "loss", 1e-5)]
    for name, own, theirs in zip(("a", "b", "scale"), ours[1:], peer[1:], strict=True):
        error = float((own - theirs).norm() / theirs.norm())
        checks.append(Check(f"gradient by {name}: relative difference", error, 1e-4))
    return checks


def gradient_errors(options: argparse.Namespace) -> dict[str, float]:
    """The relative error of the gradient by the first side against fp64."""
    size = 256 if options.quick else ERROR_SIZE
    exact = [one.detach().double() for one in inputs(size, options.width, options.scale, "cpu")]

    def gradient(side: str, autocast: bool) -> Tensor:
        of = [one.float().requires_grad_() for one in exact]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = loss_of(options.loss, side)(*of)
        (found,) = torch.autograd.grad(value, of[0])
        return found.double()

    of = [one.clone().requires_grad_() for one in exact]
    (truth,) = torch.autograd.grad(definition(options.loss, *of), of[0])
    return {
        f"{side}{', bf16 autocast' if autocast else ''}": float(
            (gradient(side, autocast) - truth).norm() / truth.norm()
        )
        for autocast in (False, True)
        for side in (OURS, PEER)
    }


def _memory(case: Case, side: Side, options: argparse.Namespace) -> dict[str, float] | None:
    arguments = ["loss_memory", "--sizes", str(int(case.at)), "--all-peers"]
    for name in ("width", "scale", "loss", "device"):
        arguments += [f"--{name}", str(getattr(options, name))]
    arguments += ["--threads", str(torch.get_num_threads())]
    try:
        return memory.peak_in_child(arguments, case.name, side.name)
    except RuntimeError as error:  # a process that was killed for its memory
        print(f"  {error}")
        return None


def _growth(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The slope of our memory, and open_clip's over ours at the size of the goal."""
    ours = {row["batch"]: row["memory"][OURS]["added"] for row in rows if _known(row, OURS)}
    peer = {row["batch"]: row["memory"][PEER]["added"] for row in rows if _known(row, PEER)}
    found: dict[str, Any] = {}
    if len(ours) > 1:
        low, high = min(ours), max(ours)
        found["slope"] = math.log(ours[high] / ours[low]) / math.log(high / low)
    if GOAL_AT in ours and peer:
        largest = max(size for size in peer if size <= GOAL_AT)
        theirs = peer[largest] * (GOAL_AT / largest) ** 2
        found["ratio"] = theirs / ours[GOAL_AT]
        found["ratio_from"] = largest
        found["held"] = found["ratio"] >= GOAL_RATIO and found.get("slope", 0) <= SLOPE
    return found


def _known(row: dict[str, Any], side: str) -> bool:
    return bool(row.get("memory", {}).get(side))


def _line(result: harness.CaseResult, peaks: dict[str, Any]) -> str:
    if not result.passed:
        failed = [check for checks in result.checks.values() for check in checks]
        return f"{result.name}: outputs differ: {[dataclasses.asdict(one) for one in failed]}"
    parts = [f"{result.name:>10}"]
    for side in result.sides:
        peak = peaks.get(side.name)
        shown = f", +{peak['added']:,.0f} MB" if peak else ""
        parts.append(f"{side.name} {side.median:.3f} s{shown}")
    if result.ratios:
        parts.append(f"open_clip's time / ours {result.ratios[0].median:.2f}")
    else:
        parts.append("open_clip left out: its logits don't fit this machine's memory")
    return "; ".join(parts)


def _summary(figures: dict[str, Any]) -> list[str]:
    lines = []
    if "slope" in figures:
        lines.append(f"memory of ours grows with B to the power of {figures['slope']:.2f}")
    if "ratio" in figures:
        how = f"open_clip's drawn on from B = {figures['ratio_from']} with B²"
        how = "measured" if figures["ratio_from"] == GOAL_AT else how
        lines.append(f"memory at B = {GOAL_AT}: open_clip {figures['ratio']:.1f} x ours ({how})")
    for side, error in figures["gradient_errors"].items():
        lines.append(f"gradient error against fp64, {side}: {error:.1e}")
    return lines


def _available(device: str) -> float:
    """Bytes that a process may still take."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        known = {line.split(":")[0]: line.split()[1] for line in lines}
        return 1024.0 * int(known["MemAvailable"])
    except (OSError, KeyError):
        return math.inf
