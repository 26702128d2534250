"""How long rows are kept: a time to live for each table, as the installation's settings say.

The engine drops rows when it merges, some hours after their time. The log is not touched: `callfold rebuild` makes the
rows again, and the engine drops them again. That something was deleted is kept for ever, or what was said in it would
be shown again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from projections.store import AnalyticsStore
from projections.table import Table
from projections.tables.catalogue import TABLES
from projections.tables.deleted_calls import TABLE as DELETED_CALLS

EVERY = "*"
"""Stands for all tables that are not named."""

MOST_DAYS = 36_500

EXPIRING = tuple(table for table in TABLES if table is not DELETED_CALLS)
"""Tables whose rows may go."""


class RetentionInvalid(ValueError):
    """The text is no list of tables and days."""


def parse_retention(text: str) -> dict[str, int]:
    """Days by table: ``messages=90,*=730``. Raises ``RetentionInvalid``."""
    names = [table.name for table in EXPIRING]
    days: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if name == DELETED_CALLS.name:
            raise RetentionInvalid(
                f"{name} is kept for ever: without it, what was said in deleted calls would be shown"
            )
        if name not in names and name != EVERY:
            raise RetentionInvalid(f"{name!r} is no table; there are {', '.join(names)}, and * for all others")
        if not number.isdecimal() or not 0 < int(number) <= MOST_DAYS:
            raise RetentionInvalid(f"{part!r} must say 1 to {MOST_DAYS} days, as messages=90")
        if name in days:
            raise RetentionInvalid(f"{name} stands there twice")
        days[name] = int(number)
    return days


def keep_for(store: AnalyticsStore, days: Mapping[str, int], tables: Sequence[Table] = EXPIRING) -> list[str]:
    """Give every table the time to live that it should have; what was changed, as SQL. Does nothing where all is so."""
    client = store.client()
    found = client.query("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
    made = {row[0]: row[1] for row in found.result_rows}
    statements = []
    for table in tables:
        kept = days.get(table.name, days.get(EVERY))
        for name in table.names():
            present, wanted = str(made[name]), None if kept is None else _rule(table, kept)
            if wanted is None and " TTL " in present:
                statements.append(f"ALTER TABLE {name} REMOVE TTL")
            elif wanted is not None and wanted not in present:
                statements.append(f"ALTER TABLE {name} MODIFY TTL {wanted}")
    for statement in statements:
        client.command(statement)
    return statements


def _rule(table: Table, days: int) -> str:
    """As the engine writes it itself, so that it can be compared."""
    rule = f"toDateTime(recorded_at) + toIntervalDay({days})"
    return f"{rule} WHERE deleted_at IS NULL" if "deleted_at" in table.column_names else rule
