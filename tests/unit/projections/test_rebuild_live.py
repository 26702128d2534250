"""Given events that arrive 500 a second, when the tables are made again, then they are equal and no reader notices."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.log.ports import Positioned
from domain.log.position import Position
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.rebuild import rebuild
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.parallel_replay import ParallelReplay
from streams.processing.pipeline import Bulk, Pipeline
from tests.unit.projections.histories import on_log
from tests.unit.streams.memory_log import MemoryLog

RATE, BEAT_SECONDS = 500, 0.05
LOOK_SECONDS = 0.01
"""Between two looks of a reader, who would otherwise take the time of what it watches."""


@contextmanager
def arriving(log: MemoryLog, events: Sequence[Positioned]) -> Iterator[None]:
    """Append them at the rate, as long as this lasts and there are any."""
    over, begun = threading.Event(), threading.Event()
    each = int(RATE * BEAT_SECONDS)

    def append() -> None:
        for first in range(0, len(events), each):
            log.append(*(event.recorded for event in events[first : first + each]))
            begun.set()
            if over.wait(BEAT_SECONDS):
                return

    with _running(append, over):
        assert begun.wait(60)
        yield


@contextmanager
def readers(store: AnalyticsStore, counts: list[tuple[int, int]], failures: list[Exception]) -> Iterator[None]:
    """Count over and over; what goes wrong is kept."""
    over = threading.Event()

    def read() -> None:
        client = store.client()
        while not over.wait(LOOK_SECONDS):
            try:
                result = client.query("SELECT (SELECT count() FROM events), (SELECT count() FROM messages)")
                events, messages = result.result_rows[0]
                counts.append((events, messages))
            except Exception as error:
                failures.append(error)

    with _running(read, over):
        yield


@contextmanager
def _running(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("calls", "there", "rebuilds"), [(40, 400, 2), pytest.param(1500, 30_000, 8, marks=pytest.mark.long)]
)
async def test_it_is_equal_by_hash_and_no_reader_sees_an_error_or_a_row_go(
    store: AnalyticsStore, tmp_path: Path, calls: int, there: int, rebuilds: int
) -> None:
    # Messages of deleted calls are not shown any more, so that their number would fall.
    history = [event for event in on_log(51, calls) if event.recorded.event.TYPE != "call.deleted"]
    log, letters = MemoryLog(), DeadLetters(tmp_path / "dead.db")
    log.append(*(event.recorded for event in history[:there]))
    sink = ClickHouseSink(store)
    pipeline = Pipeline("tables", PROCESSORS, sink, Bulk(encode_rows, sink.write_encoded), batch_events=500)
    runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
    replay = ParallelReplay(log, PROCESSORS, letters, encode=encode_rows, range_events=1000)
    await runner.start()
    counts, failures = list[tuple[int, int]](), list[Exception]()
    try:
        await runner.reached(log.head())
        with readers(store, counts, failures), arriving(log, history[there:]):
            outcomes = [
                await asyncio.to_thread(rebuild, store, replay, sink, until=[log.head()]) for _ in range(rebuilds)
            ]
        await runner.reached(log.head())
    finally:
        await runner.stop()
        letters.close()
    assert [outcome.equal for outcome in outcomes] == [True] * rebuilds
    assert failures == []
    assert counts == sorted(counts, key=lambda count: count[0])
    assert [messages for _, messages in counts] == sorted(messages for _, messages in counts)
    assert outcomes[-1].positions[0] >= outcomes[0].positions[0] >= Position(0, there)
    assert outcomes[-1].positions[0] > Position(0, there), "events came while the tables were made"
    assert store.client().command("SELECT count() FROM events") == log.head().ordinal
