"""What a run writes down and shows: metrics, skipped steps, evaluations.

Only the main process does. One JSON object per line; a killed run tears at most the last one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from interlingua import durable
from interlingua.train.log import Display
from interlingua.train.memory import peak_memory
from interlingua.train.run_folder import NON_FINITE, RunFolder, append_line, forget_after
from interlingua.train.run_state import Progress
from interlingua.train.stages import Stage


@dataclass(slots=True)
class Records:
    """The files and the display of one run.

    Attributes:
        run: its folder.
        display: is told of everything that is written.
        device: whose memory is measured.
        silent: write nothing: another process does.
    """

    run: RunFolder
    display: Display
    device: torch.device
    silent: bool = False
    _since: float = 0.0
    _samples: int = 0

    def begin(self) -> None:
        """A new run: nothing of an older one stays."""
        if not self.silent:
            self.run.metrics_path.unlink(missing_ok=True)
            forget_after(self.run.errors_path, 0)  # damaged media may have been met already

    def forget_after(self, step: int) -> None:
        """A resumed run writes the lines of later steps again."""
        if not self.silent:
            forget_after(self.run.metrics_path, step)
            forget_after(self.run.errors_path, step)

    def restart_clock(self) -> None:
        """What came before is not training."""
        self._since, self._samples = time.perf_counter(), 0

    def step(self, step: int, samples: int) -> None:
        """A step is done."""
        self._samples += samples
        self.display.advance(step)

    def train(
        self,
        progress: Progress,
        stage: Stage,
        loss: float,
        parts: Mapping[str, float],
        learning_rate: float,
        grad_norm: float,
    ) -> None:
        """A row of training figures."""
        now = time.perf_counter()
        row = {
            "kind": "train",
            "step": progress.step,
            "stage": stage.name,
            "loss": loss,
            "parts": dict(parts),
            "learning_rate": learning_rate,
            "grad_norm": grad_norm,
            "skipped_steps": progress.skipped_steps,
            "rate": self._samples / max(now - self._since, 1e-9),
            "seconds": progress.seconds,
            "peak_memory": peak_memory(self.device),
        }
        self._since, self._samples = now, 0
        self._write(row)

    def skipped(self, step: int, what: str, keys: Sequence[str]) -> None:
        """A step whose numbers were not finite, with the samples it was made of."""
        if not self.silent:
            row = {
                "kind": NON_FINITE,
                "reason": NON_FINITE,
                "step": step,
                "what": what,
                "keys": list(keys),
            }
            append_line(self.run.errors_path, row)
        self.display.note(f"Step {step} was skipped: {what}.")

    def evaluation(self, progress: Progress, stage: Stage, *, last: bool) -> None:
        """A row of what was measured."""
        self._write(
            {
                "kind": "evaluation",
                "step": progress.step,
                "stage": stage.name,
                "last": last,
                "figures": progress.figures,
            }
        )

    def make_safe(self) -> None:
        """Fsync what is written, lest a power cut leave a checkpoint that is ahead of its lines."""
        if self.silent:
            return
        with suppress(OSError):  # a disk that can't take more says so at the checkpoint
            for path in (self.run.metrics_path, self.run.errors_path):
                if path.exists():
                    durable.sync_file(path)
            durable.sync_folder(self.run.path)

    def note(self, message: str) -> None:
        """Something that must not be overlooked."""
        self.display.note(message)

    def _write(self, row: dict[str, Any]) -> None:
        if not self.silent:
            append_line(self.run.metrics_path, row)
        self.display.show(row)
