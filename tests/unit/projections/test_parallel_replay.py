"""Given a history, when processes fold it, then the tables are those that one process makes, whatever happens."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from domain.aggregates import AGGREGATES
from domain.event import Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Effect, EncodedRows, Processor, Rows, SinkUnavailable
from domain.registry import EVENT_TYPES
from projections.comparison import TableHash
from projections.encoding import ORDINAL, encode_rows
from projections.folds import PROCESSORS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import MARKER
from streams.log.embedded import EmbeddedLog
from streams.log.reading import opened_shard
from streams.log.sharded import ShardedLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.fold_worker import OpenLog, SharedLog
from streams.processing.fold_workers import Workers
from streams.processing.parallel_replay import ParallelReplay
from streams.processing.replay import EmbeddedReplay
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import nodes, on_mock
from tests.unit.projections.elsewhere import BAD, END, LOG, contents, empty, opened, opened_deadly
from tests.unit.streams.memory_log import MemoryLog

RANGE = 100


@contextmanager
def not_opened(shard: int) -> Iterator[SharedLog]:
    raise OSError("the log file is gone")
    yield


@dataclass(frozen=True)
class Refusing:
    """The processor for ``events``, which raises at one event, or makes a row of it that no table takes."""

    inner: Processor[Any] = PROCESSORS[-1]
    raises: bool = True
    name: str = "event-table"
    version: int = 1
    handles: frozenset[str] | None = None

    def initial(self) -> Any:
        return self.inner.initial()

    def apply(self, state: Any, event: Positioned) -> tuple[Any, Iterable[Effect]]:
        if event.position == BAD and self.raises:
            raise ValueError("not this one")
        state, made = self.inner.apply(state, event)
        if event.position == BAD:
            made = [Rows(part.table, tuple((*row[:-1], 7) for row in part.rows)) for part in made]
        return state, made


@dataclass
class Seen:
    positions: list[Position] = field(default_factory=list)

    def __call__(self, position: Position) -> None:
        self.positions.append(position)


@pytest.fixture
def sink(store: AnalyticsStore) -> ClickHouseSink:
    empty(store)
    return ClickHouseSink(store)


def parallel(
    letters: DeadLetters,
    processors: tuple[Processor[Any], ...] = PROCESSORS,
    *,
    open_log: OpenLog = opened,
    range_events: int = RANGE,
) -> ParallelReplay:
    workers = Workers(open_log, 2, worthwhile_events=0)
    log = MemoryLog(LOG)
    return ParallelReplay(log, processors, letters, encode=encode_rows, workers=workers, range_events=range_events)


def gave_up(log: pytest.LogCaptureFixture) -> list[str]:
    """Why the rest was folded in this process, if it was."""
    return [record.__dict__["error"] for record in log.records if record.message == "replay.continues_in_process"]


def made_here(
    store: AnalyticsStore, letters: DeadLetters, processors: tuple[Processor[Any], ...] = PROCESSORS
) -> tuple[dict[str, TableHash], int]:
    """What one process makes of the log, and how many events it passes over. Leaves the tables empty."""
    failed = EmbeddedReplay(MemoryLog(LOG), processors, letters)(ClickHouseSink(store), END, Seen())
    made = contents(store)
    empty(store)
    return made, failed


@pytest.mark.parametrize("range_events", [pytest.param(20, marks=pytest.mark.long), RANGE])
def test_the_tables_are_those_that_one_process_makes(
    store: AnalyticsStore,
    sink: ClickHouseSink,
    letters: DeadLetters,
    caplog: pytest.LogCaptureFixture,
    range_events: int,
) -> None:
    wanted, _ = made_here(store, letters)
    progress = Seen()
    replay = parallel(letters, range_events=range_events)
    assert replay(ClickHouseSink(store), END, progress) == 0
    assert contents(store) == wanted
    assert gave_up(caplog) == []
    ends = [*range(range_events, len(LOG), range_events), len(LOG)]
    assert [position.ordinal for position in progress.positions] == ends
    assert ClickHouseSink(store).resume_from(0) == END


@contextmanager
def log_file(tmp_path: Path, mock: MockKafka | None) -> Iterator[ShardedLog]:
    """A log of one file, or a replica of one on Kafka."""
    ids = count(1)

    def new_id() -> str:
        return f"id-{next(ids)}"

    if mock is None:
        log: ShardedLog = EmbeddedLog.open(tmp_path / "log.db", clock=lambda: datetime.now(UTC), new_id=new_id)
        with closing(log):
            yield log
    else:
        with nodes(
            on_mock(mock.bootstrap),
            tmp_path,
            aggregates=AGGREGATES,
            types=EVENT_TYPES,
            new_id=new_id,
        ) as open_node:
            yield open_node()


@pytest.mark.parametrize("on_kafka", [False, True])
async def test_the_workers_read_a_log_file_that_this_process_has_open(
    store: AnalyticsStore,
    sink: ClickHouseSink,
    letters: DeadLetters,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    shared_mock_kafka: MockKafka,
    on_kafka: bool,
) -> None:
    histories: dict[str, list[Recorded]] = defaultdict(list)
    for event in LOG:
        histories[event.recorded.originator_id].append(event.recorded)
    with log_file(tmp_path, shared_mock_kafka if on_kafka else None) as log:
        for originator_id, history in histories.items():
            await log.record(originator_id, [one.event for one in history], [one.time for one in history])
        workers = Workers(partial(opened_shard, log.files), 2, worthwhile_events=0)
        replay = ParallelReplay(log, PROCESSORS, letters, encode=encode_rows, workers=workers)
        await asyncio.to_thread(replay, sink, log.head(), Seen())
        in_processes = contents(store)
        empty(store)
        await asyncio.to_thread(EmbeddedReplay(log, PROCESSORS, letters), ClickHouseSink(store), log.head(), Seen())
    assert in_processes == contents(store)
    assert gave_up(caplog) == []
    assert in_processes[MARKER.name].rows == len(LOG)


@pytest.mark.parametrize("log", [opened_deadly, not_opened])
def test_where_a_worker_dies_the_rest_is_folded_here(
    store: AnalyticsStore,
    sink: ClickHouseSink,
    letters: DeadLetters,
    caplog: pytest.LogCaptureFixture,
    log: OpenLog,
) -> None:
    wanted, _ = made_here(store, letters)
    assert parallel(letters, open_log=log)(ClickHouseSink(store), END, Seen()) == 0
    assert contents(store) == wanted
    (reason,) = gave_up(caplog)
    assert ("exit code -9" if log is opened_deadly else "the log file is gone") in reason


@pytest.mark.parametrize("raises", [True, False])
def test_events_that_cannot_be_taken_are_passed_over_and_counted_as_in_one_process(
    store: AnalyticsStore, sink: ClickHouseSink, letters: DeadLetters, caplog: pytest.LogCaptureFixture, raises: bool
) -> None:
    processors = (*PROCESSORS[:-1], Refusing(raises=raises))
    wanted, failed = made_here(store, letters, processors)
    assert failed > 0
    assert parallel(letters, processors)(ClickHouseSink(store), END, Seen()) == failed
    assert contents(store) == wanted
    assert len(gave_up(caplog)) == (0 if raises else 1)


def test_what_somebody_dropped_is_passed_over_by_the_workers(
    store: AnalyticsStore, sink: ClickHouseSink, letters: DeadLetters
) -> None:
    letters.drop_all({(PROCESSORS[-1].name, BAD.shard, BAD.ordinal)})
    wanted, _ = made_here(store, letters)
    assert parallel(letters)(ClickHouseSink(store), END, Seen()) == 0
    assert contents(store) == wanted
    assert wanted[MARKER.name].rows == len(LOG) - 1


def test_a_range_that_was_begun_is_finished_as_it_was_planned(
    store: AnalyticsStore, sink: ClickHouseSink, letters: DeadLetters
) -> None:
    wanted, _ = made_here(store, letters)

    class Stopped(Exception):
        """As if the process ended there."""

    def stop(step: str) -> None:
        if step == "after_insert_turns":
            raise Stopped

    with pytest.raises(Stopped):
        parallel(letters)(ClickHouseSink(store, hook=stop), END, Seen())
    assert ClickHouseSink(store).planned_end(0) == Position(0, RANGE)
    parallel(letters)(ClickHouseSink(store), END, Seen())
    assert contents(store) == wanted


def test_encoded_rows_are_taken_for_the_next_range_only(store: AnalyticsStore, sink: ClickHouseSink) -> None:
    rows: Mapping[str, EncodedRows] = {}
    sink.write_encoded(Position(0, 1), Position(0, 10), rows)
    assert ClickHouseSink(store).resume_from(0) == Position(0, 10)
    for first in (5, 12):
        with pytest.raises(SinkUnavailable, match="is not the next range"):
            sink.write_encoded(Position(0, first), Position(0, 20), rows)
    with pytest.raises(ValueError, match="no such projection table: calendars"):
        sink.write_encoded(Position(0, 11), Position(0, 20), {"calendars": EncodedRows(b"", 20, 0)})
    assert MARKER.column_names.index("log_ordinal") == ORDINAL
