"""Given an analyst of one organisation, then the SQL for a server grants its rows and no others.

No server is at hand: the engine's own parser reads every statement, and the rest is read off them. That the same rows
are kept apart where the embedded engine answers is proved in ``test_analyst_sql``.
"""

from __future__ import annotations

import hashlib
import re

import pytest

from projections.analyst_accounts import account_statement, grant_statements, revoke_statements
from projections.store import AnalyticsStore, Limits
from projections.tables.catalogue import TABLES

GRANTED = list(grant_statements("ada", "org-a", database="callfold", limits=Limits()))
PHYSICAL = {name for table in TABLES for name in table.names()}


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


def test_every_table_has_a_policy_for_the_organisation_and_nothing_else_is_granted() -> None:
    policies = [statement for statement in GRANTED if "`callfold_ada`" in statement]
    assert {re.search(r"ON `callfold`\.`(\w+)`", policy)[1] for policy in policies} == PHYSICAL  # type: ignore[index]  # every one names its table
    assert all("USING org_id = 'org-a' AS PERMISSIVE TO `ada`" in policy for policy in policies)
    granted = {
        match[1] for statement in GRANTED if (match := re.match(r"GRANT SELECT ON `callfold`.`(\w+)`", statement))
    }
    assert granted == PHYSICAL | {table.name for table in TABLES}
    assert [statement for statement in GRANTED if statement.startswith("GRANT") and "SELECT ON" not in statement] == []


def test_rights_are_given_last() -> None:
    first_right = min(index for index, statement in enumerate(GRANTED) if statement.startswith("GRANT"))
    assert all(statement.startswith("GRANT") for statement in GRANTED[first_right:])
    # What an earlier grant of anybody's gave goes first.
    assert "REVOKE ALL ON *.* FROM `ada`" in GRANTED[:first_right]


def test_whoever_fills_the_tables_still_sees_all_rows() -> None:
    everyone = [statement for statement in GRANTED if "USING 1 TO CURRENT_USER" in statement]
    assert len(everyone) == len(PHYSICAL)


def test_a_statement_cannot_raise_its_caps() -> None:
    [profile] = [statement for statement in GRANTED if "SETTINGS PROFILE OR REPLACE" in statement]
    assert "readonly = 2 CONST" in profile
    for name, value in (("max_execution_time", 30), ("max_memory_usage", 1 << 30), ("max_result_rows", 10_000)):
        assert f"{name} = {value} MAX {value}" in profile


def test_the_password_is_sent_as_a_salted_hash() -> None:
    statement = account_statement("ada", "secret", "0a1b", database="callfold")
    assert "secret" not in statement
    assert hashlib.sha256(b"secret0a1b").hexdigest().upper() in statement


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_names_that_nobody_should_have_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name must have"):
        list(grant_statements(name, "org-a", database="callfold", limits=Limits()))
