"""The same job on a Ray cluster: Ray Data hands out the blocks, each worker writes what it made.

Vectors never travel: a block goes from a worker straight into the shared folder, whole or not at
all, so a job that was broken off goes on where it stood, with or without Ray.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from interlingua.errors import MissingExtraError
from interlingua.vectors.bulk import BulkReport, embed_block, job, open_store
from interlingua.vectors.plan import BLOCK_SIZE, plan


def ray_data() -> Any:
    """The package, imported when it is first needed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "scale", "Embedding on a Ray cluster") from error
    return ray


def embed_source_with_ray(
    run: str,
    source: str,
    out: Path,
    *,
    kinds: Collection[str] | None = None,
    block_size: int = BLOCK_SIZE,
    workers: int = 1,
    cpus: float = 1,
    gpus: float = 0,
    address: str | None = None,
) -> BulkReport:
    """``embed_source`` on a Ray cluster.

    Args:
        run: a run folder or checkpoint that every worker can read.
        source: as in ``data.open_source``; every worker opens it.
        out: a folder that every worker can write.
        kinds: only these views.
        block_size: parts in a file.
        workers: each holds one model.
        cpus, gpus: of each worker.
        address: of the cluster; None: the one this process is in, else a local one.

    Raises:
        MissingExtraError: ray or pyarrow is not installed.
        DataError: nothing to embed, or the folder holds other vectors.
    """
    ray = ray_data()
    import interlingua

    space = interlingua.load(run, device="cpu")
    from interlingua import data

    opened = data.open_source(source)
    planned = plan(iter(opened), opened.name, space.kinds, kinds, block_size)
    store = open_store(out, job(space, opened.name, planned))
    before = store.done()
    report = BulkReport(out, before=len(before), blocks=len(planned), unknown=planned.unknown)
    todo = [number for number in range(len(planned)) if number not in before]
    if not todo:
        return report
    if not ray.is_initialized():
        ray.init(address=address, include_dashboard=False, log_to_driver=False)
    rows = ray.data.from_items([{"block": number} for number in todo])
    worker: dict[str, Any] = {"run": run, "source": source, "out": str(out.resolve())}
    worker |= {"kinds": None if kinds is None else list(kinds), "block_size": block_size}
    results = rows.map(
        _Worker, fn_constructor_kwargs=worker, num_cpus=cpus, num_gpus=gpus, concurrency=workers
    )
    for row in results.take_all():
        report.written += row["written"]
        for reason, number in zip(row["reasons"], row["numbers"], strict=True):
            report.left_out[reason] = report.left_out.get(reason, 0) + int(number)
    return report


class _Worker:
    """One model in one process of the cluster."""

    def __init__(
        self, run: str, source: str, out: str, kinds: list[str] | None, block_size: int
    ) -> None:
        import interlingua
        from interlingua import data

        self.space = interlingua.load(run)
        opened = data.open_source(source)
        self.plan = plan(iter(opened), opened.name, self.space.kinds, kinds, block_size)
        self.store = open_store(Path(out), job(self.space, opened.name, self.plan))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        report = BulkReport(self.store.folder)
        embed_block(self.space, self.plan, int(row["block"]), self.store, report)
        return {
            "written": report.written,
            "reasons": list(report.left_out),
            "numbers": list(report.left_out.values()),
        }
