"""Bringing a store's tables to the version this code needs, backwards too, or showing the SQL that would run."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from projections.store import AnalyticsStore, StoreUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

HEAD = "0009"
"""The newest migration; stated here so that a store that has it opens without loading Alembic."""

VERSION_TABLE = "schema_versions"

_ATTEMPTS = 5
"""One for each process that may be at it at the same time, and some more."""


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
    """Run the migrations up to ``revision``. Does nothing where the store has it already.

    Several processes may do so at once, as when an installation is started for the first time: the server has no lock
    for it, but each migration can run again, and who finds the versions that others note in between begins anew.
    Raises ``StoreUnavailable`` for tables that a newer callfold has made.
    """
    from alembic.util import CommandError

    for remaining in reversed(range(_ATTEMPTS)):
        version = present_version(store)
        if version == revision:
            return
        if version is not None and version > HEAD:
            raise StoreUnavailable(
                f"A newer callfold made the analytics tables (they have version {version}, this one knows {HEAD}): "
                "start that one, or a newer one still."
            )
        _forget_before(store, version)
        try:
            _run(store, "upgrade", revision)
            return
        except CommandError as problem:
            if not remaining:
                raise
            logger.info("tables.upgraded_elsewhere", extra={"version": version, "reason": str(problem)})


def _forget_before(store: AnalyticsStore, version: str | None) -> None:
    """Of several versions that are noted the newest counts; Alembic takes any other for a branch of its own."""
    if version is not None:
        store.client().command(
            "ALTER TABLE {table:Identifier} DELETE WHERE version_num < {version:String} SETTINGS mutations_sync = 1",
            parameters={"table": VERSION_TABLE, "version": version},
        )


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
