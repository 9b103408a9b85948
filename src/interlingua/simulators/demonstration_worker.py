"""Makes some demonstrations in a process of its own: LEVEL FIRST_SEED STOP FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from interlingua.simulators.demonstrations import shown_by_expert, write_demonstrations


def main(arguments: list[str]) -> None:
    """Write the expert's episodes of the seeds from FIRST_SEED up to STOP into FOLDER."""
    level, start, stop, folder = arguments
    write_demonstrations(shown_by_expert(level, range(int(start), int(stop))), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
