"""Damaged samples: counted by reason, written down, skipped, until there are too many.

Only media errors belong here. An error in our own code (TypeError, MemoryError ...)
always stops the run. The rule is that of Megatron Energon (docs,
"error handling"), with a rate added.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from pathlib import Path
from typing import Any

from interlingua.errors import DataError, MediaError
from interlingua.sample import Part


def shard_of(part: Part) -> str:
    """The name of the shard that the bytes of a part are in; empty where they are in none."""
    return str(getattr(getattr(part, "content", None), "shard", ""))


class SkipLog:
    """Counts what is skipped; stops when that is no accident any more.

    Args:
        path: of ``errors.jsonl``, which is appended to; None = only count.
        max_run: this many failures in a row stop the run.
        max_rate: so does a larger share than this of the last ``window`` samples ...
        min_failures: ... once at least this many of them failed.
        window: how many samples back the share is counted.

    Attributes:
        counts: failures by reason.
        good_count: samples that were fine.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        max_run: int = 100,
        max_rate: float = 0.01,
        min_failures: int = 100,
        window: int = 10_000,
    ):
        self.path = path
        self.max_run = max_run
        self.max_rate = max_rate
        self.min_failures = min_failures
        self.window = window
        self.counts: Counter[str] = Counter()
        self.good_count = 0
        self._run = 0
        self._seen = 0
        self._failures: deque[int] = deque()  # when each failure of the window was seen

    @property
    def bad_count(self) -> int:
        """Samples that were skipped."""
        return self.counts.total()

    def good(self, count: int = 1) -> None:
        """``count`` samples were fine."""
        if count:
            self._run = 0
            self._seen += count
            self.good_count += count

    def bad(self, error: MediaError, *, key: str = "", source: str = "", shard: str = "") -> None:
        """A sample was skipped.

        Args:
            error: why.
            key: of the sample, or the name of the medium where no sample is known.
            source: its name, or who met the error.
            shard: that the bytes are in; empty where they are in none.

        Raises:
            DataError: too many were.
        """
        self.counts[error.reason] += 1
        self._run += 1
        self._seen += 1
        self._failures.append(self._seen)
        self._write(error, key, source, shard)
        while self._failures[0] <= self._seen - self.window:
            self._failures.popleft()
        recent = len(self._failures)
        of = min(self._seen, self.window)
        if self._run >= self.max_run:
            self._stop(f"{self._run} samples in a row can't be read", error)
        if recent >= self.min_failures and recent > self.max_rate * of:
            self._stop(f"{recent:,} of the last {of:,} samples can't be read", error)

    def summary(self) -> str:
        """One line for people; empty where nothing was skipped."""
        if not self.bad_count:
            return ""
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.counts.most_common())
        place = f"; see {self.path}" if self.path else ""
        return (
            f"{self.bad_count:,} of {self.bad_count + self.good_count:,} skipped ({reasons}){place}"
        )

    def _write(self, error: MediaError, key: str, source: str, shard: str) -> None:
        if self.path is None:
            return
        record: dict[str, Any] = {"reason": error.reason, "what": error.what, "where": error.where}
        if shard:
            record["shard"] = shard
        record |= {"key": key, "source": source}
        line = json.dumps(record, ensure_ascii=True) + "\n"  # no name can forge a line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Opened each time: a run that goes on may put another file in this one's place.
        with self.path.open("ab") as file:
            file.write(line.encode())

    def _stop(self, what: str, last: MediaError) -> None:
        raise DataError(
            f"Too much is damaged: {what} ({self.summary()}).",
            where=last.where,
            next_step="Look at the first of them: a moved folder, a full disk or a half-finished "
            "download is likelier than many damaged files.",
        ) from last
