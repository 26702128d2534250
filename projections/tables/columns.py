"""Columns that several tables share, and how their views fold rows: the same fact has the same name, type and meaning
everywhere."""

from __future__ import annotations

from projections.table import Column, Table

PLACE = (
    Column("org_id", "LowCardinality(String)", "Organisation that owns the row"),
    Column("log_shard", "UInt16", "Shard of the log that the event behind this row stands in"),
    Column("log_ordinal", "UInt64", "Gapless number of that event within its shard; newer rows have higher numbers"),
    Column("recorded_at", "DateTime64(6, 'UTC')", "When the event was recorded on the log (UTC)"),
)
"""First in every table: whose row it is, and which event caused it."""

CALL_ID = Column("call_id", "String", "Call that the row belongs to; joins to calls.call_id")
TURN = Column("turn", "UInt32", "Number of the conversation turn within the call")

NOT_DELETED = "s.call_id NOT IN (SELECT call_id FROM {deleted_calls})"
"""Rows of deleted calls stay for audit in the versioned table and are hidden by the views."""
ROWS_OF_KEPT_CALLS = "\n".join(("SELECT * FROM {source} AS s", f"WHERE {NOT_DELETED}"))


def newest_known(column: str) -> str:
    """The newest value that is not null: for tables where each row carries only the facts of one event."""
    return f"argMax(s.{column}, s.log_ordinal) AS {column}"


def select(*expressions: str, group_by: tuple[str, ...], where: str = "", having: str = "") -> str:
    """The SELECT of a view that folds the rows ``s`` of a group into one."""
    columns = ",\n    ".join((*(f"s.{key} AS {key}" for key in group_by), *expressions))
    return (
        f"SELECT\n    {columns}\nFROM {{source}} AS s"
        + (f"\nWHERE {where}" if where else "")
        + "\nGROUP BY "
        + ", ".join(f"s.{key}" for key in group_by)
        + (f"\nHAVING {having}" if having else "")
    )


LATEST_PLACE = ("max(s.log_ordinal) AS log_ordinal", "max(s.recorded_at) AS recorded_at")
"""Which event last changed the group."""

ORG, SHARD, ORDINAL, RECORDED = PLACE


def facts_table(
    name: str,
    *,
    comment: str,
    identity: Column,
    facts: tuple[Column, ...],
    derived: tuple[tuple[Column, str], ...] = (),
) -> Table:
    """A table with one row for every fact about some thing in a call, and a view that shows one row a thing.

    ``identity`` tells the things of one call apart. Of each fact the newest that is known is shown; ``derived`` are
    further columns of the view, each with the expression that makes it of those before.
    """
    keys = ("org_id", "log_shard", CALL_ID.name, identity.name)
    return Table(
        name=name,
        version=1,
        comment=comment,
        columns=(*PLACE, CALL_ID, identity, *facts),
        order_by=("org_id", CALL_ID.name, identity.name, "log_ordinal"),
        shown=(ORG, SHARD, CALL_ID, identity, ORDINAL, RECORDED, *facts, *(column for column, _ in derived)),
        view=select(
            *LATEST_PLACE,
            *(newest_known(column.name) for column in facts),
            *(f"{expression} AS {column.name}" for column, expression in derived),
            group_by=keys,
            where=NOT_DELETED,
        ),
    )
