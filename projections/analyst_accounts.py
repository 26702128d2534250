"""Accounts for analysts on a ClickHouse server: who may read, which rows, and how much a statement may take.

Only a server has users; the embedded engine gives the same isolation by ``analyst_sql``, statement by statement. What
is made here is SQL, so that it can be read before it runs: a settings profile for all analysts, and for each a user
that may read the projection's tables and views and nothing else, with a row policy for one organisation. Table
functions that reach files and networks (``url``, ``file``, ``remote``, ``s3``) need rights that nobody is granted here.

https://clickhouse.com/docs/operations/access-rights
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from projections.store import AnalyticsStore, Limits
from projections.table import Table, quoted
from projections.tables.catalogue import TABLES

PROFILE: Final = "callfold_analyst"
LONGEST_NAME: Final = 64


def grant_statements(
    name: str, org_id: str, *, database: str, limits: Limits, tables: Sequence[Table] = TABLES
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
    for table in tables:
        for readable in (table.name, *table.names()):
            yield f"GRANT SELECT ON {identifier(database)}.{identifier(readable)} TO {user}"


def account_statement(name: str, password: str, salt: str, *, database: str) -> str:
    """What makes the user, or gives it a new password. The password itself is not in it, and so in no log."""
    digest = hashlib.sha256((password + salt).encode()).hexdigest().upper()
    return (
        f"CREATE USER OR REPLACE {identifier(name)} IDENTIFIED WITH sha256_hash BY {quoted(digest)} "
        f"SALT {quoted(salt)} DEFAULT DATABASE {identifier(database)}"
    )


def revoke_statements(name: str, *, database: str, tables: Sequence[Table] = TABLES) -> Iterator[str]:
    """What takes the account away, its policies first."""
    for table in tables:
        for physical in table.names():
            place = f"{identifier(database)}.{identifier(physical)}"
            yield f"DROP ROW POLICY IF EXISTS {identifier(f'callfold_{name}')} ON {place}"
    yield f"DROP USER IF EXISTS {identifier(name)}"


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
    """Everything in it may be lowered by a statement and not raised. ``readonly`` 2 is reading, with settings of one's
    own, which the drivers of dashboards send."""
    caps = {
        "max_execution_time": int(limits.seconds),
        "max_memory_usage": limits.memory_bytes,
        "max_result_rows": limits.result_rows,
        "max_threads": limits.threads or 2,
        "max_concurrent_queries_for_user": 4,
    }
    settings = [f"{name} = {value} MAX {value}" for name, value in caps.items()]
    fixed = ("readonly = 2 CONST", "allow_ddl = 0 CONST", "allow_introspection_functions = 0 CONST")
    return f"CREATE SETTINGS PROFILE OR REPLACE '{PROFILE}' SETTINGS {', '.join((*fixed, *settings))}"
