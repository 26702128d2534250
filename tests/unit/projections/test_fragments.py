"""Given fragments of calls, then their table shows each once, for a time, and without words unless they are wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from domain.log.position import Position
from domain.processing import Rows, RowSink, SinkUnavailable
from projections.fragment_sink import FragmentSink
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import TABLES
from projections.tables.fragments import TABLE, FragmentTable, rows
from streams.media_log.embedded import EmbeddedFragmentLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.feeding import FeedStatus, FragmentFollower
from streams.processing.fragments import FragmentPipeline
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
SECRET = "my card number is four two"


def fragment(seq: int, type: str, noted_ms: float = 1000.0, **data: Any) -> Fragment:
    return Fragment(seq=seq, type=type, at_ms=noted_ms, data=data)


FRAGMENTS = (
    fragment(0, "machine.began"),
    fragment(1, "machine.input", 1500.0, input="PartialHeard", text=SECRET, at_ms=1480.0),
    fragment(2, "turn.state", 1600.0, **{"from": "listening", "to": "thinking"}),
    fragment(3, "mark.t4", 2100.0, turn=2, at_ms=2050.5),
    fragment(4, "machine.input", 2200.0, input="ToolReturned", result={"text": SECRET}, ok=True, turn=-1),
)


def batch(call_id: str, fragments: Sequence[Fragment] = FRAGMENTS, dropped: int = 0) -> FragmentBatch:
    return FragmentBatch(
        call_id=call_id, source="media-1", org_id="org-a", started_at=START, fragments=tuple(fragments), dropped=dropped
    )


def shown(keep_words: bool) -> list[dict[str, Any]]:
    made = rows(0, PlacedBatch(7, batch("c1", dropped=3)), keep_words=keep_words)
    return [dict(zip(TABLE.column_names, row, strict=True)) for row in made]


def test_words_become_their_lengths() -> None:
    data = [json.loads(row["data"]) for row in shown(keep_words=False)]
    assert data == [
        {},
        {"at_ms": 1480.0, "text_characters": len(SECRET)},
        {"from": "listening", "to": "thinking"},
        {"turn": 2, "at_ms": 2050.5},
        {"ok": True, "turn": -1},
    ]
    assert "card" not in repr(shown(keep_words=False))
    assert "card" in repr(shown(keep_words=True))


def test_a_mark_is_placed_when_it_happened_not_when_it_was_noted() -> None:
    mark = shown(keep_words=False)[3]
    assert (mark["at_ms"], mark["noted_ms"], mark["turn"]) == (2050.5, 2100.0, 2)
    assert mark["happened_at"] == datetime(2026, 11, 21, 9, 0, 2, 50500, tzinfo=UTC)


def test_columns_say_where_it_came_from_and_what_was_shed() -> None:
    found = shown(keep_words=False)
    assert [row["input"] for row in found] == ["", "PartialHeard", "", "", "ToolReturned"]
    assert {(row["feed_number"], row["dropped"], row["source"]) for row in found} == {(7, 3, "media-1")}
    assert found[4]["turn"] is None


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedFragmentLog]:
    opened = EmbeddedFragmentLog(tmp_path / "media.db")
    yield opened
    opened.close()


@pytest.fixture
def empty(store: AnalyticsStore) -> AnalyticsStore:
    for name in (TABLE.physical, "sink_ranges", *(name for table in TABLES for name in table.names())):
        store.client().command(f"TRUNCATE TABLE {name}")
    return store


def follow(log: EmbeddedFragmentLog, sink: RowSink) -> FragmentFollower:
    pipeline = FragmentPipeline("fragments", (FragmentTable(keep_words=True),), sink, batches=3, pause_seconds=0.01)
    follower = FragmentFollower(log, pipeline, DeadLetters(":memory:"), clock=lambda: START + timedelta(minutes=1))
    follower.start()
    return follower


def write(sink: FragmentSink, *batches: PlacedBatch) -> None:
    """One range of partition 0."""
    rows = [part for placed in batches for part in FragmentTable().apply(0, placed)]
    sink.write(Position(0, batches[0].number), Position(0, batches[-1].number), rows)


def count(store: AnalyticsStore, table: str) -> int:
    return int(store.client().command(f"SELECT count() FROM {table}"))  # type: ignore[arg-type]  # a count is a number


def test_what_is_noted_while_it_follows_is_shown_by_kind(empty: AnalyticsStore, log: EmbeddedFragmentLog) -> None:
    log.append([batch(f"c{number}") for number in range(10)])
    follower = follow(log, FragmentSink(empty))
    try:
        assert follower.reached(0, log.end(0), 20)
        log.append([batch("later")])
        assert follower.reached(0, log.end(0), 20)
        assert follower.status() == FeedStatus(batches=11, behind={0: 0}, seconds={0: 0.0})
    finally:
        follower.stop()
    assert (count(empty, "fragments"), count(empty, "marks"), count(empty, "partials")) == (55, 11, 11)
    client = empty.client()
    assert client.query("SELECT point, turn, at_ms FROM marks LIMIT 1").result_rows == [("t4", 2, 2050.5)]
    assert client.query("SELECT characters, text FROM partials LIMIT 1").result_rows == [(len(SECRET), SECRET)]


@pytest.mark.parametrize("step", ["after_fragments", "after_position"])
def test_interrupted_between_two_steps_each_fragment_is_shown_once(
    empty: AnalyticsStore, log: EmbeddedFragmentLog, step: str
) -> None:
    log.append([batch(f"c{number}") for number in range(10)])
    while (sink := FragmentSink(empty, hook=interrupting(step))).resume_from(0).ordinal < log.end(0):
        follower = follow(log, sink)
        assert not follower.reached(0, log.end(0) + 1, 20)
        with pytest.raises(Interrupted):
            follower.stop()
        if step == "after_fragments":
            # The engine has the rows and nobody has noted it: of those that come again each is shown once.
            write(FragmentSink(empty), *log.after(0, sink.resume_from(0).ordinal, 2))
    assert count(empty, "fragments") == 50
    assert count(empty, "marks") == 10


class Interrupted(Exception):
    """Stands for the end of the process."""


def interrupting(step: str) -> Callable[[str], None]:
    def hook(name: str) -> None:
        if name == step:
            raise Interrupted

    return hook


def test_what_waits_is_told_in_batches_and_seconds(log: EmbeddedFragmentLog) -> None:
    log.append([batch("c1"), batch("c2")])
    pipeline = FragmentPipeline("fragments", (FragmentTable(),), Full())
    follower = FragmentFollower(log, pipeline, DeadLetters(":memory:"), clock=lambda: START + timedelta(seconds=41))
    assert follower.status() == FeedStatus(batches=0, behind={0: 2}, seconds={0: 40.0})


class Full:
    """A sink that takes nothing."""

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        raise SinkUnavailable("full")

    def resume_from(self, shard: int) -> Position:
        return Position(shard, 0)

    def planned_end(self, shard: int) -> Position | None:
        return None


def test_rows_that_the_engine_took_before_a_crash_do_not_keep_their_repetition_out(empty: AnalyticsStore) -> None:
    """The engine notes a token before the rows are safe; so rows come again without one, and the key tells them."""
    sink, placed = FragmentSink(empty), PlacedBatch(1, batch("c1"))
    write(sink, placed)
    empty.client().command(f"TRUNCATE TABLE {TABLE.physical}")
    write(sink, placed)
    assert count(empty, "fragments") == len(FRAGMENTS)


def test_fragments_of_deleted_calls_are_not_shown(empty: AnalyticsStore) -> None:
    history = on_log(21, 60, turns=1)
    deleted = next(event.recorded for event in history if event.recorded.event.TYPE == "call.deleted")
    ClickHouseSink(empty).write(Position(0, 1), history[-1].position, folded(history))
    write(FragmentSink(empty), PlacedBatch(1, batch(deleted.originator_id)), PlacedBatch(2, batch("kept")))
    assert empty.client().query("SELECT DISTINCT call_id FROM fragments").result_rows == [("kept",)]
    assert count(empty, TABLE.physical) == 2 * len(FRAGMENTS)


def test_rows_expire_after_the_days_that_are_set(empty: AnalyticsStore) -> None:
    sink = FragmentSink(empty)

    def expiry() -> str:
        return str(empty.client().command(f"SHOW CREATE TABLE {TABLE.physical}"))

    try:
        sink.expire_after(30)
        assert "toIntervalDay(30)" in expiry()
        sink.expire_after(7)
        sink.expire_after(7)
        assert "toIntervalDay(7)" in expiry()
    finally:
        sink.expire_after(0)
    sink.expire_after(0)
    assert "TTL" not in expiry()


def test_a_file_from_before_there_was_an_order_is_followed_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "media.db"
    old = EmbeddedFragmentLog(path)
    old.append([batch("c1", FRAGMENTS[:2]), batch("c2"), batch("c1", FRAGMENTS[2:])])
    with old._datastore.transaction(commit=True) as cursor:
        cursor.execute("DROP TABLE appended")
    old.close()
    log = EmbeddedFragmentLog(path)
    found = [placed.batch for placed in log.after(0, 0, 10)]
    log.close()
    assert sorted(found, key=lambda one: (one.call_id, one.fragments[0].seq)) == [
        batch("c1", FRAGMENTS[:2]),
        batch("c1", FRAGMENTS[2:]),
        batch("c2"),
    ]
