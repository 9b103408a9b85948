"""Saving the run that the loop is in, and putting it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlingua.errors import CheckpointError, TrainingError
from interlingua.train import run_state
from interlingua.train.not_finite import spoiled
from interlingua.train.run_state import Progress

if TYPE_CHECKING:
    from interlingua.train.checkpoint import Checkpoint
    from interlingua.train.loop import Training


def save(training: Training, *, must_work: bool) -> None:
    """Write a checkpoint; a full disk stops the run only where nothing comes after.

    Raises:
        TrainingError: the weights are not finite.
        CheckpointError: it can't be written, and must be.
    """
    assert training.stream is not None
    processes, step = training.processes, training.progress.step
    problems = processes.gather(spoiled(training.model))
    if bad := next((name for name in problems if name), ""):
        raise TrainingError(
            f"Weights are not finite any more ({bad}); they are not saved.",
            where=f"step {step}",
            next_step="Lower the learning rate and go on with --resume.",
        )
    state = run_state.capture(
        training.model, training.optimizer, training.stream, training.progress,
        training.stages, training.average, processes,
    )  # fmt: skip
    training.records.make_safe()
    try:
        training.run.checkpoints.save(step, *state, processes)
    except OSError as error:
        message = f"The checkpoint of step {step} can't be written: {error}."
        if must_work:
            raise CheckpointError(
                message,
                where=str(training.run.path),
                next_step="Make room, then go on with --resume; older steps are untouched.",
            ) from error
        training.records.note(message + " Training goes on; the older checkpoints are untouched.")


def resume(training: Training) -> None:
    """Take the place of the newest good checkpoint."""
    checkpoint = _newest(training)
    note = training.records.note
    for difference in run_state.differences(checkpoint, training.stages, training.processes):
        note(f"Resuming may not be exact to the last bit: {difference}.")
    training.progress = Progress(**checkpoint.state["progress"])
    training.enter_stage(training.progress.stage, training.progress.step_in_stage)
    assert training.stream is not None
    run_state.restore(
        checkpoint, training.model, training.optimizer, training.stream,
        training.average, training.processes,
    )  # fmt: skip
    training.records.forget_after(checkpoint.step)


def _newest(training: Training) -> Checkpoint:
    """The main process looks for it and sets damaged ones aside; the others read the same."""
    store, processes = training.run.checkpoints, training.processes
    if not processes.is_main:
        return store.load(processes.from_main(None))
    checkpoint = store.load()
    for problem in checkpoint.passed_over:
        training.records.note(f"Damaged checkpoint passed over: {problem}")
    if checkpoint.passed_over:
        training.records.note(f"Going on from the last good one, step {checkpoint.step}.")
    for step in store.steps():
        if step > checkpoint.step:
            store.set_aside(step)
    processes.from_main(checkpoint.step)
    return checkpoint
