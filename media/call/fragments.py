"""Media facts on their way to the fragment log: one buffer per process, flushed every 150 ms by one task in a thread.

What the log refuses, or does not take in time, goes into a spool on disk and from there to the log, in order, when it
answers again. Buffer and spool are bounded: the oldest partials and token deltas go first and are counted, finals stay.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec

from domain.fragments import Fragment, FragmentBatch, FragmentLog
from domain.log.ports import LogUnavailable
from media.call.fragment_spool import FragmentSpool
from media.call.outage import Outage
from media.call.shedding import NEVER_SHED, SHED_FIRST, SHED_INPUTS, Shedding, is_no_final, is_partial

_log = logging.getLogger(__name__)

_OUTAGE_PATIENCES = 4
"""A store that has not answered for so many times the patience is away; before that it may be slow."""
_LONGEST_DRAIN_S = 1.0
"""A flush that finds much in the spool leaves the rest to the next one, so that the buffer does not fill meanwhile."""


@dataclass(slots=True, eq=False)
class _Entry:
    source: FragmentSource
    type: str
    at_ms: float
    data: msgspec.Struct | dict[str, Any]
    shed: bool = False


@dataclass(slots=True, eq=False)
class FragmentSource:
    """One call as the writer of its fragments. ``seq`` is given out at the flush, so that it has no gaps."""

    call_id: str
    source: str
    org_id: str
    started_at: datetime
    buffer: FragmentBuffer
    next_seq: int = 0
    dropped: int = 0
    """Shed since the last batch."""

    def count_drop(self) -> None:
        """One of this call's fragments had to go."""
        self.dropped += 1

    def note(self, kind: str, at_ms: float, data: msgspec.Struct | dict[str, Any]) -> None:
        """Keep one fragment. ``data`` may be a frozen struct; it is turned into plain values in the flusher."""
        self.buffer.add(_Entry(self, kind, at_ms, data))


