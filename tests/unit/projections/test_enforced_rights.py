"""Given the rights of an analyst of one organisation, then the engine itself enforces them.

The statements of ``projections.analyst_accounts`` reach it as a configuration, for which see ``enforced_rights``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.call.events import TurnMeasured
from projections import schema
from projections.analyst_accounts import (
    READABLE,
    SystemTablesOpen,
    account_statement,
    grant_statements,
    refuse_open_system_tables,
)
from projections.comparison import table_hash
from projections.encoding import ORDINAL
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore, Limits
from projections.tables import deleted_calls, fragments
from projections.tables.catalogue import MARKER
from projections.tables.fragments import VIEWS
from tests.unit.projections.conftest import folded
from tests.unit.projections.enforced_rights import ME, Accounts
from tests.unit.projections.histories import on_log
from tests.unit.projections.test_analytics_page import EXAMPLE_CALL, STATEMENTS

DATABASE = "default"
GRANTED = Accounts(
    [
        *grant_statements("ada", "org-a", database=DATABASE, limits=Limits()),
        *grant_statements("bob", "org-b", database=DATABASE, limits=Limits()),
    ],
    administrator="projector",
)
LOG = on_log(11, 20, turns=2)
HALF = len(LOG) // 2
TABLES = [name for table in READABLE for name in table.names()]
EVERYTHING = [*TABLES, *(table.name for table in READABLE), *(view.name for view in VIEWS)]

FEWEST_COLUMNS = {
    fragments.TABLE: ("(org_id, type, input)", "('org-a', 'mark.t4', 'PartialHeard')"),
    # The rows of the other tables belong to calls without an id.
    deleted_calls.TABLE: ("(org_id, call_id)", "('org-a', 'deleted')"),
}
"""What a row needs to be seen, where that is more than its organisation."""

GROUPS = "SELECT count() FROM (SELECT number FROM numbers(100000) GROUP BY number)"
"""More groups than fit into a megabyte."""

Counts = dict[str, int]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Counts]]:
    """A folder with rows of three organisations in every table, made without rights; how many there are of each."""
    folder = tmp_path_factory.mktemp("rights")
    store = AnalyticsStore.open(folder / "clickhouse")
    schema.upgrade(store)
    ClickHouseSink(store).write(LOG[0].position, LOG[HALF - 1].position, folded(LOG[:HALF]))
    client = store.client()
    for table in READABLE:
        if table is not MARKER:
            names, values = FEWEST_COLUMNS.get(table, ("(org_id)", "('org-a')"))
            for name in table.names():
                client.command(f"INSERT INTO {name} {names} VALUES {values}, {values.replace('org-a', 'org-b')}")
    client.command("CREATE TABLE calls_v1_replaced AS calls_v1")
    counts = {name: counted(client, name) for name in EVERYTHING}
    store.close()
    return folder, counts


@pytest.fixture(scope="class")
def ada(rows: tuple[Path, dict[str, Counts]]) -> Iterator[AnalyticsStore]:
    """The store as the analyst of org-a sees it."""
    folder, _ = rows
    store = GRANTED.opened_as("ada", folder / "clickhouse", folder)
    yield store
    store.close()


@pytest.fixture
def client(ada: AnalyticsStore) -> Client:
    return ada.client()


@pytest.fixture
def session(ada: AnalyticsStore) -> Iterator[Client]:
    """A client of its own: what a test sets ends with it."""
    with clickhouse_connect.get_client(tz_mode="aware", **ada.engine_arguments) as opened:
        yield opened


@pytest.fixture(scope="class")
def projector(rows: tuple[Path, dict[str, Counts]]) -> Iterator[AnalyticsStore]:
    """The store as the user sees it who fills the tables and makes the accounts."""
    folder, _ = rows
    store = GRANTED.opened_as("projector", folder / "clickhouse", folder)
    yield store
    store.close()


def counted(client: Client, name: str) -> Counts:
    """Rows of a table or view by organisation."""
    return {row[0]: row[1] for row in client.query(f"SELECT org_id, count() FROM {name} GROUP BY org_id").result_rows}


def refusal(client: Client, statement: str) -> str:
    """What the engine says to a statement that it must refuse."""
    with pytest.raises(ClickHouseError) as refused:
        client.query(statement) if statement.startswith("SELECT") else client.command(statement)
    return str(refused.value)


class TestAnAnalyst:
    def test_sees_all_rows_of_its_organisation_and_no_others(
        self, client: Client, rows: tuple[Path, dict[str, Counts]]
    ) -> None:
        _, counts = rows
        assert all({"org-a", "org-b"} <= counts[name].keys() for name in EVERYTHING)
        seen = {name: counted(client, name) for name in EVERYTHING}
        assert seen == {name: {"org-a": counts[name]["org-a"]} for name in EVERYTHING}

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT DISTINCT org_id FROM (SELECT org_id FROM calls UNION ALL SELECT org_id FROM calls_v1)",
            "SELECT DISTINCT t.org_id FROM turns AS t LEFT JOIN calls_v1 AS c ON c.call_id = t.call_id",
            "WITH mine AS (SELECT * FROM messages_v1) SELECT DISTINCT org_id FROM mine",
            "SELECT DISTINCT org_id FROM merge('default', '^calls_v1')",
            "SELECT DISTINCT org_id FROM calls_v1_newest FINAL",
            "SELECT DISTINCT org_id FROM view(SELECT * FROM events_v1)",
            "SELECT 'org-a' WHERE 'org-b' NOT IN (SELECT org_id FROM events)",
            "SELECT 'org-a' WHERE (SELECT count() FROM calls_v1) = (SELECT countIf(org_id = 'org-a') FROM calls_v1)",
        ],
    )
    def test_no_detour_shows_others(self, client: Client, statement: str) -> None:
        assert client.query(statement).result_rows == [("org-a",)]

    @pytest.mark.parametrize("condition", ["PREWHERE", "WHERE", "FINAL PREWHERE"])
    @pytest.mark.parametrize("table", ["calls_v1_newest", "fragments_v1"])
    def test_conditions_of_its_own_are_not_asked_of_foreign_rows(
        self, client: Client, table: str, condition: str
    ) -> None:
        """An error, or how long it takes, would tell of them."""
        asked = f"SELECT count() > 0 FROM {table} {condition} throwIf(org_id != 'org-a') = 0"
        assert client.query(asked).result_rows == [(1,)]

    def test_settings_that_filter_rows_only_narrow_further(self, client: Client) -> None:
        widened = "SELECT DISTINCT org_id FROM calls_v1 SETTINGS additional_table_filters = {'calls_v1': '1'}"
        assert client.query(widened).result_rows == [("org-a",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT * FROM sink_ranges",
            "SELECT * FROM calls_v1_replaced",
            "SELECT * FROM system.users",
            "SELECT * FROM system.row_policies",
            "SELECT * FROM system.grants",
            "SELECT * FROM mergeTreeIndex('default', 'calls_v1')",
            "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM remote('127.0.0.1', default.calls_v1)",
            "SELECT * FROM s3('https://bucket.s3.amazonaws.com/x.csv', 'CSV', 'a String')",
            "SELECT * FROM mysql('h:1', 'd', 't', 'u', 'p')",
            "SELECT * FROM postgresql('h:1', 'd', 't', 'u', 'p')",
            "SELECT * FROM sqlite('/tmp/a.db', 't')",
            "SELECT * FROM executable('id', 'CSV', 'a String')",
            "SELECT * FROM loop('default', 'calls_v1')",
            "INSERT INTO calls_v1 (org_id) VALUES ('org-a')",
            "INSERT INTO FUNCTION file('/tmp/stolen.csv', 'CSV', 'a String') SELECT org_id FROM calls",
            "ALTER TABLE calls_v1 DELETE WHERE 1",
            "ALTER TABLE calls_v1 MODIFY TTL toDateTime(recorded_at)",
            "DELETE FROM calls_v1 WHERE 1",
            "TRUNCATE TABLE calls_v1",
            "OPTIMIZE TABLE calls_v1",
            "DROP TABLE calls_v1",
            "DROP VIEW calls",
            "RENAME TABLE calls_v1 TO mine",
            "CREATE TABLE mine (a Int8) ENGINE = Memory",
            "CREATE TEMPORARY TABLE mine (a Int8)",
            "CREATE OR REPLACE VIEW calls AS SELECT 1",
            "CREATE FUNCTION mine AS x -> x",
            "CREATE USER eve",
            "CREATE ROW POLICY mine ON calls_v1 USING 1 TO ada",
            "DROP ROW POLICY callfold_ada ON calls_v1",
            f"GRANT SELECT ON *.* TO {ME}",
            "BACKUP TABLE calls_v1 TO File('/tmp/stolen')",
            "SYSTEM SHUTDOWN",
        ],
    )
    def test_whatever_else_there_is_is_refused(self, client: Client, statement: str) -> None:
        assert "(ACCESS_DENIED)" in refusal(client, statement)

    @pytest.mark.parametrize(
        "setting",
        [
            *(
                f"{name} = {value}"
                for name, most in (
                    ("max_execution_time", Limits().seconds),
                    ("max_memory_usage", Limits().memory_bytes),
                    ("max_result_rows", Limits().result_rows),
                    ("max_threads", Limits().threads),
                    ("max_concurrent_queries_for_user", 4),
                    ("max_temporary_data_on_disk_size_for_user", Limits().disk_bytes),
                    ("max_temporary_data_on_disk_size_for_query", Limits().disk_bytes),
                )
                # 0 means without a limit.
                for value in (0, int(most) + 1)
            ),
            "min_free_disk_space_for_temporary_data = 0",
            "readonly = 0",
            "allow_ddl = 1",
            "allow_introspection_functions = 1",
        ],
    )
    def test_caps_cannot_be_lifted(self, client: Client, setting: str) -> None:
        expected = ("(SETTING_CONSTRAINT_VIOLATION)", "(READONLY)", "(QUERY_IS_PROHIBITED)")
        for statement in (f"SET {setting}", f"SELECT 1 SETTINGS {setting}"):
            assert refusal(client, statement).endswith(expected), statement

    def test_a_profile_without_caps_does_not_lift_them_either(self, session: Client) -> None:
        session.command(f"SET profile = '{ME}'")
        (kept,) = session.query("SELECT getSetting('readonly'), getSetting('max_result_rows')").result_rows
        assert kept == (2, Limits().result_rows)

    def test_caps_hold_and_can_be_lowered(self, session: Client) -> None:
        assert "(TOO_MANY_ROWS_OR_BYTES)" in refusal(session, "SELECT number FROM numbers(20000)")
        session.command("SET max_temporary_data_on_disk_size_for_query = 100000")
        in_files = f"{GROUPS} SETTINGS max_bytes_before_external_group_by = 1000000"
        assert "Limit for temporary files size exceeded" in refusal(session, in_files)
        session.command("SET max_execution_time = 1")
        assert "(TIMEOUT_EXCEEDED)" in refusal(session, "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)")

    def test_documented_questions_are_answered_about_its_own_calls(self, client: Client) -> None:
        def answered(call_id: str) -> set[str]:
            """Which questions have an answer, with this call in place of the one that the page names."""
            statements = {title: text.replace(EXAMPLE_CALL, call_id) for title, text in STATEMENTS.items()}
            return {title for title, text in statements.items() if client.query(text).result_rows}

        about_one_call = {title for title, text in STATEMENTS.items() if EXAMPLE_CALL in text}
        own, foreign = (call_of(org) for org in ("org-a", "org-b"))
        assert answered(own) >= about_one_call
        assert answered(foreign) == answered(own) - about_one_call

    def test_an_account_is_held_back_where_system_tables_are_open_to_all(
        self, ada: AnalyticsStore, client: Client
    ) -> None:
        """As they are in the engine as a library: everybody reads everybody's statements there."""
        client.query("SELECT 'what an analyst asked'")
        with pytest.raises(SystemTablesOpen, match="select_from_system_db_requires_grant"):
            refuse_open_system_tables(ada, ME)


