"""The ``deleted_calls`` table: which calls were deleted, so that the other views leave them out without a search."""

from __future__ import annotations

from domain.call.events import CallDeleted
from domain.call.state import Call, Deleted
from domain.event import Event
from domain.log.ports import Positioned
from projections.call_state import place
from projections.table import Column, Row, Table
from projections.tables.columns import PLACE

TABLE = Table(
    name="deleted_calls",
    version=1,
    comment="Calls that were deleted, one row each; recorded_at says when",
    columns=(
        *PLACE,
        Column("call_id", "String", "Call; in events its history still stands, as originator_id"),
        Column("created_at", "DateTime64(6, 'UTC')", "When the call was accepted (UTC)"),
    ),
    order_by=("org_id", "call_id"),
    engine="ReplacingMergeTree",
    view="SELECT * FROM {source} FINAL",
)
"""A call is deleted once. Rows of the time before this table are copied from that of the calls, by as many processes as
are upgraded at once; of a row that came twice the engine keeps one."""


READS: frozenset[type[Event]] = frozenset({CallDeleted})


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row, when the call is deleted."""
    if not isinstance(call, Deleted):
        return ()
    return ((*place(call, event), call.id, call.created_at),)