class FragmentBuffer:
    """Everything noted since the last flush, in order, and what the store and the disk have not taken.

    ``store`` is used in ``store_thread``, ``spool`` in ``spool_thread``: a store that hangs keeps nothing off the disk.
    """

    def __init__(
        self,
        store: FragmentLog,
        store_thread: Executor,
        spool: FragmentSpool,
        spool_thread: Executor,
        *,
        cap: int,
        flush_ms: int,
        patience_s: float,
        retry_s: float,
    ) -> None:
        self._store = store
        self._store_thread = store_thread
        self._spool = spool
        self._spool_thread = spool_thread
        self._cap = cap
        self._flush_s = flush_ms / 1000
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._entries: deque[_Entry] = deque()
        self._sheddable: deque[_Entry] = deque()
        self._unsent: list[FragmentBatch] = []
        """Batches that neither the store nor the spool has; newer than what is in the spool."""
        self._delivery: _Delivery | None = None
        """What the store is at."""
        self._retry_at_s = 0.0
        self._live = 0
        self._flushing = asyncio.Lock()
        self._flushes = 0
        self._work = asyncio.Event()
        self.available = True
        """Whether the store took the last batches that it was given, in time."""
        self._outage = Outage("fragments.store_unavailable", "fragments.store_available")
        self.kept = True
        """Whether what the store did not take could be put on the disk."""

    def open(self, call_id: str, source: str, org_id: str, started_at: datetime) -> FragmentSource:
        return FragmentSource(call_id, source, org_id, started_at, self)

    def add(self, entry: _Entry) -> None:
        """Never blocks; may shed an older entry."""
        if self._live >= self._cap and not self._shed() and entry.type not in NEVER_SHED:
            entry.source.count_drop()
            return
        self._entries.append(entry)
        self._live += 1
        if _goes_first(entry):
            self._sheddable.append(entry)
        self._work.set()

    def __len__(self) -> int:
        return self._live

    async def run(self) -> None:
        """Flush for ever, at most once per interval; sleeps while nothing is noted."""
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(self._flush_s)
            await self.flush()

    async def flush(self) -> None:
        """Store what is there now, or put it into the spool. What neither takes is kept for the next flush.

        Whoever waits while another flush is under way shares the one that comes after it.
        """
        begun = self._flushes
        async with self._flushing:
            if self._flushes > begun:
                return
            self._flushes += 1
            await self._collect()
            await self._deliver()
            if self._unsent:
                await self._keep()
            self._live = len(self._entries) + sum(len(batch.fragments) for batch in self._unsent)
            if self._unsent or not self._spool.empty:
                self._work.set()

    def close(self) -> int:
        """Blocking, when nothing flushes any more; how many fragments are lost. The spool stays for the next start."""
        self._spool.close()
        return len(self)

    async def _collect(self) -> None:
        entries, self._entries = self._entries, deque()
        self._sheddable.clear()
        if not entries:
            return
        dropped: dict[FragmentSource, int] = {}
        for source in {entry.source for entry in entries}:
            dropped[source], source.dropped = source.dropped, 0

        def take(made: asyncio.Future[list[FragmentBatch]]) -> None:
            if not made.cancelled() and made.exception() is None:
                self._unsent += made.result()

        made = asyncio.get_running_loop().run_in_executor(self._spool_thread, _batches, entries, dropped)
        # Taken also when whoever flushes is cancelled: it is what every call has noted.
        made.add_done_callback(take)
        await asyncio.shield(made)

    async def _deliver(self) -> None:
        """Give the store what is oldest, again and again, until it has all or does not take it."""
        started_s = monotonic()
        if self._delivery is None and started_s < self._retry_at_s:
            return
        while self._unsent or self._delivery is not None or not self._spool.empty:
            # The store had its time for what an earlier flush gave it.
            patience_s = self._patience_s if self._delivery is None else 0.0
            delivery = self._delivery = self._delivery or await self._offer()
            await asyncio.wait((delivery.answer,), timeout=patience_s)
            if not delivery.answer.done():
                silent_s = monotonic() - delivery.since_s
                away = silent_s >= self._patience_s * _OUTAGE_PATIENCES
                self._went_away(f"no answer for {silent_s:.1f} s" if away else "")
                return
            self._delivery = None
            stored, error = delivery.answer.result()
            if delivery.of is self._unsent:
                del self._unsent[:stored]
            elif delivery.of is self._spool and error is None:
                await asyncio.get_running_loop().run_in_executor(self._spool_thread, self._spool.delivered)
            if error is not None:
                self._went_away(str(error) or type(error).__name__)
                return
            self.available = True
            self._outage.over()
            if monotonic() > started_s + _LONGEST_DRAIN_S:
                return

    async def _offer(self) -> _Delivery:
        loop = asyncio.get_running_loop()
        if self._spool.empty:
            return _Delivery(loop.run_in_executor(self._store_thread, self._write, list(self._unsent)), self._unsent)
        oldest = await loop.run_in_executor(self._spool_thread, self._spool.first)
        return _Delivery(loop.run_in_executor(self._store_thread, self._write, oldest), self._spool)

    async def _keep(self) -> None:
        """Put what the store did not take into the spool; where the disk does not take it either, shed."""
        batches, self._unsent = self._unsent, []
        # A delivery of these that is still under way does not count any more: they come again from where they go now,
        # and the store knows what it has.
        try:
            await asyncio.get_running_loop().run_in_executor(self._spool_thread, self._spool.append, batches)
        except OSError as error:
            if self.kept:
                _log.warning("fragments.not_kept", extra={"reason": error.strerror or str(error)})
            self.kept = False
            self._unsent = self._trimmed(batches)
        else:
            self.kept = True

    def _went_away(self, reason: str) -> None:
        """``reason`` is empty where the store may only be slow."""
        if reason:
            self._outage.goes_on(monotonic(), {"reason": reason})
        self.available = False
        self._retry_at_s = monotonic() + self._retry_s

    def _write(self, batches: list[FragmentBatch]) -> tuple[int, Exception | None]:
        """In the store's thread: how many of the batches are settled, and why not the rest."""
        try:
            self._store.append(batches)
        except (OSError, LogUnavailable) as error:
            return 0, error
        except Exception:
            return self._write_one_by_one(batches)
        return len(batches), None

    def _write_one_by_one(self, batches: list[FragmentBatch]) -> tuple[int, Exception | None]:
        """A fragment cannot be stored (encoded, say): it is given up, and no other is lost for it."""
        for number, batch in enumerate(batches):
            for place, fragment in enumerate(batch.fragments):
                dropped = batch.dropped if place == 0 else 0
                single = msgspec.structs.replace(batch, fragments=(fragment,), dropped=dropped)
                try:
                    self._store.append([single])
                except (OSError, LogUnavailable) as error:
                    # Those of this batch that are stored already are known by their number when they come again.
                    return number, error
                except Exception:
                    _log.exception(
                        "fragments.fragment_refused",
                        extra={"call_id": batch.call_id, "fragment_type": fragment.type},
                    )
        return len(batches), None

    def _shed(self) -> bool:
        """Make room for one entry; ``False`` where nothing that waits may go."""
        while self._sheddable:
            entry = self._sheddable.popleft()
            if not entry.shed:
                self._drop(entry)
                return True
        for entry in self._entries:
            if not entry.shed and entry.type not in NEVER_SHED:
                self._drop(entry)
                return True
        return False

    def _drop(self, entry: _Entry) -> None:
        entry.shed = True
        entry.source.count_drop()
        self._live -= 1

    def _trimmed(self, batches: list[FragmentBatch]) -> list[FragmentBatch]:
        """Store and disk that both stay away must not fill the memory."""
        for goes in (is_partial, is_no_final):
            excess = sum(len(batch.fragments) for batch in batches) - self._cap
            if excess > 0:
                batches = list(Shedding(goes, lambda _: 1, excess).left(batches))
        return batches


@dataclass(slots=True)
class _Delivery:
    answer: asyncio.Future[tuple[int, Exception | None]]
    of: object
    """Where the batches were taken from."""
    since_s: float = field(default_factory=monotonic)


def _batches(entries: deque[_Entry], dropped: dict[FragmentSource, int]) -> list[FragmentBatch]:
    """Number what was not shed and group it by call."""
    grouped: dict[FragmentSource, list[Fragment]] = {}
    for entry in entries:
        if entry.shed:
            continue
        source = entry.source
        source.next_seq += 1
        grouped.setdefault(source, []).append(
            Fragment(seq=source.next_seq, type=entry.type, at_ms=entry.at_ms, data=_plain(entry.data))
        )
    return [
        FragmentBatch(
            call_id=source.call_id,
            source=source.source,
            org_id=source.org_id,
            started_at=source.started_at,
            fragments=tuple(fragments),
            dropped=dropped[source],
        )
        for source, fragments in grouped.items()
    ]


def _goes_first(entry: _Entry) -> bool:
    return entry.type in SHED_FIRST or (entry.type == "machine.input" and type(entry.data).__name__ in SHED_INPUTS)


def _plain(data: msgspec.Struct | dict[str, Any]) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    plain: dict[str, Any] = msgspec.to_builtins(data)
    return plain
