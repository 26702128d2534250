"""Given an analyst of one organisation, then the SQL for a server is such as the engine reads, in an order that leaves
no gap, whatever the names. What it grants is proved in ``test_enforced_rights``.
"""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from projections.analyst_accounts import (
    SystemTablesOpen,
    account_statement,
    grant_statements,
    refuse_open_system_tables,
    revoke_statements,
)
from projections.store import AnalyticsStore, Limits

GRANTED = list(grant_statements("ada", "org-a", database="callfold", limits=Limits()))


def test_the_engine_understands_every_statement(store: AnalyticsStore) -> None:
    odd = "o'reilly \\ `x`"
    statements = [
        *GRANTED,
        account_statement("ada", "secret", "salt", database="callfold"),
        *revoke_statements("ada", database="callfold"),
        *grant_statements(odd, "' OR 1 = 1 --", database="a-b", limits=Limits()),
        account_statement(odd, "'; DROP", "'", database="a-b"),
        *revoke_statements(odd, database="a-b"),
    ]
    for statement in statements:
        tree = str(store.client().command(f"EXPLAIN AST {statement}"))
        assert "query" in tree.lower(), statement


def test_rights_are_given_last() -> None:
    first_right = min(index for index, statement in enumerate(GRANTED) if statement.startswith("GRANT"))
    assert all(statement.startswith("GRANT") for statement in GRANTED[first_right:])
    # What an earlier grant of anybody's gave goes first.
    assert "REVOKE ALL ON *.* FROM `ada`" in GRANTED[:first_right]


def test_the_password_is_sent_as_a_salted_hash() -> None:
    statement = account_statement("ada", "secret", "0a1b", database="callfold")
    assert "secret" not in statement
    assert hashlib.sha256(b"secret0a1b").hexdigest().upper() in statement


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_names_that_nobody_should_have_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name must have"):
        list(grant_statements(name, "org-a", database="callfold", limits=Limits()))


class ServerWithRights:
    """A store whose server says which rights somebody has."""

    def __init__(self, *rights: str) -> None:
        self._rights = rights

    def client(self) -> ServerWithRights:
        return self

    def query(self, statement: str) -> SimpleNamespace:
        assert statement == "SHOW GRANTS FOR `ada` WITH IMPLICIT"
        return SimpleNamespace(result_rows=[(right,) for right in self._rights])


@pytest.mark.parametrize(
    ("right", "is_open"),
    [
        ("GRANT SELECT ON system.* TO ada", True),
        ("GRANT SHOW TABLES, SHOW COLUMNS, SELECT ON `system`.* TO ada", True),
        ("GRANT SELECT ON system.one TO ada", False),
        ("GRANT SELECT ON callfold.* TO ada", False),
        ("GRANT SHOW DATABASES ON system.* TO ada", False),
    ],
)
def test_system_tables_are_open_where_one_right_covers_all_of_them(right: str, is_open: bool) -> None:
    server: Any = ServerWithRights("GRANT SELECT ON callfold.calls TO ada", right)
    with pytest.raises(SystemTablesOpen) if is_open else nullcontext():
        refuse_open_system_tables(server, "ada")
