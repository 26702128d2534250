"""All projection tables, in the order a range of the log is written to them."""

from __future__ import annotations

from projections.tables import (
    calls,
    chats,
    costs,
    deleted_calls,
    deliveries,
    events,
    latencies,
    messages,
    sessions,
    tool_calls,
    turns,
)

MARKER = events.TABLE
"""Every event has one row here, and it is written last: its highest ordinal says how far all tables are."""

TABLES = (
    calls.TABLE,
    deleted_calls.TABLE,
    turns.TABLE,
    messages.TABLE,
    tool_calls.TABLE,
    costs.TABLE,
    latencies.TABLE,
    chats.TABLE,
    sessions.TABLE,
    deliveries.TABLE,
    MARKER,
)
BY_NAME = {table.name: table for table in TABLES}
