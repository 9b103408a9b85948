"""Reading an index: opening it, searching, and following what other processes write.

Any number of processes may read. A reader sees the state after a finished change of a writer, whole
or not at all, and the next one at its next search. Opening checks every byte.

Shape legend: D width of the space, Q queries.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from interlingua.errors import SearchIndexError
from interlingua.index import snapshot, storage
from interlingua.index.answers import hits_of, keys_of, records_of, unknown_key
from interlingua.index.columns import checked_vector, of_length_one
from interlingua.index.condition import AllOf, Condition, Not, OneOf
from interlingua.index.fields import FieldKind
from interlingua.index.filter import Filter
from interlingua.index.filter_syntax import parse
from interlingua.index.info import IndexInfo
from interlingua.index.integrity import verify_files
from interlingua.index.record import Hit, Record
from interlingua.index.snapshot import Snapshot

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Opened:
    """What was read of one state of the folder.

    Attributes:
        info: whose.
        table: LanceDB's, at that state.
        seen: the stamp of ``index.json``.
        state: what searches need; made when it is first asked for.
    """

    info: IndexInfo
    table: Any
    seen: tuple[int, int, int] | None
    state: Snapshot | None = None


class IndexReader:
    """An index on disk, to be searched.

    Args:
        path: its folder.
        space_id: of the space that will ask; None trusts the caller.

    Raises:
        SearchIndexError: there is none, it is damaged, or belongs to another model.
        MissingExtraError: LanceDB is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], space_id: str | None = None):
        self.path = Path(path)
        self._lock = threading.RLock()
        self._verified: dict[str, set[str]] = {}  # files by build
        self._before: Snapshot | None = None
        self._opened = self._read(space_id)

    @property
    def info(self) -> IndexInfo:
        """What the index says of itself, after the newest finished change."""
        return self._newest().info

    @property
    def run(self) -> str | None:
        """The run folder of the space, where recorded."""
        return self.info.run

    @property
    def fields(self) -> dict[str, FieldKind]:
        """What a filter may ask for, with its kind; the index's own fields last."""
        return self.info.known_fields

    def check_space(self, space_id: str | None) -> None:
        """Refuse the vectors of another model.

        Raises:
            SearchIndexError: ``space_id`` is given and isn't the index's.
        """
        self.info.check_space(space_id, self.path)

    def __len__(self) -> int:
        return self._ask(lambda opened: int(opened.table.count_rows()))

    def kinds(self) -> dict[str, int]:
        """How many records there are of each kind."""
        return self._ask(lambda opened: self._state(opened).counts("kind"))

    def search(
        self,
        vector: npt.ArrayLike,
        k: int = 10,
        kinds: Sequence[str] | None = None,
        *,
        groups: Sequence[str] | None = None,
        sources: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
        where: str | Condition | None = None,
        exact: bool | None = None,
    ) -> list[Hit]:
        """The nearest records by cosine similarity, nearest first.

        Args:
            vector: [D].
            k: at most this many.
            kinds: ``image``, ``text``, ``sound``, ``speech``, or ``audio`` for the last two.
            groups: only these groups and what is inside them.
            sources: only from these.
            languages: only in these.
            where: what a record must be: a condition, or text as in ``filter_syntax.parse``.
            exact: False looks into the nearest lists only; None does so where the index has lists
                and nothing is filtered.

        Raises:
            SearchIndexError: k below 1; a vector of another width, not finite or zero; a kind that
                the index lacks; no lists where ``exact`` is False; the index was rebuilt with
                another model, or is damaged.
            ConfigError: a filter that can't be read, or asks for an unknown field.
        """
        wanted = Filter(kinds, groups, sources, languages, where=where)
        return self.search_many([vector], k, wanted, exact=exact)[0]

    def search_many(
        self,
        vectors: Sequence[npt.ArrayLike] | npt.NDArray[np.float32],
        k: int = 10,
        wanted: Filter | None = None,
        *,
        exact: bool | None = None,
    ) -> list[list[Hit]]:
        """``search`` for each of several vectors [Q, D]; much faster than one after another."""
        if k < 1:
            raise SearchIndexError(f"k must be at least 1, not {k}.")

        def answer(opened: Opened) -> list[list[Hit]]:
            state, info = self._state(opened), opened.info
            condition = self._condition(state, wanted or Filter())
            lists = self._lists(info, exact, condition)
            checked = [checked_vector(one, info.dimension, "The query vector") for one in vectors]
            if not checked:
                return []
            found = state.search(of_length_one(np.stack(checked)), k, condition, lists)
            return hits_of(found, k, info) if found else [[] for _ in checked]

        return self._ask(answer)

    def like(
        self,
        key: str,
        k: int = 10,
        kinds: Sequence[str] | None = None,
        *,
        source: str | None = None,
        of: Sequence[str] | None = None,
        where: str | Condition | None = None,
        exact: bool | None = None,
    ) -> list[Hit]:
        """The records nearest to what is stored of a sample, without its own.

        Args:
            key: of the sample.
            k, kinds, where, exact: as in ``search``.
            source: of the sample; needed where several sources have such a key.
            of: its records of these kinds are asked with; all by default.

        Raises:
            SearchIndexError: as ``search``; no such key, or several sources have it.
        """
        records = self.example(key, source=source, of=of)
        own = AllOf((OneOf("key", (key,)), OneOf("source", (records[0].source,))))
        asked = parse(where) if isinstance(where, str) else where
        others: Condition = Not(own)
        total = np.sum(np.stack([np.asarray(record.vector) for record in records]), axis=0)
        where = others if asked is None else AllOf((others, asked))
        return self.search(total, k, kinds, where=where, exact=exact)

    def example(
        self, key: str, *, source: str | None = None, of: Sequence[str] | None = None
    ) -> list[Record]:
        """The records that ``like`` asks with; arguments and errors as there."""
        records = self.get(key, source=source, kinds=of)
        sources = sorted({record.source for record in records})
        if not records:
            keys = self._ask(lambda opened: keys_of(self._state(opened)))
            raise unknown_key(key, source, of, keys, self.path)
        if len(sources) > 1:
            raise SearchIndexError(
                f"Several sources have the key {key!r}: {', '.join(map(repr, sources))}.",
                where=str(self.path),
                next_step="Say which: source=..., or --like-source on the command line.",
            )
        return records

    def get(
        self, key: str, *, source: str | None = None, kinds: Sequence[str] | None = None
    ) -> list[Record]:
        """What is stored of a sample; nothing where there is no such key.

        Args:
            key: of the sample.
            source: only of this source.
            kinds: only these.
        """
        wanted = Filter(kinds, sources=None if source is None else [source], keys=[key])

        def answer(opened: Opened) -> list[Record]:
            state = self._state(opened)
            return records_of(state, self._condition(state, wanted))

        return self._ask(answer)

    def records(self, where: str | Condition | None = None) -> list[Record]:
        """All that is stored, or what passes a condition; vectors have length 1."""

        def answer(opened: Opened) -> list[Record]:
            state = self._state(opened)
            return records_of(state, self._condition(state, Filter(where=where)))

        return self._ask(answer)

    def _condition(self, state: Snapshot, wanted: Filter) -> Condition | None:
        present = {} if wanted.kinds is None else state.counts("kind")
        return wanted.condition(state.info.known_fields, present, self.path)

    def _lists(self, info: IndexInfo, exact: bool | None, condition: Condition | None) -> int:
        """How many lists are looked into; 0 = all rows."""
        approximate = None if info.matrix is None else info.matrix.approximate
        if exact is False and approximate is None:
            raise SearchIndexError(
                "This index has no lists for approximate search.",
                where=str(self.path),
                next_step=f"interlingua index compact {self.path} --lists",
            )
        if exact or approximate is None or (exact is None and condition is not None):
            return 0
        return approximate.looked_into

    def _state(self, opened: Opened) -> Snapshot:
        """What searches need of a state; what an older one has of it is used again."""
        with self._lock:
            if opened.state is None:
                before = self._before
                if before is not None and before.info.build_id != opened.info.build_id:
                    before = None  # its addresses are of another table
                opened.state = snapshot.load(self.path, opened.info, opened.table, before)
                self._before = opened.state
            return opened.state

    def _ask(self, question: Callable[[Opened], Answer]) -> Answer:
        """Put a question to the newest state; once more if it was rebuilt under our hands."""
        opened = self._newest()
        try:
            with storage.explained(self.path):
                return question(opened)
        except SearchIndexError:
            newer = self._newest()
            if newer is opened:
                raise
            with storage.explained(self.path):
                return question(newer)

    def _newest(self) -> Opened:
        with self._lock:
            if storage.stamp(self.path) != self._opened.seen:
                self._opened = self._read(self._opened.info.space_id)
            return self._opened

    def _read(self, space_id: str | None) -> Opened:
        seen = storage.stamp(self.path)
        try:
            info = IndexInfo.read(self.path)
            info.check_space(space_id, self.path)
            verified = self._verified.setdefault(info.build_id, set())
            folder = storage.table_folder(self.path, info)
            verify_files(folder, info.files, verified, pruning=info.pruning)
            return Opened(info, storage.open_table(self.path, info), seen)
        except SearchIndexError:
            if storage.stamp(self.path) in (seen, None):
                raise
            return self._read(space_id)  # changed while it was read
