"""Batches of a run that streams: read, decoded and let go, in an order that resumes exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interlingua.data.class_labels import class_numbers
from interlingua.data.errors_log import SkipLog
from interlingua.data.loader import available_cores
from interlingua.errors import ConfigError
from interlingua.models.views import TowersOfViews
from interlingua.train.prefetch import Prefetched
from interlingua.train.processes import Processes
from interlingua.train.recipe import Recipe, StreamConfig
from interlingua.train.shard_stream import ShardStream
from interlingua.train.source_batches import SourceBatches
from interlingua.train.stages import Stage
from interlingua.train.stream import ShuffledStream, Stream
from interlingua.train.streamed_corpus import check_streamable
from interlingua.train.streamed_samples import StreamedSamples

WINDOW = 8  # shards, where a sample far from the last one is dear
FAR_READERS = 16  # threads that read samples from far away
LOOKED_AT = 1000  # samples, to see whether the classes are there


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that streams and can't.

    Raises:
        ConfigError: a tower is frozen, or what is asked of the data needs all samples at once.
    """
    if recipe.data.stream is None:
        return
    serving = set(getattr(recipe.model, "views", {}).values())
    for name, use in getattr(recipe.model, "towers", {}).items():
        if use.frozen and name in serving:
            raise ConfigError(
                "A stream can't feed a frozen tower: its outputs are cached, for all samples "
                "before the first step.",
                where=f"model.towers.{name}",
                next_step=f"Set model.towers.{name}.frozen=false and leave it out of the stages' "
                "`trainable` to keep its weights, or leave out data.stream.",
            )
    check_streamable(recipe.data)


def with_workers(recipe: Recipe, workers: int | None) -> Recipe:
    """The recipe with another number of workers; its batches stay the same.

    Raises:
        ConfigError: it doesn't stream.
    """
    if workers is None:
        return recipe
    if recipe.data.stream is None:
        raise ConfigError(
            "A number of workers is for recipes that stream; this one keeps its samples in memory.",
            where="data.stream",
            next_step="Leave out the number, or begin another run with data.stream=true.",
        )
    stream = recipe.data.stream.model_copy(update={"workers": workers})
    data = recipe.data.model_copy(update={"stream": stream})
    return recipe.model_copy(update={"data": data})


def streams_of(
    samples: StreamedSamples,
    model: TowersOfViews,
    recipe: Recipe,
    skip_log: SkipLog,
    processes: Processes | None = None,
) -> Callable[[Stage], Stream]:
    """Streams over samples, one per stage.

    Args:
        samples: that are trained on.
        model: whose views are fed.
        recipe: its seed, and how its data are streamed and augmented.
        skip_log: counts what can't be read.
        processes: see ``ShuffledStream``.

    Raises:
        DataError: there are classes, and a thousand samples belong to fewer than two of them.
    """
    config = recipe.data.stream or StreamConfig()
    classes: Sequence[str] = getattr(model.config, "classes", ())
    if classes:
        class_numbers(samples.some(LOOKED_AT), classes)
    workers = available_cores() if config.workers is None else config.workers
    window = config.window or (0 if samples.reads_anywhere else WINDOW)
    make = SourceBatches(
        samples,
        {view: model.preprocess(view) for view in model.views},
        skip_log,
        augment=recipe.data.augment,
        readers=0 if samples.reads_anywhere else FAR_READERS,
        threads=max(1, workers),
        classes=classes,
    )

    def of_stage(stage: Stage) -> Stream:
        for view in model.views:  # a stage may have changed what its tower asks for
            make.preprocess[view] = model.preprocess(view)
        options = {
            "seed": recipe.seed,
            "repeats": samples.repeats,
            "identity": samples.identity,
            "processes": processes,
        }
        stream: Stream
        if window:
            stream = ShardStream(
                samples.shard_sizes, stage.batch_size, make, window=window, ahead=samples.keep,
                **options,  # type: ignore[arg-type]
            )  # fmt: skip
        else:
            stream = ShuffledStream(len(samples), stage.batch_size, make, **options)  # type: ignore[arg-type]
        return Prefetched(stream) if workers else stream

    return of_stage
