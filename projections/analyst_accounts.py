"""Accounts for analysts on a ClickHouse server: who may read, which rows, and how much a statement may take.

Only a server has users; the embedded engine gives the same isolation by ``analyst_sql``, statement by statement. What
is made here is SQL, so that it can be read before it runs: a settings profile for all analysts, and for each a user
that may read the projections' tables and views and nothing else, with a row policy for one organisation. Table
functions that reach files and networks (``url``, ``file``, ``remote``, ``s3``) need rights that nobody is granted here.

Two things no grant can take away. The scalar function ``file`` asks for no right: on a server it reads what lies in its
``user_files_path``. And system tables are either open to every account or to none, as the server's configuration says;
in them stand the statements of others, so that ``refuse_open_system_tables`` holds an account back where they are open.

https://clickhouse.com/docs/operations/access-rights
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from projections.store import SPARE_DISK_BYTES, AnalyticsStore, Limits
from projections.table import Table, View, quoted
from projections.tables import fragments
from projections.tables.catalogue import TABLES

PROFILE: Final = "callfold_analyst"
LONGEST_NAME: Final = 64
READABLE: Final = (*TABLES, fragments.TABLE)
"""What an analyst may ask: views, and the tables behind them."""

_ALL_SYSTEM_TABLES: Final = re.compile(r"^GRANT\b.*\bSELECT\b[^(]* ON `?system`?\.\* TO ")


class SystemTablesOpen(Exception):
    """The server lets every account read all system tables. The message says what to set."""


def grant_statements(
    name: str,
    org_id: str,
    *,
    database: str,
    limits: Limits,
    tables: Sequence[Table] = READABLE,
    views: Sequence[View] = fragments.VIEWS,
) -> Iterator[str]:
    """What gives the existing user ``name`` the rows of one organisation. It can run again, after an upgrade too."""
    user = identifier(name)
    yield _profile(limits)
    yield f"ALTER USER {user} DEFAULT ROLE NONE SETTINGS PROFILE '{PROFILE}'"
    yield f"REVOKE ALL ON *.* FROM {user}"
    condition = f"org_id = {quoted(org_id)}"
    for table in tables:
        for physical in table.names():
            place = f"{identifier(database)}.{identifier(physical)}"
            # Where a table has a policy, a server may show nothing of it to users whom none concerns.
            yield f"CREATE ROW POLICY OR REPLACE `callfold` ON {place} USING 1 TO CURRENT_USER"
            yield (
                f"CREATE ROW POLICY OR REPLACE {identifier(f'callfold_{name}')} ON {place} "
                f"FOR SELECT USING {condition} AS PERMISSIVE TO {user}"
            )
    # Last, so that there is no moment in which the user reads without a policy.
    readable = [each for table in tables for each in (table.name, *table.names())]
    for place in (*readable, *(view.name for view in views)):
        yield f"GRANT SELECT ON {identifier(database)}.{identifier(place)} TO {user}"


def account_statement(name: str, password: str, salt: str, *, database: str) -> str:
    """What makes the user, or gives it a new password. The password itself is not in it, and so in no log."""
    digest = hashlib.sha256((password + salt).encode()).hexdigest().upper()
    return (
        f"CREATE USER OR REPLACE {identifier(name)} IDENTIFIED WITH sha256_hash BY {quoted(digest)} "
        f"SALT {quoted(salt)} DEFAULT DATABASE {identifier(database)}"
    )


def revoke_statements(name: str, *, database: str, tables: Sequence[Table] = READABLE) -> Iterator[str]:
    """What takes the account away, its policies first."""
    for table in tables:
        for physical in table.names():
            place = f"{identifier(database)}.{identifier(physical)}"
            yield f"DROP ROW POLICY IF EXISTS {identifier(f'callfold_{name}')} ON {place}"
    yield f"DROP USER IF EXISTS {identifier(name)}"


def refuse_open_system_tables(store: AnalyticsStore, name: str) -> None:
    """Raise ``SystemTablesOpen`` where the existing user ``name`` may read every system table without a grant.

    https://clickhouse.com/docs/operations/server-configuration-parameters/settings#access_control_improvements
    """
    rights = store.client().query(f"SHOW GRANTS FOR {identifier(name)} WITH IMPLICIT").result_rows
    if any(_ALL_SYSTEM_TABLES.match(right) for (right,) in rights):
        raise SystemTablesOpen(
            "this server lets every account read its system tables, and so the statements of others in "
            "system.query_log: set access_control_improvements.select_from_system_db_requires_grant to true in its "
            "configuration, as the one that comes with ClickHouse does, and try again"
        )


def run_statements(store: AnalyticsStore, statements: Iterator[str]) -> None:
    """Run them on a server, in order. Raises the client's ``DatabaseError``; what ran before stays, and may repeat."""
    client = store.client()
    for statement in statements:
        client.command(statement)


def database_of(store: AnalyticsStore) -> str:
    """The database in which the tables stand."""
    return str(store.client().command("SELECT currentDatabase()"))


def identifier(name: str) -> str:
    """A quoted ClickHouse identifier. Raises ``ValueError`` for names that nobody should have."""
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a name must have 1 to {LONGEST_NAME} printable characters, not {name!r}")
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _profile(limits: Limits) -> str:
    """Everything in it may be lowered by a statement and not raised, nor made 0, which means without a limit.
    ``readonly`` 2 is reading, with settings of one's own, which the drivers of dashboards send."""
    caps = {
        "max_execution_time": int(limits.seconds),
        "max_memory_usage": limits.memory_bytes,
        "max_result_rows": limits.result_rows,
        "max_threads": limits.threads or 2,
        "max_concurrent_queries_for_user": 4,
        "max_temporary_data_on_disk_size_for_user": limits.disk_bytes,
        "max_temporary_data_on_disk_size_for_query": limits.disk_bytes,
    }
    settings = [f"{name} = {value} MIN 1 MAX {value}" for name, value in caps.items()]
    settings += [f"{name} = {value}" for name, value in limits.spilling().items()]
    fixed = (
        "readonly = 2 CONST",
        "allow_ddl = 0 CONST",
        "allow_introspection_functions = 0 CONST",
        f"min_free_disk_space_for_temporary_data = {SPARE_DISK_BYTES} CONST",
    )
    return f"CREATE SETTINGS PROFILE OR REPLACE '{PROFILE}' SETTINGS {', '.join((*fixed, *settings))}"
