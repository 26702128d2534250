"""The ``messages`` table: what was said in a call, as it entered the conversation's history."""

from __future__ import annotations

from domain.call.events import MessageCommitted
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from projections.call_state import instant, place
from projections.table import Column, Row, Table
from projections.tables.columns import CALL_ID, PLACE, ROWS_OF_KEPT_CALLS, TURN

TABLE = Table(
    name="messages",
    version=1,
    comment="Messages of calls: what the user said and what the user heard, one row each",
    columns=(
        *PLACE,
        CALL_ID,
        Column("message_id", "String", "Message"),
        Column("role", "LowCardinality(String)", "system, user, assistant or tool"),
        TURN,
        Column("text", "String", "Words said; for the assistant the part that was heard before any interruption"),
        Column("generated_text", "Nullable(String)", "What the model wrote, where it differs from what was heard"),
        Column("source", "LowCardinality(String)", "Origin of a spoken text: model, first-message, say, …"),
        Column("interrupted", "Bool", "Whether the caller cut the message off"),
        Column("confidence", "Nullable(Float64)", "Recogniser's confidence from 0 to 1"),
        Column("spoken_at", "Nullable(DateTime64(6, 'UTC'))", "When speaking began (UTC)"),
        Column("started_ms", "Float64", "Begin on the call's own clock (ms since the call was claimed)"),
        Column("ended_ms", "Float64", "End on the call's own clock (ms)"),
    ),
    order_by=("org_id", "call_id", "log_ordinal"),
    view=ROWS_OF_KEPT_CALLS,
)


READS: frozenset[type[Event]] = frozenset({MessageCommitted})


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row per message."""
    message = event.recorded.event
    if not isinstance(message, MessageCommitted):
        return ()
    row = (
        *place(call, event),
        event.recorded.originator_id,
        message.message_id,
        message.role,
        message.turn,
        message.text,
        message.generated_text,
        message.source,
        message.interrupted,
        message.confidence,
        instant(call, message.started_ms),
        message.started_ms,
        message.ended_ms,
    )
    return (row,)
