"""Media facts on their way to the fragment log: one buffer per process, flushed every 150 ms by one task in a thread.

The buffer is bounded. When it is full the oldest partials and token deltas go first and are counted; finals stay.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from domain.fragments import Fragment, FragmentBatch, FragmentLog
from domain.log.ports import LogUnavailable

_log = logging.getLogger(__name__)

SHED_FIRST = frozenset({"transcript.partial", "model.delta"})
_SHED_INPUTS = frozenset({"PartialHeard", "ModelText"})
_NEVER_SHED = frozenset({"transcript.final"})


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
    """Everything noted since the last flush, in order."""

    def __init__(self, store: FragmentLog, executor: Executor, *, cap: int, flush_ms: int) -> None:
        self._store = store
        self._executor = executor
        self._cap = cap
        self._flush_s = flush_ms / 1000
        self._entries: deque[_Entry] = deque()
        self._sheddable: deque[_Entry] = deque()
        self._unsent: list[FragmentBatch] = []
        """Batches that the store refused; they go first the next time."""
        self._live = 0
        self._flushing = asyncio.Lock()
        self._work = asyncio.Event()
        self.available = True

    def open(self, call_id: str, source: str, org_id: str, started_at: datetime) -> FragmentSource:
        return FragmentSource(call_id, source, org_id, started_at, self)

    def add(self, entry: _Entry) -> None:
        """Never blocks; may shed an older entry."""
        if self._live >= self._cap and not self._shed() and entry.type not in _NEVER_SHED:
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
        """Write what is there now. What the store refuses is kept, and the next flush tries again."""
        async with self._flushing:
            entries, self._entries = self._entries, deque()
            self._sheddable.clear()
            if not entries and not self._unsent:
                return
            dropped: dict[FragmentSource, int] = {}
            for source in {entry.source for entry in entries}:
                dropped[source], source.dropped = source.dropped, 0
            loop = asyncio.get_running_loop()
            batches, error = await loop.run_in_executor(self._executor, self._write, entries, dropped)
            self._unsent = batches
            self._live = len(self._entries) + sum(len(batch.fragments) for batch in batches)
            if error is not None:
                if self.available:
                    _log.warning("fragments.store_unavailable", extra={"reason": str(error)})
                self._trim()
                self._work.set()
            self.available = error is None

    def _write(
        self, entries: deque[_Entry], dropped: dict[FragmentSource, int]
    ) -> tuple[list[FragmentBatch], Exception | None]:
        """In the flusher's thread: number, group by call, store. Returns what could not be stored."""
        grouped: dict[FragmentSource, list[Fragment]] = {}
        for entry in entries:
            if entry.shed:
                continue
            source = entry.source
            source.next_seq += 1
            grouped.setdefault(source, []).append(
                Fragment(seq=source.next_seq, type=entry.type, at_ms=entry.at_ms, data=_plain(entry.data))
            )
        batches = list(self._unsent)
        for source, fragments in grouped.items():
            batches.append(
                FragmentBatch(
                    call_id=source.call_id,
                    source=source.source,
                    org_id=source.org_id,
                    started_at=source.started_at,
                    fragments=tuple(fragments),
                    dropped=dropped[source],
                )
            )
        try:
            self._store.append(batches)
        except (OSError, LogUnavailable) as error:
            return batches, error
        except Exception:
            return self._write_one_by_one(batches)
        return [], None

    def _write_one_by_one(self, batches: list[FragmentBatch]) -> tuple[list[FragmentBatch], Exception | None]:
        """A fragment cannot be stored (encoded, say): it is given up, and no other is lost for it."""
        for number, batch in enumerate(batches):
            for place, fragment in enumerate(batch.fragments):
                dropped = batch.dropped if place == 0 else 0
                single = msgspec.structs.replace(batch, fragments=(fragment,), dropped=dropped)
                try:
                    self._store.append([single])
                except (OSError, LogUnavailable) as error:
                    # Those of this batch that are stored already are known by their number when they come again.
                    return batches[number:], error
                except Exception:
                    _log.exception(
                        "fragments.fragment_refused",
                        extra={"call_id": batch.call_id, "fragment_type": fragment.type},
                    )
        return [], None

    def _shed(self) -> bool:
        """Make room for one entry; ``False`` where nothing that waits may go."""
        while self._sheddable:
            entry = self._sheddable.popleft()
            if not entry.shed:
                self._drop(entry)
                return True
        for entry in self._entries:
            if not entry.shed and entry.type not in _NEVER_SHED:
                self._drop(entry)
                return True
        return False

    def _drop(self, entry: _Entry) -> None:
        entry.shed = True
        entry.source.count_drop()
        self._live -= 1

    def _trim(self) -> None:
        """A store that stays away must not fill the memory: of refused batches only the newest are kept whole."""
        waiting = sum(len(batch.fragments) for batch in self._unsent)
        for index, batch in enumerate(self._unsent):
            if waiting <= self._cap:
                return
            kept = tuple(fragment for fragment in batch.fragments if fragment.type in _NEVER_SHED)
            lost = len(batch.fragments) - len(kept)
            waiting -= lost
            self._unsent[index] = msgspec.structs.replace(batch, fragments=kept, dropped=batch.dropped + lost)


def _goes_first(entry: _Entry) -> bool:
    return entry.type in SHED_FIRST or (entry.type == "machine.input" and type(entry.data).__name__ in _SHED_INPUTS)


def _plain(data: msgspec.Struct | dict[str, Any]) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    plain: dict[str, Any] = msgspec.to_builtins(data)
    return plain
