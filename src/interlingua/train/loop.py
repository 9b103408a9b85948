"""The one training loop. It knows no model, no loss and no dataset by name.

A step: batches from the stream, one forward through ``model(batch, needs=...)``, the
objectives, backward, clipping, the guard against non-finite numbers, AdamW, the model's
own ``after_step``, the moving average. Everything that decides the next step is in the
checkpoint, so a run that was killed and resumed ends with the same bits as one that was not.
In many processes each does the same steps on its share of every batch.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from interlingua import durable
from interlingua.errors import TrainingError
from interlingua.train import optim, random_state, saving
from interlingua.train.compiling import compile_in_place
from interlingua.train.distributed import present
from interlingua.train.ema import Average
from interlingua.train.interrupt import Interrupt
from interlingua.train.log import Display, Silent
from interlingua.train.memory import memory_explained
from interlingua.train.not_finite import Buffers, too_many_steps
from interlingua.train.parallel import Kind, Parallel, parallel_for
from interlingua.train.processes import Processes
from interlingua.train.records import Records
from interlingua.train.run_folder import RunFolder
from interlingua.train.run_state import FitResult, Progress
from interlingua.train.stages import Stage, give_settings, learning_rate
from interlingua.train.step import Objectives, Outcome, Stepper
from interlingua.train.stream import Stream
from interlingua.train.target_counts import mean_parts

Evaluate = Callable[[nn.Module], Mapping[str, Any]]


def fit(
    model: nn.Module,
    objectives: Objectives,
    stages: Sequence[Stage],
    stream_for: Callable[[Stage], Stream],
    run: RunFolder,
    *,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    display: Display | None = None,
    max_skipped_in_a_row: int = 10,
    distributed: Kind = "ddp",
    compile_blocks: bool = False,
) -> FitResult:
    """Train through all stages.

    Args:
        model: called as ``model(batch, needs={...})``; may have ``after_step(step)`` and
            ``enter_stage(settings)``. It ends with the averaged weights where the last stage
            keeps an average; under FSDP2 it stays cut over the processes.
        objectives: by name: the loss and its weight.
        stages: one after another, with a fresh optimizer each.
        stream_for: the batches of a stage, from their beginning; this process' shares of them.
        run: where checkpoints and metrics go; all processes must see one folder.
        device: where the model and the batches are moved.
        precision: bf16 runs the forward under autocast.
        evaluate: figures of the model, called every ``evaluate_every`` steps and at the end, in
            the main process.
        resume: go on from the newest good checkpoint (from the beginning where there is none
            yet); False needs a folder without one.
        display: is told of the progress, in the main process.
        max_skipped_in_a_row: non-finite steps after which the run stops.
        distributed: how several processes share the model.
        compile_blocks: compile the towers' blocks in place.

    Raises:
        TrainingError: nothing but non-finite numbers, the folder is in use, or another
            process is gone.
        CheckpointError: every checkpoint is damaged, or one can't be written.
        ConfigError: a stage names parameters that don't exist.
    """
    processes = present()
    chosen = torch.device(device)
    with ExitStack() as stack:
        stack.enter_context(processes.explained())
        stack.enter_context(durable.room_explained(run.path))
        if processes.is_main:
            stack.enter_context(run.locked())
        parallel = parallel_for(distributed, processes, precision, chosen)
        shown = (display if processes.is_main else None) or Silent()
        training = Training(
            model, stages, stream_for, run, chosen, evaluate, max_skipped_in_a_row,
            processes, parallel, Stepper(objectives, parallel, processes, chosen, precision),
            Records(run, shown, chosen, silent=not processes.is_main),
        )  # fmt: skip
        stack.callback(training.close)
        training.begin(resume, compile_blocks)
        return training.run_to_end()


@dataclass(slots=True)
class Training:
    """One run in this process; made by ``fit``."""

    model: nn.Module
    stages: Sequence[Stage]
    stream_for: Callable[[Stage], Stream]
    run: RunFolder
    device: torch.device
    evaluate: Evaluate | None
    max_skipped_in_a_row: int
    processes: Processes
    parallel: Parallel
    stepper: Stepper
    records: Records
    progress: Progress = field(default_factory=Progress)
    interrupt: Interrupt = field(default_factory=Interrupt)
    average: Average | None = None
    optimizer: torch.optim.Optimizer = field(init=False)
    stream: Stream | None = None
    _stop_of_all: int | None = None

    def begin(self, resume: bool, compile_blocks: bool) -> None:
        """Take the position of the newest good checkpoint, or the beginning."""
        self.model.to(self.device)
        if compile_blocks:
            compile_in_place(self.model, self.device)
        self.parallel.place(self.model)
        if self.processes.many and not self.processes.is_main:  # other dropout in each process
            random_state.seed_all(torch.initial_seed() + self.processes.rank)
        steps = self.processes.from_main(self.run.checkpoints.steps())
        if steps and not resume:
            raise TrainingError(
                "This folder already holds a run.",
                where=str(self.run.path),
                next_step=f"Go on with --resume {self.run.path}, or give another --out.",
            )
        if resume and steps:
            saving.resume(self)
            return
        if resume:
            self.records.note("The run was stopped before its first checkpoint: it begins again.")
        self.records.begin()
        self.enter_stage(0)

    def run_to_end(self) -> FitResult:
        """Train until the last stage is done or a signal comes."""
        display = self.records.display
        display.start(sum(stage.steps for stage in self.stages), self.progress.step)
        try:
            with self.interrupt.watching():
                finished = self._run_stages()
        finally:
            display.stop()
        if finished and self.average is not None:
            self.average.give_to(self.model)
        give_settings(self.model, {})
        return FitResult(
            step=self.progress.step,
            finished=finished,
            stopped_by=None if finished else self.interrupt.name,
            skipped_steps=self.progress.skipped_steps,
            figures=self.progress.figures,
            seconds=self.progress.seconds,
        )

    def enter_stage(self, number: int, done: int = 0) -> None:
        """Begin a stage: its settings, its optimizer, its stream, its average.

        Args:
            number: of the stage.
            done: how many of its steps are done already, in a run that is resumed.
        """
        stage = self.stages[number]
        self.close()
        self.progress.stage, self.progress.step_in_stage = number, done
        give_settings(self.model, stage.model)
        self.optimizer = optim.prepare(self.model, stage)
        self.stepper.called = self.parallel.for_stage(self.model)
        self.average = Average(self.model, stage.ema) if stage.ema else None
        self.stream = self.stream_for(stage)
        expect = getattr(self.stream, "expect", None)
        if expect is not None:
            expect((stage.steps - done) * stage.accumulate)
        self.records.restart_clock()

    def close(self) -> None:
        """End what the stage's stream does beside the steps."""
        close = getattr(self.stream, "close", None)
        if close is not None:
            close()

    def _run_stages(self) -> bool:
        while True:
            stage = self.stages[self.progress.stage]
            while self.progress.step_in_stage < stage.steps:
                began = time.perf_counter()
                self._step(stage)
                self.progress.seconds += time.perf_counter() - began
                done = self.progress.step_in_stage == stage.steps
                if done or _due(stage.evaluate_every, self.progress.step_in_stage):
                    self._evaluate(stage, last=done)
                # In many processes a signal counts once all have heard of it, in the next step.
                came = self._stop_of_all if self.processes.many else self.interrupt.signal
                stop = came is not None
                if stop or done or _due(stage.checkpoint_every, self.progress.step_in_stage):
                    saving.save(self, must_work=stop or done)
                if stop and not (done and stage is self.stages[-1]):
                    self.interrupt.signal = came
                    return False
            if self.progress.stage + 1 == len(self.stages):
                return True
            self.enter_stage(self.progress.stage + 1)

    def _step(self, stage: Stage) -> None:
        """One optimizer step; a non-finite one changes nothing in the model."""
        assert self.stream is not None
        rate = learning_rate(stage, self.progress.step_in_stage)
        optim.set_learning_rate(self.optimizer, rate)
        optim.training_mode(self.model)
        buffers = Buffers(self.model)
        with memory_explained(stage, self.device, self.model, self.stepper.sizes):
            outcome = self.stepper.gradients(
                self.stream, stage, self.optimizer, self.progress.step + 1
            )
        samples = self._agree(outcome)
        self.progress.step += 1
        self.progress.step_in_stage += 1
        if outcome.finite:
            self._update()
        else:
            buffers.put_back()
            self._skip(outcome)
        self.optimizer.zero_grad(set_to_none=True)
        self.records.step(self.progress.step, samples)
        position = self.progress.step_in_stage
        if position == stage.steps or _due(stage.log_every, position):
            parts = mean_parts(self.processes.gather(outcome.parts))
            self.records.train(self.progress, stage, outcome.loss, parts, rate, outcome.grad_norm)

    def _agree(self, outcome: Outcome) -> int:
        """All take the same loss, skip the same steps, stop at the same one; gives all samples."""
        if not self.processes.many:
            return len(outcome.keys)
        came = self.interrupt.signal
        infinite = not outcome.finite
        loss, bad, samples, ended, interrupted = self.processes.sum(
            [outcome.loss, infinite, len(outcome.keys),
             came == signal.SIGTERM, came == signal.SIGINT]
        )  # fmt: skip
        outcome.loss = loss if not bad else float("nan")
        if ended or interrupted:
            self._stop_of_all = signal.SIGTERM if ended else signal.SIGINT
        return int(samples)

    def _update(self) -> None:
        self.optimizer.step()
        after_step = getattr(self.model, "after_step", None)
        if after_step is not None:
            after_step(self.progress.step)
        if self.average is not None:
            self.average.update(self.model)
        self.progress.skipped_in_a_row = 0

    def _skip(self, outcome: Outcome) -> None:
        self.progress.skipped_steps += 1
        self.progress.skipped_in_a_row += 1
        keys = [key for own in self.processes.gather(outcome.keys) for key in own]
        self.records.skipped(self.progress.step, outcome.figures, keys)
        if self.progress.skipped_in_a_row >= self.max_skipped_in_a_row:
            raise too_many_steps(
                self.progress.skipped_in_a_row, outcome.figures, self.model, self.run.errors_path
            )

    def _evaluate(self, stage: Stage, *, last: bool) -> None:
        if self.evaluate is None:
            return
        self.model.eval()
        averaged = nullcontext() if self.average is None else self.average.within(self.model)
        with (
            random_state.undisturbed(),
            torch.no_grad(),
            averaged,
            self.parallel.whole(self.model) as whole,
            self.processes.main_first("evaluation"),
        ):
            if self.processes.is_main:
                self.progress.figures = dict(self.evaluate(whole.eval()))
        self.records.evaluation(self.progress, stage, last=last)
        self.records.restart_clock()


def _due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0
