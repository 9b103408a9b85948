"""Shards: tars as WebDataset lays them out, read by number, here or far away.

What is kept in memory is an index: some 60 bytes for a sample, whatever it holds. Texts are read
when a sample is asked for, media when they are decoded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt

from interlingua.config import NamedConfig
from interlingua.data.shards.index_file import ENDING
from interlingua.data.shards.mapping import Reading
from interlingua.data.shards.member import MemberContent
from interlingua.data.shards.nearby import NearbyShards
from interlingua.data.shards.opened import OpenedShard, open_shard
from interlingua.data.shards.places import common_name, find_shards, index_place, is_address
from interlingua.data.shards.remote import RemoteFile, Retry
from interlingua.data.shards.sample_choice import Choice, choose_samples
from interlingua.data.shards.shard_folder import what_is_missing
from interlingua.data.shards.storage import LocalFile, ShardFile
from interlingua.data.source import Origin, Problem, Problems, count_reasons
from interlingua.errors import DataError, MediaError
from interlingua.sample import AudioUse, Sample

THREADS = 8  # that open shards; far ones answer slowly


class Shards:
    """The samples of a set of shards, in the order of the shards; a ``Source``.

    ``source[number]`` reads that sample alone, and raises ``MediaError`` where its texts are
    damaged; iteration passes over such samples and counts them among ``problems``.

    Raises:
        DataError: no shard, no usable sample, or (``strict``) a shard that is damaged.
        MissingExtraError: an address, and fsspec isn't installed.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            paths: files, folders, globs, addresses; numbers in braces stand for many.
            audio: what the sounds are where the shards don't say: ``sound`` or ``speech``.
            language: BCP 47 code of the texts and the speech where the shards don't say.
            members: by role (``image``, ``audio``, ``text``, ``label``, ``json``) the ending that
                is meant, where samples have several: ``{image: left.jpg}``.
            classes: names of the classes that ``.cls`` members number.
            keys: ``unique``: a key names one sample of the whole set. ``per_shard``: every shard
                numbers its samples anew; the shard's name is put before the key.
            strict: a shard that is damaged ends it, instead of being counted.
            options: of the fsspec file system, for addresses: ``{anon: true}``.
            retry: how often a far shard is asked.
            workers: threads that fetch whole shards ahead of training; 0 = only what is read.
        """

        folder: ClassVar[str] = "data"
        name: str = "shards"
        paths: tuple[str, ...] = Field(min_length=1)
        audio: AudioUse = "sound"
        language: str | None = None
        members: dict[Literal["image", "audio", "text", "label", "json"], str] = Field(
            default_factory=dict
        )
        classes: tuple[str, ...] = ()
        keys: Literal["unique", "per_shard"] = "unique"
        strict: bool = False
        options: dict[str, Any] = Field(default_factory=dict)
        retry: Retry = Retry()
        workers: NonNegativeInt = 2

    def __init__(self, config: Shards.Config):
        self.config = config
        places = find_shards(config.paths)
        self.name = common_name(places)
        found = Problems()
        _look_for_missing(config, found)
        opened = _open_all(places, config, found)
        reading = Reading(
            self.name,
            config.audio,
            config.language,
            {str(role): ending for role, ending in config.members.items()},
            config.classes,
        )
        self._reading = reading
        self._choice: Choice = choose_samples(
            [one.index for one in opened], reading.members, config.keys, found
        )
        if not len(self._choice):
            reasons = [f"{count}× {name}" for name, count in count_reasons(found.listed).items()]
            raise DataError(
                f"No sample can be used: {', '.join(reasons[:8]) or 'the shards are empty'}.",
                where=places[0],
                next_step="Look at the shards with `tar tf`.",
            )
        self.shards: Sequence[OpenedShard] = opened
        self.near = NearbyShards([one.file for one in opened], config.workers)
        self._files = [self.near.file(number) for number in range(len(opened))]
        self._problems = found
        self._noted: set[int] = set()
        self._lock = threading.Lock()

    @property
    def problems(self) -> Sequence[Problem]:
        """What is left out so far; texts are known to be damaged once they are read."""
        return self._problems.listed

    @property
    def shard_sizes(self) -> list[int]:
        """How many samples of each shard there are, for ``ShardStream``."""
        return self._choice.sizes

    def __len__(self) -> int:
        return len(self._choice)

    def __iter__(self) -> Iterator[Sample]:
        for number in range(len(self)):
            try:
                yield self[number]
            except MediaError as error:
                self._note(number, error)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        shard, number = self._choice.place(index % len(self))
        of = self.shards[shard]
        key = of.index.key(number)
        contents = {
            one.ending: MemberContent(
                self._files[shard], f"{key}.{one.ending}", one.offset, one.size, one.crc32
            )
            for one in of.index.places(number)
        }
        return self._reading.sample(self._named(of, key), contents)

    @property
    def reads_anywhere(self) -> bool:
        """Whether any sample costs as little as the next one: no shard is far away."""
        return all(one.file.is_local for one in self.shards)

    def origin(self, index: int) -> Origin:
        """The key and the shard of a sample; nothing is read."""
        shard, number = self._choice.place(index)
        of = self.shards[shard]
        return Origin(self._named(of, of.index.key(number)), self.name, of.file.name)

    def keep(self, shards: Sequence[int]) -> None:
        """Say which shards will be read next, in this order: far ones are fetched whole."""
        self.near.keep(shards)

    def close(self) -> None:
        """Drop what was fetched."""
        self.near.close()

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} samples in {len(self.shards)} shards>"

    def __reduce__(self) -> tuple[type[Shards], tuple[Shards.Config]]:
        return Shards, (self.config,)  # another process opens them anew

    def _named(self, shard: OpenedShard, key: str) -> str:
        if self.config.keys == "per_shard":
            return f"{shard.index.shard.removesuffix('.tar')}/{key}"
        return key

    def _note(self, number: int, error: MediaError) -> None:
        with self._lock:
            if number not in self._noted:  # a second pass finds the same
                self._noted.add(number)
                self._problems.add(error.reason, f"{error.where}: {error.what.rstrip('.')}")


def _look_for_missing(config: Shards.Config, problems: Problems) -> None:
    for place in config.paths:
        folder = Path(place).expanduser()
        missing = what_is_missing(folder) if not is_address(place) and folder.is_dir() else []
        for one in missing:
            if config.strict:
                raise DataError(f"The set is not whole: {one.reason}.", where=one.where)
            problems.add(one.reason, one.where)


def _open_all(
    places: Sequence[str], config: Shards.Config, problems: Problems
) -> list[OpenedShard]:
    def open_one(place: str) -> OpenedShard | DataError | MediaError:
        try:
            return open_shard(_file(place, config), _file(index_place(place, ENDING), config))
        except (DataError, MediaError) as error:
            return error

    opened = []
    with ThreadPoolExecutor(min(THREADS, len(places))) as pool:
        for place, result in zip(places, pool.map(open_one, places), strict=True):
            if isinstance(result, OpenedShard):
                damage = [one for one in result.problems if config.strict]
                if damage:
                    raise DataError(
                        f"The shard is damaged: {damage[0].reason}.",
                        where=damage[0].where,
                        next_step="Leave out `strict` to take what is whole.",
                    )
                for one in result.problems:
                    problems.add(one.reason, one.where, one.count)
                opened.append(result)
            elif config.strict or len(places) == 1:
                raise DataError(result.what, where=result.where, next_step=result.next_step)
            else:
                problems.add(f"a shard: {result.what.rstrip('.')}", result.where or place)
    return opened


def _file(place: str, config: Shards.Config) -> ShardFile:
    if is_address(place):
        return RemoteFile(place, config.options, config.retry)
    return LocalFile(Path(place))
