"""Given live tables, when they are made again from the log, then they are equal by hash and nobody saw a gap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows, RowSink
from projections import rebuild as rebuilding
from projections.comparison import Comparison, table_hash
from projections.encoding import encode_rows
from projections.folds import CALL_EVENTS, PROCESSORS
from projections.rebuild import rebuild
from projections.retention import keep_for
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Column
from projections.tables.catalogue import MARKER, TABLES
from streams.processing.dead_letters import DeadLetters
from streams.processing.parallel_replay import ParallelReplay
from streams.processing.replay import EmbeddedReplay
from tests.unit.projections.histories import on_log
from tests.unit.streams.memory_log import MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(on_log(21, 25, turns=3))


@pytest.fixture
def replay(log: MemoryLog, tmp_path: Path) -> Iterator[EmbeddedReplay]:
    letters = DeadLetters(tmp_path / "dead.db")
    yield EmbeddedReplay(log, PROCESSORS, letters)
    letters.close()


@pytest.fixture
def live(store: AnalyticsStore) -> Iterator[ClickHouseSink]:
    yield ClickHouseSink(store)
    client = store.client()
    for table in TABLES:
        for name in table.names():
            client.command(f"TRUNCATE TABLE {name}")
        for name in (*table.names(rebuilding.BESIDE), *table.names(rebuilding.REPLACED)):
            client.command(f"DROP TABLE IF EXISTS {name} SYNC")
    client.command("TRUNCATE TABLE sink_ranges")


def tables_of(store: AnalyticsStore) -> set[str]:
    return {row[0] for row in store.client().query("SHOW TABLES").result_rows}


def quietly(position: Position) -> None:
    """Nobody watches the progress."""


def test_rebuilt_tables_are_equal_by_hash_and_take_the_place_of_the_live_ones(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)
    before = {table.name: table_hash(store, table.physical, log.head()) for table in TABLES}
    seen: list[Position] = []
    result = rebuild(store, replay, live, until=[log.head()], progress=seen.append)
    assert result.equal
    assert result.positions == result.compared_at == (log.head(),) == (seen[-1],)
    assert {c.table: c.rebuilt for c in result.comparisons if not c.newest} == before
    assert [c.table for c in result.comparisons if c.newest] == ["calls", "chats", "sessions"]
    assert {name for name, hash_ in before.items() if not hash_.rows} == {"chats", "sessions", "deliveries"}
    assert {f"{table.physical}_replaced" for table in TABLES} < tables_of(store)
    assert not any(name.endswith("_rebuild") for name in tables_of(store))
    again = rebuild(store, replay, live, until=[log.head()], keep_replaced=False)
    assert again.comparisons == tuple(Comparison(c.table, c.rebuilt, c.rebuilt, c.newest) for c in result.comparisons)
    assert not any(name.endswith(("_rebuild", "_replaced")) for name in tables_of(store))


def test_a_row_that_does_not_follow_from_the_log_is_found_and_gone(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)
    store.client().command("INSERT INTO messages_v1 (org_id, log_ordinal, text) VALUES ('org-a', 3, 'forged')")
    result = rebuild(store, replay, live, until=[log.head()])
    assert [comparison.table for comparison in result.comparisons if not comparison.equal] == ["messages"]
    assert store.client().command("SELECT count() FROM messages_v1 WHERE text = 'forged'") == 0
    assert rebuild(store, replay, live, until=[log.head()]).equal


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE calls_v1_newest UPDATE cost_usd = cost_usd + 1 WHERE 1 SETTINGS mutations_sync = 1",
        "ALTER TABLE calls_v1_newest DELETE WHERE status = 'ended' SETTINGS mutations_sync = 1",
    ],
)
def test_newest_rows_that_do_not_follow_from_the_log_are_found_and_gone(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink, damage: str
) -> None:
    replay(live, log.head(), quietly)
    shown = store.client().query("SELECT * FROM calls ORDER BY call_id").result_rows
    store.client().command(damage)
    result = rebuild(store, replay, live, until=[log.head()])
    assert [(comparison.table, comparison.newest) for comparison in result.comparisons if not comparison.equal] == [
        ("calls", True)
    ]
    assert store.client().query("SELECT * FROM calls ORDER BY call_id").result_rows == shown


def test_newest_rows_are_compared_where_the_live_tables_are_behind(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    """Of calls that changed since nothing can be said; all others must be the same."""
    behind = Position(0, log.head().ordinal // 2)
    replay(live, behind, quietly)
    result = rebuild(store, replay, live, until=[log.head()])
    assert result.compared_at == (behind,)
    assert result.equal
    (calls,) = [c for c in result.comparisons if c.newest and c.table == "calls"]
    assert 0 < calls.live.rows < store.client().command("SELECT uniqExact(call_id) FROM calls_v1")  # type: ignore[operator]  # a count is a number


def test_tables_that_were_lost_are_filled_from_nothing(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    result = rebuild(store, replay, live, until=[log.head()])
    assert result.positions == (log.head(),)
    assert store.client().command("SELECT count() FROM events") == len(log.events)
    assert live.resume_from(0) == log.head()


def test_the_shards_of_a_log_are_rebuilt_together(
    store: AnalyticsStore, log: MemoryLog, live: ClickHouseSink, tmp_path: Path
) -> None:
    other = [Positioned(Position(3, event.position.ordinal), event.recorded) for event in on_log(22, 10, turns=2)]
    shards = {0: log, 3: MemoryLog(other)}

    class Sharded:
        def head(self, shard: int = 0) -> Position:
            return shards[shard].head(shard)

        def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
            return shards[after.shard].read(after, limit, types)

        def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
            found = (shard.history(originator_id, after_version=after_version) for shard in shards.values())
            return next((history for history in found if history), ())

    heads = [shards[number].head(number) for number in shards]
    with closing(DeadLetters(tmp_path / "letters.db")) as letters:
        replay = ParallelReplay(Sharded(), PROCESSORS, letters, encode=encode_rows, range_events=100)  # type: ignore[arg-type]  # nothing follows it
        for head in heads:
            replay(live, head, quietly)
        result = rebuild(store, replay, live, until=heads)
        assert (result.equal, result.positions, result.compared_at) == (True, tuple(heads), tuple(heads))
        assert {c.table: c.rebuilt.rows for c in result.comparisons}["events"] == len(log.events) + len(other)
        store.client().command("ALTER TABLE costs_v1 DELETE WHERE log_shard = 3 SETTINGS mutations_sync = 1")
        again = rebuild(store, replay, live, until=heads)
    assert [c.table for c in again.comparisons if not c.equal] == ["costs"]


def test_what_was_replaced_is_kept_until_told(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)
    rebuild(store, replay, live, until=[log.head()])
    kept = {name for table in TABLES for name in table.names(rebuilding.REPLACED)}
    assert kept < tables_of(store)
    assert set(rebuilding.drop_replaced(store)) == kept
    assert rebuilding.drop_replaced(store) == ()
    assert not kept & tables_of(store)


def test_rows_that_have_expired_are_not_missed_and_go_on_expiring(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    keep_for(store, {"costs": 1})
    try:
        replay(live, log.head(), quietly)
        store.client().command("OPTIMIZE TABLE costs_v1 FINAL")
        assert store.client().command("SELECT count() FROM costs_v1") == 0
        assert rebuild(store, replay, live, until=[log.head()]).equal
        assert keep_for(store, {"costs": 1}) == []
    finally:
        keep_for(store, {})
    assert not rebuild(store, replay, live, until=[log.head()]).equal


def test_one_table_alone_is_rebuilt_no_further_than_the_others_stand(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    middle = Position(0, len(log.events) // 2)
    replay(live, middle, quietly)
    some = tuple(table for table in TABLES if table.name in ("costs", MARKER.name))

    class CostsAlone:
        """Passes on the rows of the tables that are rebuilt."""

        def __init__(self, sink: RowSink) -> None:
            self.resume_from, self.planned_end, self._sink = sink.resume_from, sink.planned_end, sink

        def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
            self._sink.write(first, last, [part for part in rows if part.table in ("costs", MARKER.name)])

    def replay_costs(sink: RowSink, until: Position, progress: Callable[[Position], None]) -> int:
        return replay(CostsAlone(sink), until, progress)

    result = rebuild(store, replay_costs, live, until=[log.head()], tables=some)
    assert (result.positions, result.equal) == ((middle,), True)
    replay(live, log.head(), quietly)
    assert rebuild(store, replay, live, until=[log.head()]).equal


def test_what_arrives_meanwhile_is_in_the_new_tables_too(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    middle = Position(0, len(log.events) // 2)
    replay(live, middle, quietly)

    def more(position: Position) -> None:
        if live.resume_from(0) == middle:
            replay(live, log.head(), quietly)

    result = rebuild(store, replay, live, until=[middle], progress=more)
    assert result.equal
    assert result.compared_at == (log.head(),)
    assert store.client().command("SELECT count() FROM events") == len(log.events)


def test_readers_see_all_rows_at_every_moment(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)
    counts: list[tuple[int, int]] = []
    over = threading.Event()

    def read() -> None:
        client = store.client()
        while not over.is_set():
            counts.append(
                (int(client.command("SELECT count() FROM events")), int(client.command("SELECT count() FROM calls")))
            )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(2):
            rebuild(store, replay, live, until=[log.head()])
    finally:
        over.set()
        reader.join()
    assert len(counts) > 2
    assert set(counts) == {(len(log.events), counts[0][1])}


def test_an_aborted_rebuild_leaves_the_live_tables_and_the_next_one_begins_anew(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)

    class Aborted(Exception):
        pass

    def abort(sink: RowSink, until: Position, progress: object) -> int:
        replay(sink, Position(0, 50), quietly)
        raise Aborted

    with pytest.raises(Aborted):
        rebuild(store, abort, live, until=[log.head()])
    assert store.client().command("SELECT count() FROM events") == len(log.events)
    assert rebuild(store, replay, live, until=[log.head()]).equal


def test_a_new_version_of_a_table_is_filled_beside_the_old_one_and_the_view_moves(
    store: AnalyticsStore, log: MemoryLog, replay: EmbeddedReplay, live: ClickHouseSink
) -> None:
    replay(live, log.head(), quietly)
    newer = replace(MARKER, version=2, columns=(*MARKER.columns[:-1], Column("data", "String", "Fields, as JSON")))
    tables = tuple(newer if table is MARKER else table for table in TABLES)
    client = store.client()
    client.command(newer.create_sql())
    try:
        result = rebuild(
            store,
            replay,
            ClickHouseSink(store, tables=tables, marker=newer),
            until=[log.head()],
            tables=tables,
            marker=newer,
        )
        assert {c.table: c.live.rows for c in result.comparisons}["events"] == 0
        assert client.command("SELECT count() FROM events_v2") == len(log.events)
        assert "events_v2" in str(client.command("SHOW CREATE TABLE events"))
        assert client.command("SELECT count() FROM events") == len(log.events)
    finally:
        rebuilding.point_views(store)
        for name in ("events_v2", "events_v2_replaced", "events_v2_rebuild"):
            client.command(f"DROP TABLE IF EXISTS {name} SYNC")


def test_the_hash_does_not_depend_on_order_and_sees_every_difference(store: AnalyticsStore) -> None:
    client = store.client()
    first, second = "('org', 1, 1.5)", "('org', 2, NULL)"
    rows = {
        "one": f"{first}, {second}",
        "two": f"{second}, {first}",
        "three": "('org', 1, NULL), ('org', 2, 1.5)",
        "four": f"{first}, {second}, {second}",
    }
    hashes = {}
    for name, values in rows.items():
        client.command(
            f"CREATE TABLE hashed_{name} (org_id String, log_ordinal UInt64, x Nullable(Float64), log_shard UInt16) "
            "ENGINE = MergeTree ORDER BY log_ordinal"
        )
        client.command(f"INSERT INTO hashed_{name} (org_id, log_ordinal, x) VALUES {values}")
        hashes[name] = table_hash(store, f"hashed_{name}", Position(0, 2))
        client.command(f"DROP TABLE hashed_{name} SYNC")
    assert hashes["one"] == hashes["two"]
    assert len({hash_.hash for hash_ in hashes.values()}) == 3


def test_events_that_fail_are_passed_over_with_those_behind_them(
    store: AnalyticsStore, live: ClickHouseSink, tmp_path: Path
) -> None:
    orphaned = [event for event in on_log(21, 4, turns=2) if event.recorded.event.TYPE != "call.created"]
    log = MemoryLog([Positioned(Position(0, number), event.recorded) for number, event in enumerate(orphaned, 1)])
    letters = DeadLetters(tmp_path / "letters.db")
    result = rebuild(store, EmbeddedReplay(log, PROCESSORS, letters), live, until=[log.head()])
    letters.close()
    calls = sum(event.recorded.event.TYPE in CALL_EVENTS for event in orphaned)
    assert result.failed_events == calls
    assert store.client().command("SELECT count() FROM calls_v1") == 0
    assert store.client().command("SELECT count() FROM events_v1") == len(orphaned)
