"""The ``costs`` table: each meter reading of a call with the money it comes to under its dated price table."""

from __future__ import annotations

from domain.call.events import UsageMetered
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from domain.pricing.cost import CostRow, call_cost
from projections.call_state import place
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
    first = place(call, event)
    return tuple([_row(first, event.recorded.originator_id, reading.turn, cost) for cost in call_cost((reading,)).rows])


def _row(first: Row, call_id: str, turn: int | None, cost: CostRow) -> Row:
    used = cost.quantities
    return (
        *first,
        call_id,
        cost.meter,
        cost.provider,
        cost.model,
        turn,
        float(used["minutes"]) if "minutes" in used else 0.0,
        int(used["promptTokens"]) if "promptTokens" in used else 0,
        int(used["completionTokens"]) if "completionTokens" in used else 0,
        int(used["cachedPromptTokens"]) if "cachedPromptTokens" in used else 0,
        int(used["characters"]) if "characters" in used else 0,
        cost.price_table,
        cost.priced,
        float(cost.usd),
    )
