"""Given a pipeline that is far behind, when processes of their own fold the stretch, then the tables are those that
one process makes, and what comes afterwards is folded as if it had done all by itself."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.log.ports import Positioned
from domain.processing import Effect, Processor
from projections.comparison import TableHash
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.fold_worker import OpenLog, SharedLog
from streams.processing.fold_workers import Workers
from streams.processing.pipeline import Bulk, Pipeline
from tests.unit.projections.elsewhere import BAD, END, LOG, contents, empty, opened, opened_deadly
from tests.unit.streams.memory_log import MemoryLog

HALF = len(LOG) // 2
RANGE, FAR = 100, 150


@contextmanager
def never_opened(shard: int) -> Iterator[SharedLog]:
    time.sleep(3600)
    yield MemoryLog()


@dataclass(frozen=True)
class Failing:
    """The processor for ``events``, which raises at one event."""

    inner: Processor[Any] = PROCESSORS[-1]
    name: str = "event-table"
    version: int = 1
    handles: frozenset[str] | None = None

    def initial(self) -> Any:
        return self.inner.initial()

    def apply(self, state: Any, event: Positioned) -> tuple[Any, Iterable[Effect]]:
        if event.position == BAD:
            raise ValueError("not this one")
        return self.inner.apply(state, event)


@pytest.fixture(autouse=True)
def emptied(store: AnalyticsStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streams.processing")
    empty(store)


def told(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.getMessage() == message]


@asynccontextmanager
async def running(
    store: AnalyticsStore,
    log: MemoryLog,
    letters: DeadLetters,
    open_log: OpenLog | None = opened,
    processors: tuple[Processor[Any], ...] = PROCESSORS,
) -> AsyncIterator[EmbeddedRunner]:
    sink = ClickHouseSink(store)
    workers = None if open_log is None else Workers(open_log, 2, worthwhile_events=FAR)
    bulk = Bulk(encode_rows, sink.write_encoded, range_events=RANGE, workers=workers)
    pipeline = Pipeline("tables", processors, sink, bulk, batch_events=50, window_seconds=0.001)
    runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
    await runner.start()
    try:
        async with asyncio.timeout(240):
            yield runner
    finally:
        await runner.stop()


async def wanted(
    store: AnalyticsStore, tmp_path: Path, processors: tuple[Processor[Any], ...] = PROCESSORS
) -> dict[str, TableHash]:
    """What a pipeline without workers makes of the whole log. Leaves the tables empty."""
    letters = DeadLetters(tmp_path / "other.db")
    async with running(store, MemoryLog(LOG), letters, None, processors) as runner:
        await runner.reached(END)
    letters.close()
    made = contents(store)
    empty(store)
    return made


async def test_a_long_stretch_is_folded_elsewhere_and_the_rest_here(
    store: AnalyticsStore, letters: DeadLetters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made_here = await wanted(store, tmp_path)
    log = MemoryLog(LOG[:HALF])
    async with running(store, log, letters) as runner:
        await runner.reached(log.head())
        assert runner.status()["tables"].events == HALF
        for event in LOG[HALF : HALF + FAR // 2]:
            log.append(event.recorded)
        await runner.reached(log.head())
        assert [record["until"] for record in told(caplog, "pipeline.catches_up")] == [f"0:{HALF}"]
    assert runner.status()["tables"].events == HALF + FAR // 2
    for event in LOG[HALF + FAR // 2 :]:
        log.append(event.recorded)
    async with running(store, log, letters) as runner:
        await runner.reached(END)
    assert contents(store) == made_here
    assert told(caplog, "pipeline.continues_in_process") == []


async def test_where_a_worker_dies_the_pipeline_goes_on_by_itself(
    store: AnalyticsStore, letters: DeadLetters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made_here = await wanted(store, tmp_path)
    async with running(store, MemoryLog(LOG), letters, opened_deadly) as runner:
        await runner.reached(END)
    assert contents(store) == made_here
    (given_up,) = told(caplog, "pipeline.continues_in_process")
    assert "exit code -9" in given_up["error"]
    assert len(told(caplog, "pipeline.catches_up")) == 1


async def test_an_event_that_fails_is_parked_here_with_those_behind_it(
    store: AnalyticsStore, letters: DeadLetters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processors = (*PROCESSORS[:-1], Failing())
    made_here = await wanted(store, tmp_path, processors)
    originator_id = LOG[BAD.ordinal - 1].recorded.originator_id
    behind = [event.position for event in LOG[BAD.ordinal - 1 :] if event.recorded.originator_id == originator_id]
    async with running(store, MemoryLog(LOG), letters, opened, processors) as runner:
        await runner.reached(END)
    assert contents(store) == made_here
    assert [letter.position for letter in letters.list()] == behind
    assert len(told(caplog, "pipeline.catches_up")) == 1


async def test_while_events_are_parked_everything_is_folded_here(
    store: AnalyticsStore, letters: DeadLetters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made_here = await wanted(store, tmp_path)
    processors = (*PROCESSORS[:-1], Failing())
    log = MemoryLog(LOG[:HALF])
    async with running(store, log, letters, None, processors) as runner:
        await runner.reached(log.head())
    parked = len(letters.list())
    assert parked
    for event in LOG[HALF:]:
        log.append(event.recorded)
    async with running(store, log, letters) as runner:
        await runner.reached(END)
        assert told(caplog, "pipeline.catches_up") == []
        held = len(letters.list())
        assert held >= parked
        assert await runner.retry("event-table", letters.list()[0].originator_id) == held
    assert contents(store) == made_here


class Begun(logging.Handler):
    """Waits until workers are started."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "pipeline.catches_up":
            self.begun.set()


async def test_a_stop_does_not_wait_for_workers(store: AnalyticsStore, letters: DeadLetters) -> None:
    handler, logger = Begun(), logging.getLogger("streams.processing.catching_up")
    logger.addHandler(handler)
    async with running(store, MemoryLog(LOG), letters, never_opened) as runner:
        assert await asyncio.to_thread(handler.begun.wait, 120)
        logger.removeHandler(handler)
        async with asyncio.timeout(120):
            await runner.stop()
        assert runner.status()["tables"].events == 0
