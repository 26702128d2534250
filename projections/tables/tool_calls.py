"""The ``tool_calls`` table: what the assistant asked of tools, what came back, and how long it took."""

from __future__ import annotations

from projections.table import Column, Table
from projections.tables.columns import CALL_ID, NOT_DELETED, PLACE, latest_place, newest, newest_known, select

FACTS = (
    Column("name", "LowCardinality(Nullable(String))", "Name of the tool"),
    Column("kind", "LowCardinality(Nullable(String))", "Type of the tool: function, endCall, …"),
    Column("turn", "Nullable(UInt32)", "Turn in which the model called the tool"),
    Column("arguments", "Nullable(String)", "Arguments as a JSON object"),
    Column("result", "Nullable(String)", "What the tool answered"),
    Column("failure", "LowCardinality(Nullable(String))", "Category of the failure: timeout, http-status, bad-body, …"),
    Column("error", "Nullable(String)", "What the model was told about the failure"),
    Column("called_ms", "Nullable(Float64)", "When it was called, on the call's own clock (ms)"),
    Column("finished_ms", "Nullable(Float64)", "When it was answered or had failed (ms)"),
)

TABLE = Table(
    name="tool_calls",
    version=1,
    comment="Tool calls: one row per fact about one, the view folds them into one row a tool call",
    columns=(
        *PLACE,
        CALL_ID,
        Column("tool_call_id", "String", "Tool call"),
        Column("status", "LowCardinality(String)", "called, completed or failed"),
        *FACTS,
    ),
    order_by=("org_id", "call_id", "tool_call_id", "log_ordinal"),
    view=select(
        *latest_place(),
        newest("status"),
        *(newest_known(column.name) for column in FACTS),
        "finished_ms - called_ms AS latency_ms",
        group_by=("org_id", "log_shard", "call_id", "tool_call_id"),
        where=NOT_DELETED,
    ),
)
