"""A whole source to vectors: block by block, resumed where it was broken off, shared by machines.

Shape legend: D width of the space.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interlingua import durable
from interlingua.errors import ConfigError, MediaError
from interlingua.sample import Part
from interlingua.vectors.lance import LanceTable
from interlingua.vectors.parquet import ParquetFolder
from interlingua.vectors.plan import BLOCK_SIZE, Plan, content_of, plan

if TYPE_CHECKING:
    from interlingua.data.source import Source
    from interlingua.space import Space

OnProgress = Callable[[int, int], None]  # parts done, parts in all
Store = ParquetFolder | LanceTable


@dataclass(slots=True)
class BulkReport:
    """What became of a source.

    Attributes:
        folder: where the vectors are.
        written: vectors written now.
        before: blocks that were done already.
        blocks: of this share, in all.
        left_out: damaged or refused media by reason.
        unknown: parts by kinds that the model has no tower for.
    """

    folder: Path
    written: int = 0
    before: int = 0
    blocks: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)


def embed_source(
    space: Space,
    source: Source,
    out: Path,
    *,
    kinds: Collection[str] | None = None,
    block_size: int = BLOCK_SIZE,
    share: tuple[int, int] = (0, 1),
    isolate: bool = False,
    on_progress: OnProgress | None = None,
) -> BulkReport:
    """Embed a source into a folder of Parquet files, or, where its name ends in .lance, a table.

    Blocks that are there already are kept.

    Args:
        space: the model.
        source: what is embedded.
        out: the folder.
        kinds: only these views.
        block_size: parts in a file; a block is what a crash costs at most.
        share: (i, n): every n-th block from the i-th on, so that n machines that see one folder
            do one job.
        isolate: decode in processes that may die, for files of unknown origin.
        on_progress: called with the parts done and the parts in all, of this share.

    Raises:
        ConfigError: a share that is none.
        DataError: nothing to embed, or the folder holds other vectors.
        MissingExtraError: pyarrow is not installed.
    """
    first, machines = share
    if not 0 <= first < machines:
        raise ConfigError(
            f"There is no share {first} of {machines}.", next_step="Shares go from 0/N to N-1/N."
        )
    planned = plan(iter(source), source.name, space.kinds, kinds, block_size)
    store = open_store(out, job(space, source.name, planned))
    mine = range(first, len(planned), machines)
    done = store.done()
    report = BulkReport(out, blocks=len(mine), unknown=planned.unknown)
    total = sum(len(planned.block(number)) for number in mine)
    finished = 0
    with space.isolated() if isolate else nullcontext():
        for number in mine:
            if number in done:
                report.before += 1
            else:
                embed_block(space, planned, number, store, report)
            finished += len(planned.block(number))
            if on_progress is not None:
                on_progress(finished, total)
    return report


def open_store(out: Path, info: dict[str, object]) -> Store:
    """A Lance table where the folder's name ends in ``.lance``, else Parquet files.

    Raises:
        DataError: the folder holds other vectors, or other things.
        MissingExtraError: the package that writes it is not installed.
    """
    return LanceTable(out, info) if out.suffix == ".lance" else ParquetFolder(out, info)


def job(space: Space, source: str, planned: Plan) -> dict[str, object]:
    """What the vectors of a folder are of."""
    return {
        "model": space.id,
        "run": "" if space.run is None else str(space.run),
        "dimension": space.dimension,
        "source": source,
        "parts": len(planned.pairs),
        "block_size": planned.block_size,
        "plan": planned.identity,
    }


def embed_block(space: Space, planned: Plan, number: int, store: Store, report: BulkReport) -> None:
    """Embed one block and write it; what can't be read goes to a file beside it."""
    pairs = planned.block(number)
    bad: list[dict[str, object]] = []

    def leave_out(place: int, part: Part, error: MediaError) -> None:
        report.left_out[error.reason] = report.left_out.get(error.reason, 0) + 1
        what: dict[str, object] = {
            "key": pairs[place][0].key,
            "path": content_of(part),
            "reason": error.reason,
        }
        bad.append(what)

    vectors = space.embed_parts([part for _, part in pairs], leave_out)
    if bad:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in bad)
        durable.replace_file(store.folder / f"_left-out-{number:05d}.jsonl", lines.encode())
    report.written += store.write(number, pairs, vectors)
