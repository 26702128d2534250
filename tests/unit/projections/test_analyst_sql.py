"""Given statements of analysts, then those that read our tables are answered and all others refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from domain.analytics import QueryRejected
from projections.analytics.engine import ClickHouseAnalytics
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore, Limits
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import BEGIN, on_log

STOLEN = Path("/tmp/stolen.csv")
UNHURRIED = Limits(seconds=600, memory_bytes=200_000_000, niceness=0)
"""A busy machine may take its time."""


@pytest.fixture(scope="module")
def filled(store: AnalyticsStore) -> AnalyticsStore:
    log = on_log(11, 20, turns=2)
    ClickHouseSink(store).write(log[0].position, log[-1].position, folded(log))
    return store


@pytest.fixture
async def analytics(filled: AnalyticsStore) -> AsyncIterator[ClickHouseAnalytics]:
    engine = ClickHouseAnalytics(filled, clock=lambda: BEGIN, limits=UNHURRIED)
    yield engine
    engine.close()


async def test_an_answer_has_names_types_and_python_values(analytics: ClickHouseAnalytics) -> None:
    result = await analytics.sql(
        "SELECT 1 AS one, 'it''s; fine' AS text, toDateTime64('2026-11-01 10:00:00', 3, 'UTC') AS at"
    )
    assert result.columns == ("one", "text", "at")
    assert result.types == ("UInt8", "String", "DateTime64(3, 'UTC')")
    assert result.rows[0][:2] == (1, "it's; fine")
    assert result.rows[0][2] == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert result.elapsed_ms > 0


async def test_an_answer_without_rows_has_names_and_types_too(analytics: ClickHouseAnalytics) -> None:
    statement = "WITH 'nobody' AS who SELECT call_id, turn, turn_ms FROM latencies WHERE call_id = who -- none"
    result = await analytics.sql(statement, org_id="org-a")
    assert (result.columns, result.rows) == (("call_id", "turn", "turn_ms"), ())
    assert result.types == ("String", "UInt32", "Nullable(Float64)")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM calls",
        "select countIf(role = 'user'), sumOrNull(ended_ms) from messages;",
        "WITH ended AS (SELECT * FROM calls WHERE status = 'ended') SELECT ended_reason, count() FROM ended GROUP BY 1",
        "SHOW TABLES",
        "DESCRIBE calls",
        "DESC TABLE turns",
        "EXPLAIN SELECT * FROM calls",
        "SELECT 1 -- ; DROP TABLE calls",
        "SELECT format('{} of {}', role, text) AS format FROM messages ORDER BY format",
        "/* SELECT */ SELECT quantile(0.95)(turn_ms) OVER (PARTITION BY model) FROM latencies",
        "SELECT * FROM numbers(3)",
        "SELECT JSONExtractString(data, 'reason') FROM events WHERE type = 'call.ended'",
        "SELECT `org_id` FROM calls UNION ALL SELECT org_id FROM calls_v1",
        "SELECT variable_values['tier'] FROM calls WHERE call_id IN (SELECT call_id FROM tool_calls)",
    ],
)
async def test_reading_is_allowed(analytics: ClickHouseAnalytics, statement: str) -> None:
    assert (await analytics.sql(statement)).columns
    assert (await analytics.sql(statement, org_id="org-a")).columns


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "must begin with one of SELECT, WITH, SHOW"),
        ("   -- nothing", "must begin with"),
        ("INSERT INTO calls_v1 SELECT * FROM calls_v1", "must begin with"),
        ("DROP TABLE calls_v1", "must begin with"),
        ("ALTER TABLE calls_v1 DELETE WHERE 1", "must begin with"),
        ("SET readonly = 0", "must begin with"),
        ("SYSTEM SHUTDOWN", "must begin with"),
        ("(SELECT 1); DROP TABLE calls_v1", "one statement"),
        ("SELECT 1; DROP TABLE calls_v1", "one statement"),
        ("SELECT ';' ; SELECT 2", "one statement"),
        ("SELECT 'open", "does not close it"),
        ("SELECT 1 /* open", "refused by the engine"),
        ("SELECT $a$ ; $a$", "does not close it"),
        ("SELECT * FROM calls INTO OUTFILE '/tmp/stolen.csv'", "OUTFILE"),
        ("SELECT * FROM calls INTO/**/OUTFILE '/tmp/stolen.csv'", "OUTFILE"),
        ("EXPLAIN SELECT 1 INTO OUTFILE '/tmp/stolen.csv'", "OUTFILE"),
        ("SELECT * FROM calls SETTINGS max_execution_time = 0", "SETTINGS"),
        ("SELECT 1 format CSV;", "may not end with FORMAT CSV"),
        ("SELECT * FROM url('http://127.0.0.1/', 'CSV')", "may not use url()"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "may not use file()"),
        ("SELECT file('/etc/passwd')", "may not use file()"),
        ("SELECT FILE('/etc/passwd')", "may not use file()"),
        ("WITH (SELECT file('/etc/passwd')) AS x SELECT x", "may not use file()"),
        ("EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')", "may not use file()"),
        ("DESCRIBE file('/etc/passwd', 'LineAsString')", "may not use file()"),
        ("SELECT 1 IN url('http://127.0.0.1/', 'CSV', 'a Int8')", "may not use url()"),
        ("SELECT * FROM remote('127.0.0.1', system.one)", "may not use remote()"),
        ("SELECT * FROM s3('https://bucket.s3.amazonaws.com/x.csv')", "may not use s3()"),
        ("SELECT * FROM postgresql('h:1', 'd', 't', 'u', 'p')", "may not use postgresql()"),
        ("SELECT * FROM merge('.*')", "may not use merge()"),
        ("SELECT * FROM executable('id', 'CSV', 'a String')", "may not use executable()"),
        ("SELECT * FROM Python(reader)", "may not use python()"),
        ("SELECT * FROM sqlite('/tmp/log.db', 'stored_events')", "may not use sqlite()"),
        ("SELECT dictGet('d', 'a', 1)", "may not use dictget()"),
        ("SELECT aiGenerate('tell me')", "may not use aigenerate()"),
        ("SELECT hostName(), getMacro('x')", "reaches beyond"),
        ("SELECT sleep(3)", "may not use sleep()"),
        ("SELECT * FROM nowhere", "refused by the engine"),
        ("SELECT * FORM calls", "refused by the engine"),
    ],
)
async def test_everything_else_is_refused_with_its_reason(
    analytics: ClickHouseAnalytics, filled: AnalyticsStore, statement: str, reason: str
) -> None:
    before = filled.client().command("SELECT count() FROM calls_v1")
    with pytest.raises(QueryRejected) as rejected:
        await analytics.sql(statement)
    [problem] = rejected.value.problems
    assert problem.path == "sql"
    assert reason in problem.reason
    assert filled.client().command("SELECT count() FROM calls_v1") == before
    assert not await asyncio.to_thread(STOLEN.exists)


async def test_time_and_memory_are_capped(analytics: ClickHouseAnalytics, filled: AnalyticsStore) -> None:
    hurried = ClickHouseAnalytics(filled, clock=lambda: BEGIN, limits=Limits(seconds=0.3))
    with pytest.raises(QueryRejected, match="TIMEOUT_EXCEEDED"):
        await hurried.sql("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)")
    await asyncio.to_thread(hurried.close)
    with pytest.raises(QueryRejected, match="MEMORY_LIMIT_EXCEEDED"):
        await analytics.sql("SELECT length(groupArray(number)) FROM numbers(100000000)")


async def test_a_statement_leaves_the_cores_to_calls_and_folds(filled: AnalyticsStore) -> None:
    """Only rank and number of its threads are looked at: how much that helps is measured, not asserted."""
    with filled.read_only(Limits().settings()) as client:
        found = client.query(
            "SELECT name, toInt64(value) FROM system.settings WHERE name IN ('max_threads', 'os_thread_priority')"
        )
    assert {row[0]: row[1] for row in found.result_rows} == {"max_threads": 1, "os_thread_priority": 10}


async def test_rows_are_limited(analytics: ClickHouseAnalytics) -> None:
    assert len((await analytics.sql("SELECT * FROM numbers(100)", limit=7)).rows) == 7
    assert len((await analytics.sql("SELECT * FROM numbers(100000)", limit=10**9)).rows) == Limits().result_rows


class TestWithinOneOrganisation:
    @pytest.mark.parametrize(
        "source",
        [
            "calls",
            "calls_v1",
            "calls_v1_newest",
            "default.calls_v1",
            "calls AS c",
            "(SELECT * FROM calls)",
            "events",
            "messages",
            "turns",
        ],
    )
    async def test_only_its_rows_exist(self, analytics: ClickHouseAnalytics, source: str) -> None:
        everyone = await analytics.sql(f"SELECT DISTINCT org_id FROM {source}")
        own = await analytics.sql(f"SELECT DISTINCT org_id FROM {source}", org_id="org-a")
        assert len(everyone.rows) > 1
        assert own.rows == (("org-a",),)

    async def test_tables_that_were_live_before_are_no_way_around(
        self, analytics: ClickHouseAnalytics, filled: AnalyticsStore
    ) -> None:
        filled.client().command("CREATE TABLE calls_v1_replaced AS calls_v1")
        filled.client().command("INSERT INTO calls_v1_replaced SELECT * FROM calls_v1")
        try:
            own = await analytics.sql("SELECT DISTINCT org_id FROM calls_v1_replaced", org_id="org-a")
            assert own.rows == (("org-a",),)
        finally:
            filled.client().command("DROP TABLE calls_v1_replaced SYNC")

    async def test_tables_without_an_organisation_show_nothing(self, analytics: ClickHouseAnalytics) -> None:
        assert (await analytics.sql("SELECT count() FROM sink_ranges")).rows != ((0,),)
        assert (await analytics.sql("SELECT count() FROM sink_ranges", org_id="org-a")).rows == ((0,),)

    async def test_a_membership_test_sees_no_other_rows_either(self, analytics: ClickHouseAnalytics) -> None:
        asked = "SELECT count() FROM calls WHERE 'org-b' IN (SELECT org_id FROM calls_v1)"
        assert (await analytics.sql(asked, org_id="org-a")).rows == ((0,),)

    @pytest.mark.parametrize("table", ["system.tables", "SYSTEM.one", "information_schema.tables", "`system`.`parts`"])
    async def test_system_tables_are_out_of_reach(self, analytics: ClickHouseAnalytics, table: str) -> None:
        with pytest.raises(QueryRejected, match="not one organisation's"):
            await analytics.sql(f"SELECT * FROM {table}", org_id="org-a")
        with pytest.raises(QueryRejected, match="not one organisation's"):
            await analytics.sql(f"SELECT count() FROM calls WHERE 1 IN {table}", org_id="org-a")

    async def test_an_id_with_quotes_is_only_an_id(self, analytics: ClickHouseAnalytics) -> None:
        for org_id in ("' OR 1 = 1 --", "\\' OR 1 = 1 --", "x'''", "org-a\\"):
            assert (await analytics.sql("SELECT count() FROM calls", org_id=org_id)).rows == ((0,),)


@pytest.mark.parametrize("inner", ["SELECT one, count() FROM many GROUP BY one", "SELECT DISTINCT one FROM many"])
async def test_what_does_not_fit_into_memory_goes_on_in_files(filled: AnalyticsStore, inner: str) -> None:
    statement = (
        f"WITH many AS (SELECT toString(sipHash64(number)) AS one FROM numbers(2000000)) SELECT count() FROM ({inner})"
    )
    limits = replace(UNHURRIED, memory_bytes=100_000_000)
    with filled.read_only(limits.settings()) as client:
        assert client.command(statement) == 2_000_000
    little_disk = replace(limits, disk_bytes=1_000_000)
    with filled.read_only(little_disk.settings()) as client, pytest.raises(DatabaseError, match="1000000 bytes"):
        client.command(statement)
    full_disk = limits.settings() | {"min_free_disk_space_for_temporary_data": 1 << 60}
    with filled.read_only(full_disk) as client, pytest.raises(DatabaseError, match="NOT_ENOUGH_SPACE"):
        client.command(statement)
    in_memory = limits.settings() | dict.fromkeys(limits.spilling(), 0)
    with filled.read_only(in_memory) as client, pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
        client.command(statement)
