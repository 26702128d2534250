"""Reading a shard of the log in order: in pages, one history at a time, or following its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from domain.log.codec import EventCodec
from domain.log.ports import LogUnavailable, Positioned
from domain.log.position import Position
from streams.log.append import EMBEDDED_SHARD
from streams.log.datastore import LogDatastore

FOLLOW_BATCH = 500
"""Events per batch that ``follow`` yields at most."""

READING_THREADS = 2
"""Threads that read for followers, so that a catch-up neither blocks an event loop nor waits for others' work."""

_EVENTS = "SELECT ordinal, originator_id, originator_version, topic, state FROM stored_events "


class LogReader:
    """Implements ``EventLog``. Thread-safe; each thread reads on a connection of its own."""

    def __init__(self, datastore: LogDatastore, codec: EventCodec, shard: int = EMBEDDED_SHARD) -> None:
        self._shard = shard
        self._datastore = datastore
        self._codec = codec
        self._threads = ThreadPoolExecutor(READING_THREADS, thread_name_prefix="log-reader")
        self._closed = False

    def head(self, shard: int | None = None) -> Position:
        """The position of the newest event; ordinal 0 when there is none."""
        if shard is not None:
            self._only_here(shard)
        ((newest,),) = self._datastore.rows("SELECT max(ordinal) FROM stored_events")
        return Position(self._shard, newest or 0)

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        """At most ``limit`` events after a position, in order; of the given types only, where given."""
        self._only_here(after.shard)
        return self._read(after.ordinal, None, limit, types)

    def read_share(
        self, after: Position, limit: int, holds: Callable[[str], bool]
    ) -> tuple[Sequence[Positioned], Position]:
        """Of the next ``limit`` events those of the originators that ``holds`` says, and the last one's position."""
        self._only_here(after.shard)
        rows = self._datastore.rows(_EVENTS + "WHERE ordinal>? ORDER BY ordinal LIMIT ?", [after.ordinal, limit])
        last = Position(self._shard, rows[-1][0]) if rows else after
        return self._positioned([row for row in rows if holds(row[1])]), last

    def between(self, ordinals: range) -> Sequence[Positioned]:
        """The events with these ordinals."""
        return self._read(ordinals.start - 1, ordinals.stop - 1, len(ordinals), None)

    def has(self, originator_id: str) -> bool:
        """Whether the originator has events here."""
        return bool(self._datastore.rows("SELECT 1 FROM stored_events WHERE originator_id=? LIMIT 1", (originator_id,)))

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        """An originator's events in order of version."""
        rows = self._datastore.rows(
            _EVENTS + "WHERE originator_id=? AND originator_version>? ORDER BY originator_version",
            (originator_id, after_version),
        )
        return self._positioned(rows)

    async def follow(
        self, after: Position, types: frozenset[str] | None = None
    ) -> AsyncGenerator[Sequence[Positioned], None]:
        """Batches from ``after`` on, until the log is closed. Wakes on commits, polls nothing in this process."""
        self._only_here(after.shard)
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(grown.set)

        self._datastore.commits.attach(wake)
        try:
            reached = after.ordinal
            while not self._closed:
                grown.clear()
                try:
                    batch, reached = await loop.run_in_executor(self._threads, self._next_batch, reached, types)
                except (LogUnavailable, RuntimeError):
                    if self._closed:
                        return
                    raise
                if batch:
                    yield batch
                else:
                    await grown.wait()
        finally:
            self._datastore.commits.detach(wake)

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Wait until this node has seen ``position``, so that a read shows what was written there.

        ``False`` after ``timeout_s``, or when the log is closed before. Wakes on commits.
        """
        self._only_here(position.shard)
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(grown.set)

        if self.head().ordinal >= position.ordinal:
            return True
        self._datastore.commits.attach(wake)
        try:
            async with asyncio.timeout(timeout_s):
                while not self._closed:
                    grown.clear()
                    if self.head().ordinal >= position.ordinal:
                        return True
                    await grown.wait()
        except TimeoutError:
            return self.head().ordinal >= position.ordinal
        finally:
            self._datastore.commits.detach(wake)
        return False

    def close(self) -> None:
        """Let every ``follow`` end. The datastore's own closing wakes those that wait."""
        self._closed = True
        self._threads.shutdown(wait=False)

    def _next_batch(self, reached: int, types: frozenset[str] | None) -> tuple[Sequence[Positioned], int]:
        """The next events and how far the log has been looked through."""
        head = self.head().ordinal
        batch = self._read(reached, head, FOLLOW_BATCH, types)
        return batch, batch[-1].position.ordinal if len(batch) == FOLLOW_BATCH else head

    def _read(self, after: int, until: int | None, limit: int, types: frozenset[str] | None) -> Sequence[Positioned]:
        condition, parameters = "WHERE ordinal>? ", list[Any]([after])
        if until is not None:
            condition += "AND ordinal<=? "
            parameters.append(until)
        if types is not None:
            condition += f"AND topic IN ({','.join('?' * len(types))}) "
            parameters.extend(sorted(types))
        return self._positioned(
            self._datastore.rows(_EVENTS + condition + "ORDER BY ordinal LIMIT ?", [*parameters, limit])
        )

    def _positioned(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[Positioned]:
        decode = self._codec.decode
        return [
            Positioned(Position(self._shard, ordinal), decode(topic, body, originator_id, version))
            for ordinal, originator_id, version, topic, body in rows
        ]

    def _only_here(self, shard: int) -> None:
        if shard != self._shard:
            raise ValueError(f"this is shard {self._shard} of the log; there is no shard {shard} here")
