"""Checkpoints that appear whole or not at all and are verified when they are read.

``steps/step-00000120/`` holds safetensors files, ``state.json`` and ``manifest.json``
(sizes, SHA-256, format version, and its own checksum). Which step is the newest is
computed, not stored. A damaged step is passed over with a warning; an old one is
removed only after the new one has been read back. No pickle is written or read.
Many processes write one step together, each its own shards (``tensor_files``); any other
number of processes reads it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from safetensors import SafetensorError
from torch import Tensor

from interlingua import durable
from interlingua.errors import CheckpointError
from interlingua.train import tensor_files
from interlingua.train.processes import ALONE, Processes
from interlingua.train.shared_save import Announcement, write_together

FORMAT = "interlingua-checkpoint"
FORMAT_VERSION = 2  # 1 had no shards
_STEP_NAME = re.compile(r"step-(\d{8,})")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Checkpoint:
    """One step, read and verified.

    Attributes:
        step: the number of optimizer steps done.
        state: the plain data of ``state.json``.
        tensors: by group (``model``, ``ema``, ``optimizer``, ``random``), then by name; whole.
        digests: SHA-256 by group; ``digests["model"]`` names the weights.
        passed_over: what was wrong with newer steps, if any.
    """

    step: int
    state: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]
    digests: dict[str, str]
    passed_over: list[str] = field(default_factory=list)


class CheckpointStore:
    """The steps of one run.

    Args:
        folder: where the step folders are.
        keep: how many of the newest steps stay.
    """

    def __init__(self, folder: Path, keep: int = 3):
        if keep < 1:
            raise ValueError("at least one checkpoint must be kept")
        self.folder = folder
        self.keep = keep
        self._damaged: set[int] = set()  # steps that are known to be

    def path(self, step: int) -> Path:
        """The folder of a step, whether it exists or not."""
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """The numbers of the steps that are there, oldest first, good or damaged."""
        if not self.folder.is_dir():
            return []
        matches = [_STEP_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        return sorted(int(match[1]) for match in matches if match)

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        processes: Processes = ALONE,
    ) -> Path:
        """Write a step, read it back, and only then remove the oldest ones.

        Args:
            step: the number of optimizer steps done; a good step of that number is left as it is.
            tensors: by file name without ending, then by tensor name.
            state: plain data for ``state.json``.
            processes: each writes what it holds; all of them must call this.

        Raises:
            CheckpointError: what was written can't be read back.
            OSError: the disk is full, or the folder can't be written; older steps are untouched.
        """
        announcement = Announcement(processes)
        if not processes.is_main:
            announcement.help(tensors)
            return self.path(step)
        try:
            path = self._save(step, tensors, state, processes, announcement)
        except (OSError, CheckpointError) as error:
            announcement.end(error)
            raise
        announcement.end()
        return path

    def _save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        processes: Processes,
        announcement: Announcement,
    ) -> Path:
        path = self.path(step)
        durable.make_folder(self.folder)
        durable.remove_leftovers(self.folder)
        if path.exists():
            if not problem_of(path):
                return path
            self._damaged.add(step)
            self.set_aside(step)
        with durable.new_folder(path) as temporary:
            announcement.folder(temporary)
            files = write_together(temporary, tensors, processes)
            data = durable.to_json(state)
            digest = durable.write_file(temporary / "state.json", data)
            files["state.json"] = {"sha256": digest, "size": len(data)}
            durable.write_file(temporary / "manifest.json", _manifest(step, files))
        if problem := problem_of(path):
            raise CheckpointError(
                f"The checkpoint of step {step} can't be read back: {problem}.",
                where=str(path),
                next_step="Older steps were kept. Check the disk; --resume goes on from them.",
            )
        self._remove_old()
        return path

    def load(self, step: int | None = None) -> Checkpoint:
        """Read and verify a step.

        Args:
            step: a number, or None for the newest good one.

        Raises:
            CheckpointError: the named step is damaged or missing; or no step is good.
        """
        if step is not None:
            return load_step(self.path(step))
        problems: list[str] = []
        for number in reversed(self.steps()):
            path = self.path(number)
            if problem := problem_of(path):
                problems.append(f"{path}: {problem}")
                self._damaged.add(number)
                log.warning("Checkpoint %s is damaged and passed over: %s.", path, problem)
                continue
            checkpoint = load_step(path)
            checkpoint.passed_over = problems
            if problems:
                log.warning("Going on from the previous good checkpoint, step %d.", number)
            return checkpoint
        if problems:
            raise CheckpointError(
                "Every checkpoint of this run is damaged: " + "; ".join(problems) + ".",
                where=str(self.folder),
                next_step="Restore a step folder from a backup, or train again.",
            )
        raise CheckpointError(
            "There is no checkpoint.",
            where=str(self.folder),
            next_step="Give the folder of a run that has reached its first checkpoint.",
        )

    def set_aside(self, step: int) -> Path:
        """Rename a damaged step, so that training can write that number again."""
        aside = self.folder / f"damaged-{self.path(step).name}-{uuid.uuid4().hex[:8]}"
        self.path(step).rename(aside)
        self._damaged.discard(step)
        durable.sync_folder(self.folder)
        return aside

    def _remove_old(self) -> None:
        """What can't be removed is no reason to lose the step that was just written.

        A damaged step that is still there doesn't count among those that are kept.
        """
        kept = [step for step in self.steps() if step not in self._damaged][-self.keep :]
        for step in self.steps():
            if step >= kept[0]:
                break
            try:
                durable.remove_folder(self.path(step))
            except OSError as error:
                log.warning("The old checkpoint %s stays: %s.", self.path(step), error)


def load_newest(path: Path) -> Checkpoint:
    """The newest good step of a run folder, or the step folder itself.

    Raises:
        CheckpointError: nothing good is there.
    """
    if _STEP_NAME.fullmatch(path.name):
        return load_step(path)
    if not path.is_dir():
        raise CheckpointError(
            "There is no such run.", where=str(path), next_step="`interlingua train --help`"
        )
    return CheckpointStore(path / "steps").load()


def load_step(path: Path) -> Checkpoint:
    """Read one step folder.

    Raises:
        CheckpointError: it is missing or damaged; names the file.
    """
    if problem := problem_of(path):
        raise CheckpointError(
            f"The checkpoint can't be used: {problem}.",
            where=str(path),
            next_step="Leave the step out, and the newest good one is taken.",
        )
    manifest = json.loads((path / "manifest.json").read_bytes())
    return Checkpoint(
        step=manifest["step"],
        state=json.loads((path / "state.json").read_bytes()),
        tensors=tensor_files.read(path, list(manifest["files"])),
        digests=tensor_files.digests(manifest["files"]),
    )


def problem_of(path: Path) -> str | None:
    """What is wrong with a step folder, or None: every byte of it is checked."""
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        files = manifest["files"]
        if manifest["format"] != FORMAT or _checksum(manifest) != manifest["checksum"]:
            return "manifest.json is damaged"
        if manifest["format_version"] > FORMAT_VERSION:
            return (
                f"it has format version {manifest['format_version']}, "
                f"this library reads up to {FORMAT_VERSION}"
            )
        if path.name != f"step-{manifest['step']:08d}":
            return f"manifest.json belongs to step {manifest['step']}"
    except FileNotFoundError:
        return "manifest.json is missing" if path.is_dir() else "there is no such folder"
    except (OSError, ValueError, KeyError, TypeError):
        return "manifest.json is damaged"
    for name, expected in files.items():
        try:
            if (path / name).stat().st_size != expected["size"]:
                return f"{name} has another size than when it was written"
            if durable.file_sha256(path / name) != expected["sha256"]:
                return f"{name} has other bytes than when it was written"
            if name.endswith(".safetensors"):
                with safetensors.safe_open(path / name, framework="pt"):
                    pass
        except FileNotFoundError:
            return f"{name} is missing"
        except (OSError, SafetensorError):
            return f"{name} can't be read"
    return None


def _manifest(step: int, files: Mapping[str, Any]) -> bytes:
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "step": step,
        "files": dict(files),
    }
    return durable.to_json({**manifest, "checksum": _checksum(manifest)})


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Of everything else in the manifest, so that a flipped bit in it is seen too."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
