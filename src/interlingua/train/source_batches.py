"""Batches straight from a source, sample by sample: memory doesn't grow with the corpus.

``ViewBatches`` keeps a list of all parts, which lets it gather the cached outputs of frozen towers.
Here nothing is kept: the samples of a batch are read, their media decoded, and let go. For corpora
of millions and for shards that are far away.

Shape legend: B samples of the batch, M media of a view.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from interlingua.batch import Batch, Media
from interlingua.data.augment import Augment, augment_pictures, drop_tokens
from interlingua.data.class_labels import numbers_among
from interlingua.data.errors_log import SkipLog, shard_of
from interlingua.data.loader import decode
from interlingua.data.source import Origin, Source
from interlingua.data.text import Tokenizer
from interlingua.errors import MediaError
from interlingua.sample import Label, Part, Sample, Text
from interlingua.towers.tower import ImagePreprocess, Preprocess, TextPreprocess
from interlingua.train.empty_media import empty_media


class SourceBatches:
    """Makes the batch of given sample numbers; what a stream calls.

    A sample that can't be read is left out of its batch and counted; one whose medium is damaged
    stays without it.

    Args:
        source: of the samples.
        preprocess: by view, what its tower takes; may be replaced between stages.
        skip_log: counts what can't be read and stops when there is too much of it.
        augment: how pictures and texts are changed.
        readers: threads that read samples; 0 = this one, best where the source is local.
        threads: that decode; None = one per core.
        classes: their names, where the model tells classes apart.
    """

    def __init__(
        self,
        source: Source,
        preprocess: Mapping[str, Preprocess],
        skip_log: SkipLog | None = None,
        *,
        augment: Augment | None = None,
        readers: int = 0,
        threads: int | None = None,
        classes: Sequence[str] = (),
    ):
        self.source = source
        self.preprocess = dict(preprocess)
        self.augment = augment or Augment()
        self._skip_log = skip_log or SkipLog()
        self._pool = ThreadPoolExecutor(readers, "read-samples") if readers else None
        self._threads = threads
        self._classes = {name: number for number, name in enumerate(classes)}
        self._tokenizers: dict[TextPreprocess, Tokenizer] = {}

    def __call__(
        self, indices: Sequence[int], random: np.random.Generator, share: range | None = None
    ) -> Batch:
        """The batch of these samples.

        Args:
            indices: numbers of the samples.
            random: of the batch. Which alternative of a view is drawn depends on it and on the
                place in the batch alone, so not on the number of processes.
            share: the places that this process takes, None = all; every view is in the batch
                then, empty where no sample of the share has it.
        """
        points = random.random((len(self.preprocess), len(indices)))
        first, stop = (0, len(indices)) if share is None else (share.start, share.stop)
        if share is not None:  # each share is augmented in its own way
            random = np.random.default_rng([*random.integers(0, 1 << 31, 4).tolist(), first])
        numbers = list(indices[first:stop])
        read = list(map(self._read, numbers) if self._pool is None else self._pool.map(
            self._read, numbers
        ))  # fmt: skip
        places = [place for place, one in enumerate(read) if isinstance(one, Sample)]
        samples = [one for one in read if isinstance(one, Sample)]
        for number, one in zip(numbers, read, strict=True):
            if isinstance(one, MediaError):
                origin = self._origin(number)
                self._skip_log.bad(one, key=origin.key, source=origin.source, shard=origin.shard)
        batch = Batch(
            keys=[sample.key for sample in samples],
            component=torch.tensor([_component(sample) for sample in samples], dtype=torch.int64),
        )
        if self._classes:
            batch.labels = numbers_among(samples, self._classes)
        for view, points_of_view in zip(self.preprocess, points, strict=True):
            point = points_of_view[first:stop][places]
            owner, parts = _drawn(samples, view, point.tolist())
            if parts or share is not None:
                batch.media[view] = self._media(view, samples, owner, parts, random)
            if view == "text":
                batch.text_id = _text_ids(len(samples), owner, parts)
        return batch

    def _read(self, number: int) -> Sample | MediaError:
        try:
            return self.source[number]
        except MediaError as error:
            return error

    def _origin(self, number: int) -> Origin:
        known: Callable[[int], Origin] | None = getattr(self.source, "origin", None)
        return Origin(f"sample {number}", self.source.name) if known is None else known(number)

    def _media(
        self,
        view: str,
        samples: Sequence[Sample],
        owner: list[int],
        parts: list[Part],
        random: np.random.Generator,
    ) -> Media:
        preprocess = self.preprocess[view]
        wanted: Preprocess = preprocess
        if isinstance(preprocess, ImagePreprocess) and self.augment.crops:
            size = self.augment.decoded_size(preprocess.size)
            wanted = preprocess.model_copy(update={"size": size, "crop_fraction": 1.0})

        def skip(place: int, part: Part, error: MediaError) -> None:
            of = samples[owner[place]]
            name = of.meta.source or self.source.name
            self._skip_log.bad(error, key=of.key, source=name, shard=shard_of(part))

        everything = [range(len(parts))]
        chunks = decode(parts, wanted, threads=self._threads, batches=everything, on_error=skip)
        chunk = next(chunks, None)
        if chunk is None:
            return empty_media(preprocess)
        self._skip_log.good(len(chunk))
        values, mask = chunk.values, chunk.mask
        if isinstance(preprocess, ImagePreprocess):
            values = augment_pictures(values, self.augment, preprocess.size, random)
        elif isinstance(preprocess, TextPreprocess) and self.augment.token_dropout:
            values, mask = self._fewer_tokens(preprocess, values, mask, random)
        return Media(
            owner=torch.tensor([owner[place] for place in chunk.index], dtype=torch.int64),
            slot=torch.zeros(len(chunk), dtype=torch.int64),
            values=values,
            mask=mask,
        )

    def _fewer_tokens(
        self,
        preprocess: TextPreprocess,
        values: Tensor,
        mask: Tensor | None,
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        assert mask is not None  # texts always have one
        if preprocess not in self._tokenizers:
            self._tokenizers[preprocess] = Tokenizer(preprocess)
        rows = [ids[real].numpy().astype(np.int32) for ids, real in zip(values, mask, strict=True)]
        fewer = drop_tokens(rows, self.augment.token_dropout, random)
        return self._tokenizers[preprocess].pad([row.tolist() for row in fewer])


def _drawn(
    samples: Sequence[Sample], view: str, points: Sequence[float]
) -> tuple[list[int], list[Part]]:
    """(places of the samples that have the view, the alternative drawn for each)."""
    owner: list[int] = []
    parts: list[Part] = []
    for place, (sample, point) in enumerate(zip(samples, points, strict=True)):
        found, weights = sample.alternatives(view), sample.weights(view)
        if view == "text" and not found:  # a label stands for text that is lacking
            labels = [part for part in sample.alternatives("label") if isinstance(part, Label)]
            found, weights = tuple(Text(one.name) for one in labels), (1.0,) * len(labels)
        if found:
            sums = np.cumsum(weights)
            drawn = int(np.searchsorted(sums, point * sums[-1], side="right"))
            owner.append(place)
            parts.append(found[min(drawn, len(found) - 1)])
    return owner, parts


def _component(sample: Sample) -> int:
    return -1 if sample.meta.component is None else sample.meta.component


def _text_ids(num_samples: int, owner: Sequence[int], parts: Sequence[Part]) -> Tensor:
    """[B] equal for equal texts, in all processes; -1 = no text."""
    ids = torch.full((num_samples,), -1, dtype=torch.int64)
    for place, part in zip(owner, parts, strict=True):
        assert isinstance(part, Text)  # the view is text
        digest = hashlib.blake2b(part.text.encode("utf-8", "surrogatepass"), digest_size=8)
        ids[place] = int.from_bytes(digest.digest(), "big") >> 1
    return ids
