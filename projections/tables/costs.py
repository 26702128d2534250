"""The ``costs`` table: each meter reading of a call with the money it comes to under its dated price table."""

from __future__ import annotations

from domain.call.events import UsageMetered
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from domain.pricing.cost import PARTS, priced
from projections.call_state import org_id
from projections.table import Column, Row, Table
from projections.tables.columns import CALL_ID, PLACE, ROWS_OF_KEPT_CALLS

TABLE = Table(
    name="costs",
    version=1,
    comment="Cost of calls: one row per meter reading, priced",
    columns=(
        *PLACE,
        CALL_ID,
        Column("meter", "LowCardinality(String)", "transport, transcriber, model, voice or vapi (the platform)"),
        Column("provider", "LowCardinality(String)", "Provider whose service was used"),
        Column("model", "LowCardinality(String)", "Model or voice of the provider, where there is one"),
        Column("turn", "Nullable(UInt32)", "Turn that the reading belongs to, where it belongs to one"),
        Column("minutes", "Float64", "Metered minutes"),
        Column("prompt_tokens", "UInt64", "Metered prompt tokens, cached ones included"),
        Column("completion_tokens", "UInt64", "Metered completion tokens"),
        Column("cached_prompt_tokens", "UInt64", "Metered prompt tokens that were cached"),
        Column("characters", "UInt64", "Metered characters of synthesised speech"),
        Column("price_table", "LowCardinality(String)", "Dated price table that the amount follows"),
        Column("priced", "Bool", "False where the price table has no such price; the amount is then 0"),
        Column("cost_usd", "Float64", "Amount (USD)"),
    ),
    order_by=("org_id", "call_id", "log_ordinal"),
    view=ROWS_OF_KEPT_CALLS,
)


READS: frozenset[type[Event]] = frozenset({UsageMetered})


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row per meter reading."""
    reading = event.recorded.event
    if not isinstance(reading, UsageMetered):
        return ()
    quantities, usd = priced(reading)
    used = quantities.get
    position = event.position
    row = (
        org_id(call),
        position.shard,
        position.ordinal,
        event.recorded.time,
        event.recorded.originator_id,
        reading.meter,
        reading.provider,
        reading.model,
        reading.turn,
        used("minutes", 0) / PARTS,
        used("promptTokens", 0) // PARTS,
        used("completionTokens", 0) // PARTS,
        used("cachedPromptTokens", 0) // PARTS,
        used("characters", 0) // PARTS,
        reading.price_table,
        usd is not None,
        (usd or 0) / PARTS,
    )
    return (row,)
