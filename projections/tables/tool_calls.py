"""The ``tool_calls`` table: what the assistant asked of tools, what came back, and how long it took."""

from __future__ import annotations

import msgspec

from domain.call.events import ToolCalled, ToolCompleted, ToolFailed
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from projections.call_state import place
from projections.table import Column, Row
from projections.tables.columns import facts_table

TOOL_CALL_ID = Column("tool_call_id", "String", "Tool call")
LATENCY = Column("latency_ms", "Nullable(Float64)", "Time from the call of the tool to its answer or failure (ms)")
FACTS = (
    Column("status", "LowCardinality(String)", "called, completed or failed"),
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

TABLE = facts_table(
    "tool_calls",
    comment="Tool calls: one row per fact about one, the view folds them into one row a tool call",
    identity=TOOL_CALL_ID,
    facts=FACTS,
    derived=((LATENCY, "finished_ms - called_ms"),),
)


READS: frozenset[type[Event]] = frozenset({ToolCalled, ToolCompleted, ToolFailed})

_encode = msgspec.json.Encoder(order="sorted").encode


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row per fact; columns that the fact does not speak of are null."""
    match event.recorded.event:
        case ToolCalled() as asked:
            arguments = _encode(asked.arguments).decode()
            facts: Row = ("called", asked.name, asked.kind, asked.turn, arguments, None, None, None, asked.at_ms, None)
            tool_call_id = asked.tool_call_id
        case ToolCompleted() as answer:
            facts = ("completed", answer.name, None, None, None, answer.result, None, None, None, answer.at_ms)
            tool_call_id = answer.tool_call_id
        case ToolFailed() as broken:
            facts = ("failed", broken.name, None, None, None, None, broken.failure, broken.error, None, broken.at_ms)
            tool_call_id = broken.tool_call_id
        case _:
            return ()
    return ((*place(call, event), event.recorded.originator_id, tool_call_id, *facts),)
