"""Folding the log again in long ranges, and in several processes where there are cores for it: a fast ``Replay``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

from msgspec.structs import replace

from domain.log.ports import EventLog
from domain.log.position import Position
from domain.processing import EncodedRowSink, Processor, SinkUnavailable
from streams.processing.dead_letters import DeadLetters
from streams.processing.fold_worker import WorkerFailed
from streams.processing.fold_workers import FoldWorkers, Workers
from streams.processing.folded_range import RANGE_EVENTS, Encode, FoldedRange, fold_range, reading
from streams.processing.group import ProcessorGroup
from streams.processing.replay import EmbeddedReplay

logger = logging.getLogger(__name__)


class ParallelReplay:
    """Call it with a sink, as an ``EmbeddedReplay``: the outcome is the same.

    Where a worker fails or is killed, or rows cannot be stored, an ``EmbeddedReplay`` goes on from where the sink
    stands: it can tell which event is at fault, and parks it. Without workers everything is folded here.
    """

    def __init__(
        self,
        log: EventLog,
        processors: Sequence[Processor[Any]],
        dead_letters: DeadLetters,
        *,
        encode: Encode,
        workers: Workers | None = None,
        range_events: int = RANGE_EVENTS,
    ) -> None:
        self._here = EmbeddedReplay(log, processors, dead_letters)
        self._log = log
        self._processors = tuple(processors)
        self._dead_letters = dead_letters
        self._encode = encode
        self._workers = workers
        self._range_events = range_events

    def __call__(self, sink: EncodedRowSink, until: Position, progress: Callable[[Position], None]) -> int:
        """See ``Replay``. Blocking; while a range is being inserted the next one is folded."""
        after = sink.resume_from(until.shard)
        if after >= until or sink.planned_end(until.shard) is not None:
            return self._here(sink, until, progress)
        failed: dict[Position, int] = {}
        workers = self._workers
        if workers is not None and until.ordinal - after.ordinal < workers.worthwhile_events:
            workers = None
        try:
            with ExitStack() as running:
                ranges = (
                    self._from_here(after, until)
                    if workers is None
                    else self._from_workers(running, workers, after, until)
                )
                _write(sink, ranges, progress, failed)
        except (WorkerFailed, SinkUnavailable) as problem:
            logger.warning("replay.continues_in_process", extra={"error": str(problem)})
        stands = sink.resume_from(until.shard)
        return sum(failed[end] for end in failed if end <= stands) + self._here(sink, until, progress)

    def _from_here(self, after: Position, until: Position) -> Iterator[FoldedRange]:
        with closing(DeadLetters(":memory:")) as letters:
            letters.drop_all(self._dead_letters.dropped)
            group = ProcessorGroup(self._processors, self._log, letters)
            failed = 0
            while after < until:
                end = Position(after.shard, min(after.ordinal + self._range_events, until.ordinal))
                try:
                    folded = fold_range(reading(self._log), group, self._encode, after, end)
                except Exception as error:
                    # Which event is to blame shows when it is folded row by row, and so does a log that is away.
                    raise WorkerFailed(f"folding here failed: {error}") from error
                if folded.last == after:
                    break
                parked = len(letters.list())
                yield replace(folded, failed=parked - failed)
                after, failed = folded.last, parked

    def _from_workers(
        self, running: ExitStack, workers: Workers, after: Position, until: Position
    ) -> Iterator[FoldedRange]:
        dropped = self._dead_letters.dropped
        started = FoldWorkers(workers, self._processors, self._encode, dropped, after, until, self._range_events)
        folding = running.enter_context(started)
        while after < until:
            folded = folding.receive()
            after = folded.last
            yield folded


def _write(
    sink: EncodedRowSink,
    ranges: Iterator[FoldedRange],
    progress: Callable[[Position], None],
    failed: dict[Position, int],
) -> None:
    """Write range after range. ``failed`` takes how many events failed, by the end of the range they are in."""
    with ThreadPoolExecutor(1, thread_name_prefix="replay-sink") as pool:
        writing: tuple[Position, Future[None]] | None = None
        for folded in ranges:
            if writing is not None:
                writing[1].result()
                progress(writing[0])
            failed[folded.last] = folded.failed
            writing = folded.last, pool.submit(sink.write_encoded, folded.first, folded.last, folded.rows)
        if writing is not None:
            writing[1].result()
            progress(writing[0])
