"""Given an empty store, when migrations run, then the tables are those that the code defines; and back again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from projections import migrations, schema
from projections.store import AnalyticsStore, StoreUnavailable
from projections.tables.catalogue import BY_NAME, TABLES

FOLDER = Path(migrations.__file__).parent

DANGEROUS = re.compile(
    r"\bTRUNCATE\b|\bDETACH\b|\bDROP\s+(TABLE|COLUMN|PARTITION|DATABASE)\b|\bMODIFY\s+COLUMN\b|\bRENAME\s+COLUMN\b"
    r"|\bALTER\s+TABLE\s+\S+\s+(DELETE|UPDATE)\b|\bENGINE\s*=\s*(Memory|Log|TinyLog)\b|\bPOPULATE\b",
    re.IGNORECASE,
)
"""What would lose rows, rewrite them, or stop inserts for long."""


@pytest.fixture(scope="module")
def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(config)


@pytest.fixture
def migrated(store: AnalyticsStore) -> Iterator[AnalyticsStore]:
    schema.upgrade(store)
    yield store
    schema.upgrade(store)


def tables_of(store: AnalyticsStore) -> set[str]:
    return {row[0] for row in store.client().query("SHOW TABLES").result_rows}


def test_the_tables_are_those_that_the_code_defines(migrated: AnalyticsStore) -> None:
    found = migrated.client().query(
        "SELECT table, name, type, comment FROM system.columns "
        "WHERE database = currentDatabase() ORDER BY table, position"
    )
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for table, *column in found.result_rows:
        columns.setdefault(table, []).append(tuple(column))
    for table in TABLES:
        assert columns[table.physical] == [(c.name, c.type, c.comment) for c in table.columns]
        assert columns[table.name] == [(c.name, c.type, c.comment) for c in table.shown or table.columns]


def test_definition_and_migration_make_the_same_table(migrated: AnalyticsStore) -> None:
    client = migrated.client()
    for table in TABLES:
        for name, statement in zip(table.names("_probe"), table.create_statements("_probe"), strict=True):
            client.command(statement)
            try:
                made = str(client.command(f"SHOW CREATE TABLE {name}"))
                migrated_to = name.removesuffix("_probe")
                assert made.replace(name, migrated_to) == client.command(f"SHOW CREATE TABLE {migrated_to}")
            finally:
                client.command(f"DROP TABLE {name} SYNC")
        shown = client.command(f"SHOW CREATE TABLE {table.name}")
        client.command(table.view_sql(deleted_calls=BY_NAME["deleted_calls"].physical))
        assert client.command(f"SHOW CREATE TABLE {table.name}") == shown


def test_migrations_run_backwards_and_forwards(migrated: AnalyticsStore) -> None:
    before = tables_of(migrated)
    schema.downgrade(migrated, "base")
    assert schema.present_version(migrated) is None
    assert tables_of(migrated) == {"schema_versions"}
    schema.upgrade(migrated)
    assert schema.present_version(migrated) == schema.HEAD
    assert tables_of(migrated) == before


def test_an_upgrade_that_was_cut_short_can_run_again(migrated: AnalyticsStore) -> None:
    schema.downgrade(migrated, "base")
    first = re.search(r"CREATE TABLE IF NOT EXISTS calls_v1\n.*?;\n", schema.dry_run("base:0001"), re.DOTALL)
    assert first is not None
    migrated.client().command(first[0].rstrip(";\n"))
    schema.upgrade(migrated)
    assert {table.name for table in TABLES} < tables_of(migrated)


def test_an_upgrade_goes_on_where_another_process_left_two_versions_noted(migrated: AnalyticsStore) -> None:
    schema.downgrade(migrated, "0003")
    migrated.client().command(f"INSERT INTO {schema.VERSION_TABLE} VALUES ('0001')")
    schema.upgrade(migrated)
    assert schema.present_version(migrated) == schema.HEAD
    noted = migrated.client().query(f"SELECT version_num FROM {schema.VERSION_TABLE}").result_rows
    assert [tuple(row) for row in noted] == [(schema.HEAD,)]


def test_the_head_that_the_code_names_is_the_newest_script(scripts: ScriptDirectory) -> None:
    assert scripts.get_heads() == [schema.HEAD]


def test_migrations_are_numbered_in_one_line(scripts: ScriptDirectory) -> None:
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    for script in scripts.walk_revisions():
        name = Path(script.path).stem
        assert re.fullmatch(rf"{script.revision}_[a-z]+(_[a-z]+)+", name), name
        assert script.doc


def test_tables_of_a_newer_version_are_left_alone_and_told_of(migrated: AnalyticsStore) -> None:
    note = {"table": schema.VERSION_TABLE, "version": "9999"}
    migrated.client().command("INSERT INTO {table:Identifier} VALUES ({version:String})", parameters=note)
    try:
        with pytest.raises(StoreUnavailable, match=r"newer callfold .*9999"):
            schema.upgrade(migrated)
    finally:
        migrated.client().command(
            "ALTER TABLE {table:Identifier} DELETE WHERE version_num = {version:String} SETTINGS mutations_sync = 1",
            parameters=note,
        )
    assert schema.present_version(migrated) == schema.HEAD


def test_a_dry_run_shows_the_sql_of_both_directions_and_touches_nothing(migrated: AnalyticsStore) -> None:
    before = tables_of(migrated)
    forwards, backwards = schema.dry_run(), schema.dry_run(f"{schema.HEAD}:base")
    assert forwards.index("CREATE TABLE IF NOT EXISTS calls_v1") < forwards.index("CREATE OR REPLACE VIEW calls")
    assert backwards.index("DROP VIEW IF EXISTS calls") < backwards.index("DROP TABLE IF EXISTS calls_v1;")
    assert tables_of(migrated) == before


def test_no_upgrade_runs_dangerous_ddl() -> None:
    # Alembic notes the version itself, by taking away the row of the one before.
    statements = re.sub(r"^ALTER TABLE `schema_versions` DELETE.*$", "", schema.dry_run(), flags=re.MULTILINE)
    assert DANGEROUS.findall(statements) == []
    for create in re.findall(r"CREATE TABLE (?!`)(.*)", statements):
        assert create.startswith("IF NOT EXISTS"), create


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE TABLE calls_v1",
        "ALTER TABLE calls_v1 DROP COLUMN name",
        "ALTER TABLE calls_v1 DELETE WHERE 1",
        "alter table calls_v1 modify column cost_usd Float32",
        "CREATE TABLE x (a Int8) ENGINE = Memory",
        "CREATE MATERIALIZED VIEW v POPULATE AS SELECT 1",
    ],
)
def test_the_lint_finds_what_it_is_for(statement: str) -> None:
    assert DANGEROUS.search(statement)
