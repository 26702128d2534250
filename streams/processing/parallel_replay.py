"""Folding the log again in several processes: a long ``Replay``, on as many cores as there are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from domain.log.ports import EventLog
from domain.log.position import Position
from domain.processing import EncodedRows, EncodedRowSink, Processor, SinkUnavailable
from streams.processing.dead_letters import DeadLetters
from streams.processing.fold_worker import Encode, FoldedRange, FoldWorker, OpenLog, Share, WorkerFailed
from streams.processing.pipeline import BATCH_EVENTS
from streams.processing.replay import EmbeddedReplay

logger = logging.getLogger(__name__)

WORTHWHILE_EVENTS = 50_000
"""Fewer than these are folded here in the time that other processes take to start."""


class ParallelReplay:
    """Call it with a sink, as an ``EmbeddedReplay``: the outcome is the same.

    Where a worker fails or is killed, or rows cannot be stored, an ``EmbeddedReplay`` goes on from where the sink
    stands: it can tell which event is at fault, and parks it.
    """

    def __init__(
        self,
        log: EventLog,
        processors: Sequence[Processor[Any]],
        dead_letters: DeadLetters,
        *,
        open_log: OpenLog,
        encode: Encode,
        workers: int,
        worthwhile_events: int = WORTHWHILE_EVENTS,
        range_events: int = BATCH_EVENTS,
    ) -> None:
        self._here = EmbeddedReplay(log, processors, dead_letters)
        self._dead_letters = dead_letters
        self._share = (open_log, tuple(processors), encode)
        self._workers = workers
        self._worthwhile_events = worthwhile_events
        self._range_events = range_events

    def __call__(self, sink: EncodedRowSink, until: Position, progress: Callable[[Position], None]) -> int:
        """See ``Replay``. Blocking; while a range is being inserted the workers fold the next one."""
        after = sink.resume_from(until.shard)
        if until.ordinal - after.ordinal < self._worthwhile_events or sink.planned_end(until.shard) is not None:
            return self._here(sink, until, progress)
        failed: dict[Position, int] = {}
        try:
            self._in_workers(sink, after, until, progress, failed)
        except (WorkerFailed, SinkUnavailable) as problem:
            logger.warning("replay.continues_in_process", extra={"error": str(problem)})
        stands = sink.resume_from(until.shard)
        return sum(failed[end] for end in failed if end <= stands) + self._here(sink, until, progress)

    def _in_workers(
        self,
        sink: EncodedRowSink,
        after: Position,
        until: Position,
        progress: Callable[[Position], None],
        failed: dict[Position, int],
    ) -> None:
        """Write range after range. ``failed`` takes how many events failed, by the end of the range they are in."""
        with ExitStack() as running:
            workers = [
                running.enter_context(FoldWorker(share, after, until, self._range_events)) for share in self._shares()
            ]
            pool = running.enter_context(ThreadPoolExecutor(1, thread_name_prefix="replay-sink"))
            writing: Future[None] | None = None
            while after < until:
                shares = [worker.receive() for worker in workers]
                if writing is not None:
                    writing.result()
                    progress(after)
                after = shares[0].last
                failed[after] = sum(share.failed for share in shares)
                writing = pool.submit(sink.write_encoded, shares[0].first, after, _joined(shares))
            if writing is not None:
                writing.result()
                progress(after)

    def _shares(self) -> list[Share]:
        dropped = self._dead_letters.dropped
        return [Share(*self._share, dropped, number, self._workers) for number in range(self._workers)]


def _joined(shares: Sequence[FoldedRange]) -> Mapping[str, EncodedRows]:
    """The rows of all shares of one range. Their order within it does not matter to a sink."""
    names = {name for share in shares for name in share.rows}
    parts = {name: [share.rows[name] for share in shares if name in share.rows] for name in names}
    return {
        name: EncodedRows(b"".join([part.data for part in of_table]), max(part.last for part in of_table))
        for name, of_table in parts.items()
    }