class TestWhoFillsTheTables:
    def test_sees_all_rows_and_goes_on_where_the_tables_stand(
        self, projector: AnalyticsStore, rows: tuple[Path, dict[str, Counts]]
    ) -> None:
        _, counts = rows
        client = projector.client()
        assert {name: counted(client, name) for name in EVERYTHING} == counts
        sink = ClickHouseSink(projector)
        assert sink.resume_from(0) == LOG[HALF - 1].position
        rest = [made for made in folded(LOG) if made.rows and made.rows[0][ORDINAL] >= LOG[HALF].position.ordinal]
        sink.write(LOG[HALF].position, LOG[-1].position, rest)
        assert table_hash(projector, MARKER.physical, LOG[-1].position).rows == len(LOG)


def call_of(org_id: str) -> str:
    """The first call of an organisation of which an answered turn was measured."""
    made = {event.recorded.originator_id: event.recorded.event for event in reversed(LOG[:HALF])}
    return next(
        event.recorded.originator_id
        for event in LOG[:HALF]
        if isinstance(event.recorded.event, TurnMeasured)
        and getattr(made[event.recorded.originator_id], "org_id", None) == org_id
    )


def test_what_has_no_place_in_a_configuration_is_not_passed_over() -> None:
    for statement in (
        account_statement("ada", "secret", "salt", database=DATABASE),
        "GRANT SELECT, INSERT ON `default`.`calls` TO `ada`",
        "CREATE SETTINGS PROFILE OR REPLACE 'p' SETTINGS readonly = 2 WRITABLE",
    ):
        with pytest.raises(ValueError, match="has nothing that stands for"):
            Accounts([statement], administrator="projector")
