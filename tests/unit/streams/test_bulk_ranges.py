"""Given a pipeline that is far behind, when its sink takes long ranges, then the rows are those of short ones."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from domain.log.position import Position
from domain.processing import EncodedRows, Rows, RowsRejected, SinkUnavailable
from streams.processing.pipeline import Bulk
from tests.unit.streams.memory_log import MemoryLog
from tests.unit.streams.running import MemorySink, Names, Writer, running

BATCH, RANGE = 4, 10


@dataclass
class BulkSink:
    """Writes encoded ranges into a ``MemorySink``, but refuses the first ``refusals`` of them."""

    inner: MemorySink
    refusals: int = 0
    unfit: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def encode(self, rows: Sequence[Rows]) -> Mapping[str, EncodedRows]:
        found = [row for part in rows for row in part.rows]
        if self.unfit and any(self.unfit in row[2] for row in found):
            raise ValueError("no column could hold this")
        return {"names": EncodedRows(msgspec.json.encode(found) + b"\n", found[-1][0], len(found))} if found else {}

    def write(self, first: Position, last: Position, rows: Mapping[str, EncodedRows]) -> None:
        if self.refusals:
            self.refusals -= 1
            # As after a crash of the engine: the range is planned, and has to be sent again as it was.
            self.inner.planned = last.ordinal
            raise SinkUnavailable("not now")
        self.ranges.append((first.ordinal, last.ordinal))
        lines = b"" if "names" not in rows else rows["names"].data
        found = [tuple(row) for line in lines.splitlines() for row in msgspec.json.decode(line)]
        self.inner.write(first, last, [Rows("names", tuple(found))])

    @property
    def bulk(self) -> Bulk:
        return Bulk(self.encode, self.write, range_events=RANGE)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


def given_names(log: MemoryLog, calls: int = 3, each: int = 11) -> None:
    write = Writer(log)
    for number in range(each):
        for call in range(calls):
            write.names(f"call-{call}", f"n{number}")


def assert_all_named(sink: MemorySink, calls: int = 3, each: int = 11) -> None:
    for call in range(calls):
        assert sink.names(f"call-{call}") == [",".join(f"n{n}" for n in range(end + 1)) for end in range(each)]


async def test_it_writes_long_ranges_until_it_is_less_than_a_batch_behind(
    log: MemoryLog, sink: MemorySink, tmp_path: Path
) -> None:
    given_names(log)
    bulk = BulkSink(sink)
    async with running(log, sink, tmp_path / "dead.db", bulk=bulk.bulk, batch_events=BATCH) as runner:
        await runner.reached(log.head())
        assert runner.status()["names"].rows == runner.status()["names"].events == 33
    assert bulk.ranges == [(1, 10), (11, 20), (21, 30)]
    assert sink.ranges == [*bulk.ranges, (31, 33)]
    assert_all_named(sink)


@pytest.mark.parametrize("refusals", [1, 2, 3, 50])
async def test_a_range_that_is_refused_is_sent_again_as_rows(
    log: MemoryLog, sink: MemorySink, tmp_path: Path, refusals: int
) -> None:
    given_names(log)
    bulk = BulkSink(sink, refusals=refusals)
    async with running(log, sink, tmp_path / "dead.db", bulk=bulk.bulk, batch_events=BATCH) as runner:
        await runner.reached(log.head())
    assert sink.ranges == [(1, 10), (11, 20), (21, 30), (31, 33)]
    assert_all_named(sink)


async def test_an_event_that_fails_is_parked_with_those_behind_it_and_the_rest_is_written(
    log: MemoryLog, sink: MemorySink, tmp_path: Path
) -> None:
    given_names(log, calls=2)
    Writer(log).names("call-9", "fine", "bad", "behind")
    given = BulkSink(sink)
    async with running(
        log, sink, tmp_path / "dead.db", Names(poison={"bad"}), given.bulk, batch_events=BATCH
    ) as runner:
        await runner.reached(log.head())
        assert runner.status()["names"].parked == 2
    assert sink.names("call-9") == ["fine"]
    assert_all_named(sink, calls=2)


async def test_rows_that_cannot_be_encoded_are_found_among_rows(
    log: MemoryLog, sink: MemorySink, tmp_path: Path
) -> None:
    def refuse(first: int, last: int, rows: Sequence[Rows]) -> None:
        faults = {
            Position(0, row[0]): "names.names takes String" for part in rows for row in part.rows if "odd" in row[2]
        }
        if faults:
            raise RowsRejected(faults)

    given_names(log, calls=2)
    Writer(log).names("call-9", "fine", "odd", "behind")
    sink.before_write = refuse
    given = BulkSink(sink, unfit="odd")
    async with running(log, sink, tmp_path / "dead.db", bulk=given.bulk, batch_events=BATCH) as runner:
        await runner.reached(log.head())
        assert runner.status()["names"].parked == 2
    assert sink.names("call-9") == ["fine"]
    assert_all_named(sink, calls=2)


async def test_a_range_that_was_planned_before_a_crash_is_no_part_of_a_longer_one(
    log: MemoryLog, sink: MemorySink, tmp_path: Path
) -> None:
    given_names(log)
    sink.planned = 7
    bulk = BulkSink(sink)
    async with running(log, sink, tmp_path / "dead.db", bulk=bulk.bulk, batch_events=BATCH) as runner:
        await runner.reached(log.head())
    assert sink.ranges == [(1, 7), (8, 17), (18, 27), (28, 33)]
    assert bulk.ranges == [(8, 17), (18, 27), (28, 33)]


async def test_the_next_range_is_folded_while_one_is_written(log: MemoryLog, sink: MemorySink, tmp_path: Path) -> None:
    given_names(log)
    bulk = BulkSink(sink)
    folded_ahead, encode, seen = threading.Event(), bulk.encode, [0]

    def counted(rows: Sequence[Rows]) -> Mapping[str, EncodedRows]:
        seen[0] += sum(len(part.rows) for part in rows)
        if seen[0] == 2 * RANGE:
            folded_ahead.set()
        return encode(rows)

    def hold(first: int, last: int, rows: Sequence[Rows]) -> None:
        assert folded_ahead.wait(10)

    sink.before_write = hold
    given = Bulk(counted, bulk.write, range_events=RANGE)
    async with running(log, sink, tmp_path / "dead.db", bulk=given, batch_events=BATCH) as runner:
        await runner.reached(log.head())
    assert_all_named(sink)
