"""Writing one checkpoint from many processes: each its own files, the main one puts it in place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from interlingua import durable
from interlingua.errors import CheckpointError
from interlingua.train import tensor_files
from interlingua.train.processes import Processes


def write_own(
    folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], processes: Processes
) -> dict[str, dict[str, Any]]:
    """Write this process' files of all groups; gives size and SHA-256 by name."""
    written: dict[str, dict[str, Any]] = {}
    for group, members in tensors.items():
        for name, data in tensor_files.files_of(group, members, processes).items():
            written[name] = {
                "sha256": durable.write_file(folder / name, data),
                "size": len(data),
            }
    return written


def write_together(
    folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], processes: Processes
) -> dict[str, dict[str, Any]]:
    """``write_own`` in every process; gives all files.

    Raises:
        OSError: some process couldn't write; all of them raise it.
    """
    answer: dict[str, Any] = {"files": {}, "errno": 0, "error": ""}
    try:
        answer["files"] = write_own(folder, tensors, processes)
    except OSError as error:
        answer |= {"errno": error.errno or 0, "error": f"rank {processes.rank}: {error.strerror}"}
    answers = processes.gather(answer)
    for one in answers:
        if one["error"]:
            raise OSError(one["errno"], one["error"])
    files: dict[str, dict[str, Any]] = {}
    for one in answers:
        files |= one["files"]
    return files


class Announcement:
    """What the main process tells the others about a checkpoint: where to write, how it ended.

    Args:
        processes: all of them; one alone tells nobody.
    """

    def __init__(self, processes: Processes):
        self.processes = processes
        self._told = False

    def folder(self, folder: Path) -> None:
        """In the main process: the folder is there to be written into."""
        self._told = True
        self.processes.from_main(str(folder))

    def end(self, error: Exception | None = None) -> None:
        """In the main process: it is in place, or why it isn't."""
        if not self._told:
            self.processes.from_main("")
        kind = "" if error is None else type(error).__name__
        self.processes.from_main([kind, getattr(error, "errno", 0) or 0, str(error)])

    def help(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """In the others: write into the folder, if there is one, and hear how it ended.

        Raises:
            OSError, CheckpointError: as in the main process.
        """
        if folder := self.processes.from_main(None):
            with contextlib.suppress(OSError):  # the main process raises it and tells
                write_together(Path(folder), tensors, self.processes)
        kind, number, message = self.processes.from_main(None)
        if kind == "CheckpointError":
            raise CheckpointError(message)
        if kind:
            raise OSError(number, message)
