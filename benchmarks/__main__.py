"""``python -m benchmarks NAME [--quick] [--save | --json FILE]``, ``--list``, ``--setup``."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks import TABLE

DEVICES = ("cpu", "cuda")


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark.

    Returns:
        0; 1 where outputs differ or a benchmark's own check fails; 2 where it can't run.
    """
    given = sys.argv[1:] if arguments is None else arguments
    name = given[0] if given else ""
    if name in ("", "-h", "--help"):
        print(__doc__ + "\n\n" + listing() + "\n\nOptions of one: python -m benchmarks NAME --help")
        return 0
    if name == "--list":
        print(listing())
        return 0
    from benchmarks import peers

    if name == "--setup":
        return peers.set_up()
    if name not in TABLE:
        raise SystemExit(f"There is no benchmark {name!r}. There are:\n{listing()}")
    if not {"-h", "--help"} & set(given):
        peers.restart_with_peers(TABLE[name], given)
    module = importlib.import_module(f"benchmarks.{name}")
    from interlingua.errors import InterlinguaError

    try:
        return _run(module, name, given)
    except InterlinguaError as error:
        print(error, file=sys.stderr)
        return 2


def listing() -> str:
    """Every benchmark with the first line of its docstring, without importing any."""
    folder = Path(__file__).parent
    width = max(map(len, TABLE))
    lines = []
    for name in TABLE:
        path = folder / f"{name}.py"
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) if path.exists() else None
        lines.append(f"{name:{width}}  {(text or 'not written yet').splitlines()[0]}")
    return "\n".join(lines)


def parser_of(module: ModuleType, name: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have, and the module's own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: tiny sizes, 2 rounds")
    parser.add_argument("--rounds", type=int, help="timed rounds of each side (5; quick: 2)")
    parser.add_argument("--threads", type=int, help="of torch, for all sides (all cores)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--case", default="", help="only cases whose name holds this text")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--no-limits", action="store_true", help="leave the ceilings out")
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument("--json", type=Path, help="write the result there, charts beside it")
    keep.add_argument("--save", action="store_true", help="... to benchmarks/results/DATE-NAME")
    for hidden in ("--memory-of", "--memory-case", "--memory-file"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    if hasattr(module, "add_options"):
        module.add_options(parser)
    return parser


def _run(module: ModuleType, name: str, given: list[str]) -> int:
    options = parser_of(module, name).parse_args(given[1:])
    import torch

    from benchmarks import harness, machine, peers, results
    from interlingua.data.loader import available_cores
    from interlingua.device import pick_device

    pick_device(options.device)  # refuses what this machine lacks
    torch.set_num_threads(options.threads or available_cores())
    options.rounds = options.rounds or (2 if options.quick else 5)
    if options.memory_of:
        return _memory_child(module, options)
    chosen = []
    if not hasattr(module, "measure"):
        chosen = harness.select(module.cases(options), options.case)
        peers.restart_with_peers(sorted({one for case in chosen for one in case.needs}), given)
    description = machine.describe(options.device)
    print(
        f"{name}: {description['processor']}, {description['threads']} threads, "
        f"torch {description['versions']['torch']}, {options.device}",
        flush=True,
    )
    if description["load_before"] > 0.5:
        print(f"  the machine is busy (load {description['load_before']}): times mean little")
    charts: dict[str, str] = {}
    cases: list[Any] = []
    figures, limits, passed = None, None, True
    if hasattr(module, "measure"):
        findings = module.measure(options)
        print("\n".join(findings.lines))
        figures, passed, charts = findings.figures, findings.passed, findings.charts
    else:
        cases, limits, charts = _run_cases(chosen, options, given)
        passed = all(case.passed for case in cases)
    path = results.default_path(name) if options.save else options.json
    if path:
        kept = results.document(
            name, vars(options), description, limits, cases=cases, figures=figures, passed=passed
        )
        for file in results.write(path, kept, charts):
            print(f"written: {file}")
    if not passed:
        print("FAILED: outputs differ, or a check didn't hold (see above).", file=sys.stderr)
    return 0 if passed else 1


def _run_cases(
    chosen: list[Any], options: argparse.Namespace, given: list[str]
) -> tuple[list[Any], dict[str, Any] | None, dict[str, str]]:
    from benchmarks import chart, harness, machine, memory, results

    limits = None
    if not options.no_limits:
        limits = machine.measured_limits(options.device, quick=options.quick)
        print("\n".join(machine.limit_lines(limits)), flush=True)
    settings = harness.Settings(options.rounds, device=options.device)
    done = []
    for case in chosen:
        result = harness.run_case(case, settings, limits and limits["flops"])
        if result.passed and not options.no_memory and not case.axis:
            for side in result.sides:
                side.memory = memory.peak_in_child(given, case.name, side.name)
        done.append(result)
        print("\n".join(results.case_lines(result)), flush=True)
    return done, limits, chart.of_cases(done)


def _memory_child(module: ModuleType, options: argparse.Namespace) -> int:
    from benchmarks import memory

    case = next(case for case in module.cases(options) if case.name == options.memory_case)
    side = next(side for side in case.sides if side.name == options.memory_of)
    answer = memory.peak_of_side(side, options.device, case.memory_rounds)
    Path(options.memory_file).write_text(json.dumps(answer), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
