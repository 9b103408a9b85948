"""The one training loop. It knows no model, no loss and no dataset by name.

A step: batches from the stream, one forward through ``model(batch, needs=...)``, the
objectives, backward, clipping, the guard against non-finite numbers, AdamW, the model's
own ``after_step``. Everything that decides the next step is in the checkpoint, so a run
that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from interlingua.errors import CheckpointError, TrainingError
from interlingua.train import durable, optim, random_state, run_state
from interlingua.train.interrupt import Interrupt
from interlingua.train.log import Display, Silent
from interlingua.train.memory import memory_explained, peak_memory
from interlingua.train.run_folder import RunFolder, append_line, forget_after
from interlingua.train.run_state import FitResult, Progress
from interlingua.train.stages import Stage, learning_rate
from interlingua.train.step import Objectives, Outcome, Stepper
from interlingua.train.stream import Stream

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
) -> FitResult:
    """Train through all stages.

    Args:
        model: called as ``model(batch, needs={...})``; may have ``after_step(step)``.
        objectives: by name: the loss and its weight.
        stages: one after another, with a fresh optimizer each.
        stream_for: the batches of a stage, from their beginning.
        run: where checkpoints and metrics go.
        device: where the model and the batches are moved.
        precision: bf16 runs the forward under autocast.
        evaluate: figures of the model, called every ``evaluate_every`` steps and at the end.
        resume: go on from the newest good checkpoint (from the beginning where there is none
            yet); False needs a folder without one.
        display: is told of the progress.
        max_skipped_in_a_row: non-finite steps after which the run stops.

    Raises:
        TrainingError: nothing but non-finite numbers, or the folder is in use.
        CheckpointError: every checkpoint is damaged, or one can't be written.
        ConfigError: a stage names parameters that don't exist.
    """
    with run.locked(), durable.room_explained(run.path):
        training = Training(
            model, objectives, stages, stream_for, run, torch.device(device), precision,
            evaluate, display or Silent(), max_skipped_in_a_row,
        )  # fmt: skip
        training.begin(resume)
        return training.run_to_end()


@dataclass(slots=True)
class Training:
    """One run in one process; made by ``fit``."""

    model: nn.Module
    objectives: Objectives
    stages: Sequence[Stage]
    stream_for: Callable[[Stage], Stream]
    run: RunFolder
    device: torch.device
    precision: torch.dtype
    evaluate: Evaluate | None
    display: Display
    max_skipped_in_a_row: int
    progress: Progress = field(default_factory=Progress)
    interrupt: Interrupt = field(default_factory=Interrupt)
    _optimizer: torch.optim.Optimizer = field(init=False)
    _stream: Stream = field(init=False)
    _stepper: Stepper = field(init=False)
    _logged: tuple[float, int] = (0.0, 0)  # time and samples since the last row

    def begin(self, resume: bool) -> None:
        """Take the position of the newest good checkpoint, or the beginning."""
        self.model.to(self.device)
        self._stepper = Stepper(self.model, self.objectives, self.device, self.precision)
        if resume:
            self._resume()
            return
        if self.run.checkpoints.steps():
            raise TrainingError(
                "This folder already holds a run.",
                where=str(self.run.path),
                next_step=f"Go on with --resume {self.run.path}, or give another --out.",
            )
        self._begin_new()

    def run_to_end(self) -> FitResult:
        """Train until the last stage is done or a signal comes."""
        self.display.start(sum(stage.steps for stage in self.stages), self.progress.step)
        try:
            with self.interrupt.watching():
                finished = self._run_stages()
        finally:
            self.display.stop()
        return FitResult(
            step=self.progress.step,
            finished=finished,
            stopped_by=None if finished else self.interrupt.name,
            skipped_steps=self.progress.skipped_steps,
            figures=self.progress.figures,
            seconds=self.progress.seconds,
        )

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
                stop = self.interrupt.signal is not None
                if stop or done or _due(stage.checkpoint_every, self.progress.step_in_stage):
                    self._save(must_work=stop or done)
                if stop and not (done and stage is self.stages[-1]):
                    return False
            if self.progress.stage + 1 == len(self.stages):
                return True
            self._enter_stage(self.progress.stage + 1)

    def _begin_new(self) -> None:
        for path in (self.run.metrics_path, self.run.errors_path):
            path.unlink(missing_ok=True)
        self._enter_stage(0)

    def _enter_stage(self, number: int) -> None:
        self.progress.stage = number
        self.progress.step_in_stage = 0
        self._optimizer = optim.prepare(self.model, self.stages[number])
        self._stream = self.stream_for(self.stages[number])
        self._logged = (time.perf_counter(), 0)

    def _step(self, stage: Stage) -> None:
        """One optimizer step; a non-finite one changes no weight."""
        rate = learning_rate(stage, self.progress.step_in_stage)
        optim.set_learning_rate(self._optimizer, rate)
        optim.training_mode(self.model)
        with memory_explained(stage, self.device):
            outcome = self._stepper.gradients(self._stream, stage, self._optimizer)
        self.progress.step += 1
        self.progress.step_in_stage += 1
        if outcome.finite:
            self._optimizer.step()
            after_step = getattr(self.model, "after_step", None)
            if after_step is not None:
                after_step(self.progress.step)
            self.progress.skipped_in_a_row = 0
        else:
            self._skip(outcome)
        self._optimizer.zero_grad(set_to_none=True)
        self._logged = (self._logged[0], self._logged[1] + len(outcome.keys))
        self.display.advance(self.progress.step)
        position = self.progress.step_in_stage
        if position == stage.steps or _due(stage.log_every, position):
            self._log(stage, outcome, rate)

    def _skip(self, outcome: Outcome) -> None:
        self.progress.skipped_steps += 1
        self.progress.skipped_in_a_row += 1
        what = outcome.figures
        row = {"kind": "non_finite", "step": self.progress.step, "what": what}
        append_line(self.run.errors_path, {**row, "keys": outcome.keys})
        self.display.note(f"Step {self.progress.step} was skipped: {what}.")
        if self.progress.skipped_in_a_row >= self.max_skipped_in_a_row:
            raise TrainingError(
                f"{self.progress.skipped_in_a_row} steps in a row were not finite ({what}).",
                where=f"{self.run.errors_path} names the samples",
                next_step="Lower the learning rate, or look at these samples. "
                "The weights of the last checkpoint are finite.",
            )

    def _log(self, stage: Stage, outcome: Outcome, rate: float) -> None:
        now = time.perf_counter()
        since, samples = self._logged
        self._logged = (now, 0)
        row = {
            "kind": "train",
            "step": self.progress.step,
            "stage": stage.name,
            "loss": outcome.loss,
            "parts": outcome.parts,
            "learning_rate": rate,
            "grad_norm": outcome.grad_norm,
            "skipped_steps": self.progress.skipped_steps,
            "rate": samples / max(now - since, 1e-9),
            "seconds": self.progress.seconds,
            "peak_memory": peak_memory(self.device),
        }
        append_line(self.run.metrics_path, row)
        self.display.show(row)

    def _evaluate(self, stage: Stage, *, last: bool) -> None:
        if self.evaluate is None:
            return
        self.model.eval()
        with random_state.undisturbed(), torch.no_grad():
            self.progress.figures = dict(self.evaluate(self.model))
        row = {
            "kind": "evaluation",
            "step": self.progress.step,
            "stage": stage.name,
            "last": last,
            "figures": self.progress.figures,
        }
        append_line(self.run.metrics_path, row)
        self.display.show(row)
        self._logged = (time.perf_counter(), 0)

    def _save(self, *, must_work: bool) -> None:
        """Write a checkpoint; a full disk stops the run only where nothing comes after."""
        if bad := run_state.not_finite(self.model):
            raise TrainingError(
                f"Weights are not finite any more ({bad}); they are not saved.",
                where=f"step {self.progress.step}",
                next_step="Lower the learning rate and go on with --resume.",
            )
        state = run_state.capture(
            self.model, self._optimizer, self._stream, self.progress, self.stages
        )
        try:
            self.run.checkpoints.save(self.progress.step, *state)
        except OSError as error:
            message = f"The checkpoint of step {self.progress.step} can't be written: {error}."
            if must_work:
                raise CheckpointError(
                    message,
                    where=str(self.run.path),
                    next_step="Make room, then go on with --resume; older steps are untouched.",
                ) from error
            self.display.note(message + " Training goes on; the older checkpoints are untouched.")

    def _resume(self) -> None:
        if not self.run.checkpoints.steps():
            self.display.note("The run was stopped before its first checkpoint: it begins again.")
            self._begin_new()
            return
        checkpoint = self.run.checkpoints.load()
        for problem in checkpoint.passed_over:
            self.display.note(f"Damaged checkpoint passed over: {problem}")
        if checkpoint.passed_over:
            self.display.note(f"Going on from the last good one, step {checkpoint.step}.")
        for step in self.run.checkpoints.steps():
            if step > checkpoint.step:
                self.run.checkpoints.set_aside(step)
        for difference in run_state.differences(checkpoint, self.stages):
            self.display.note(f"Resuming may not be exact to the last bit: {difference}.")
        self.progress = Progress(**checkpoint.state["progress"])
        position = self.progress.step_in_stage
        self._enter_stage(self.progress.stage)
        self.progress.step_in_stage = position
        run_state.restore(checkpoint, self.model, self._optimizer, self._stream)
        forget_after(self.run.metrics_path, checkpoint.step)
        forget_after(self.run.errors_path, checkpoint.step)


def _due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0
