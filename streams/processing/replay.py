"""Folding the log again, from where a sink stands up to a position: the embedded ``domain.processing.Replay``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from domain.log.ports import EventLog
from domain.log.position import Position
from domain.processing import Processor, RowSink, RowsRejected
from streams.processing.dead_letters import DeadLetters
from streams.processing.group import Batch, ProcessorGroup
from streams.processing.pipeline import BATCH_EVENTS


class EmbeddedReplay:
    """Call it with a sink. Events that fail are passed over with those behind them, as when running live.

    Nothing is parked for good: what runs live has parked them already. Events that somebody dropped there
    (``dead_letters``) are passed over alone.
    """

    def __init__(self, log: EventLog, processors: Sequence[Processor[Any]], dead_letters: DeadLetters) -> None:
        self._log = log
        self._processors = tuple(processors)
        self._dead_letters = dead_letters

    def __call__(self, sink: RowSink, until: Position, progress: Callable[[Position], None]) -> int:
        """See ``Replay``. Blocking; while a batch is being written the next one is read and folded."""
        letters = DeadLetters(":memory:")
        letters.drop_all(self._dead_letters.dropped)
        group = ProcessorGroup(self._processors, self._log, letters)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="replay-sink") as pool:
                after = sink.resume_from(until.shard)
                # A range that was begun is sent again whole; nobody plans one beyond ``until``.
                end = sink.planned_end(until.shard) or Position(until.shard, after.ordinal + BATCH_EVENTS)
                writing: tuple[Batch, Future[None]] | None = None
                while after < until:
                    events = self._log.read(after, min(end.ordinal, until.ordinal) - after.ordinal)
                    if not events:
                        break
                    after = events[-1].position
                    end = Position(until.shard, after.ordinal + BATCH_EVENTS)
                    batch = group.fold(events)
                    if writing is not None:
                        progress(_written(group, sink, *writing))
                        batch = group.current(batch)
                    writing = batch, pool.submit(sink.write, batch.first, batch.last, batch.rows)
                if writing is not None:
                    progress(_written(group, sink, *writing))
            return len(letters.list())
        finally:
            letters.close()


def _written(group: ProcessorGroup, sink: RowSink, batch: Batch, writing: Future[None]) -> Position:
    """Where the sink stands once the batch is in it, without the rows that it refuses."""
    rejected: RowsRejected | None
    try:
        writing.result()
        rejected = None
    except RowsRejected as refusal:
        rejected = refusal
    while rejected is not None:
        batch = group.park(batch, rejected)
        try:
            sink.write(batch.first, batch.last, batch.rows)
            rejected = None
        except RowsRejected as refusal:
            rejected = refusal
    return batch.last
