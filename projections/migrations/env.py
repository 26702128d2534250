"""Entry point that Alembic loads: runs migrations over the store's connection, or prints them as SQL."""

from __future__ import annotations

from alembic import context
from clickhouse_connect.cc_sqlalchemy.alembic import ClickHouseImpl

VERSION_TABLE = "schema_versions"

# Alembic finds the implementation of a dialect by its having been imported.
if ClickHouseImpl.__dialect__ != "clickhousedb":
    raise ImportError("clickhouse-connect renamed its SQLAlchemy dialect; adapt projections/migrations/env.py.")

if context.is_offline_mode():
    context.configure(
        dialect_name=ClickHouseImpl.__dialect__,
        version_table=VERSION_TABLE,
        output_buffer=context.config.attributes.get("output"),
    )
else:
    context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
