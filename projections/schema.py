"""Bringing a store's tables to the version this code needs, backwards too, or showing the SQL that would run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from projections.store import AnalyticsStore

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0006"
"""The newest migration; stated here so that a store that has it opens without loading Alembic."""

VERSION_TABLE = "schema_versions"


def present_version(store: AnalyticsStore) -> str | None:
    """The migration that the store stands at, ``None`` for an empty one."""
    client = store.client()
    if client.command(f"EXISTS TABLE {VERSION_TABLE}") != 1:
        return None
    # Two rows are what a crash leaves between noting a version and forgetting the one before.
    rows = client.query(
        "SELECT version_num FROM {table:Identifier} ORDER BY version_num DESC", parameters={"table": VERSION_TABLE}
    ).result_rows
    return str(rows[0][0]) if rows else None


def upgrade(store: AnalyticsStore, revision: str = HEAD) -> None:
    """Run the migrations up to ``revision``. Does nothing where the store has it already."""
    if present_version(store) != revision:
        _run(store, "upgrade", revision)


def downgrade(store: AnalyticsStore, revision: str) -> None:
    """Undo migrations down to ``revision``; ``base`` undoes all and drops every table, which a rebuild refills."""
    _run(store, "downgrade", revision)


def dry_run(span: str = "base:head") -> str:
    """The SQL of a span of migrations, ``from:to``; it runs backwards where ``to`` is the older one or ``base``."""
    from alembic import command

    output = io.StringIO()
    config = _config()
    config.attributes["output"] = output
    if span.partition(":")[2] == "base" or span.partition(":")[2] < span.partition(":")[0] != "base":
        command.downgrade(config, span, sql=True)
    else:
        command.upgrade(config, span, sql=True)
    return output.getvalue()


def _run(store: AnalyticsStore, direction: str, revision: str) -> None:
    import sqlalchemy
    from alembic import command

    engine = sqlalchemy.create_engine(
        "clickhousedb://", connect_args=store.engine_arguments, poolclass=sqlalchemy.pool.NullPool
    )
    config = _config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if direction == "upgrade" else command.downgrade)(config, revision)
    engine.dispose()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
