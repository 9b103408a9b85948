"""The errors a user can meet: each says what happened, where, and what to do next.

A traceback is for bugs only. The command line prints these errors as a short
message and exits with ``exit_code``; everything else is shown as a bug.
"""

from __future__ import annotations


class InterlinguaError(Exception):
    """An error with a message for people.

    Args:
        what: what happened, one sentence.
        where: the file, key, shard, configuration line or address it happened at.
        next_step: what to do now, an instruction or a command.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None):
        self.what = what
        self.where = where
        self.next_step = next_step
        lines = [what]
        if where:
            lines.append(f"  where: {_one_line(where)}")
        if next_step:
            lines.append(f"  next:  {next_step}")
        super().__init__("\n".join(lines))


def _one_line(name: str) -> str:
    r"""A file's name may hold line ends, and lines after them that look like ours."""
    return name.replace("\n", "\\n").replace("\r", "\\r")


class ConfigError(InterlinguaError):
    """A recipe, an override or a command-line value is wrong."""

    exit_code = 2


class DataError(InterlinguaError):
    """A source, manifest or split can't be used."""


class MediaError(InterlinguaError):
    """One picture or sound was refused or is damaged.

    Args:
        reason: a short fixed word for counting (``empty``, ``damaged``, ``too_large`` ...).
    """

    def __init__(
        self, what: str, *, reason: str, where: str | None = None, next_step: str | None = None
    ):
        super().__init__(what, where=where, next_step=next_step)
        self.reason = reason


class FetchError(InterlinguaError):
    """A download failed, a tool is absent or a hash is wrong."""


class LayoutError(InterlinguaError):
    """Weights don't fit the module they are loaded into."""


class CheckpointError(InterlinguaError):
    """A checkpoint is missing or damaged."""


class TrainingError(InterlinguaError):
    """Training can't go on (non-finite losses, nothing to learn from)."""


class SearchIndexError(InterlinguaError):
    """An index is missing, damaged or belongs to another model."""


class Interrupted(InterlinguaError):
    """A signal stopped the run after its step was saved; 0 for SIGTERM, 130 for Ctrl-C."""

    def __init__(self, signal_name: str, *, where: str, next_step: str):
        super().__init__(
            f"Stopped by {signal_name}; the step is saved.", where=where, next_step=next_step
        )
        self.exit_code = 130 if signal_name == "SIGINT" else 0


class MissingExtraError(InterlinguaError):
    """An optional package is needed; the message names the exact install line."""

    exit_code = 3

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            next_step=f'pip install "interlingua[{extra}]"',
        )
