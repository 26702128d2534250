"""The ``latencies`` table: how long each stage of an answered turn took, and who provided the stage."""

from __future__ import annotations

from projections.table import Column, Table
from projections.tables.columns import CALL_ID, PLACE, ROWS_OF_KEPT_CALLS, TURN

TABLE = Table(
    name="latencies",
    version=1,
    comment="Delays of answered turns by stage, derived from their measuring points, one row per measured turn",
    columns=(
        *PLACE,
        CALL_ID,
        TURN,
        Column("source", "LowCardinality(String)", "Where the answer's text came from: model, first-message, say …"),
        Column("transcriber_provider", "LowCardinality(String)", "Provider of speech recognition"),
        Column("model_provider", "LowCardinality(String)", "Provider of the language model"),
        Column("model", "LowCardinality(String)", "Language model"),
        Column("voice_provider", "LowCardinality(String)", "Provider of speech synthesis"),
        Column("transcriber_ms", "Nullable(Float64)", "Last voiced frame to final transcript (ms)"),
        Column("endpointing_ms", "Nullable(Float64)", "Final transcript to the decision that the turn was over (ms)"),
        Column("model_ms", "Nullable(Float64)", "Request to first token (ms)"),
        Column("voice_ms", "Nullable(Float64)", "First text handed over to first audio (ms)"),
        Column("turn_ms", "Nullable(Float64)", "Last voiced frame of the user to first frame of the answer (ms)"),
    ),
    order_by=("org_id", "call_id", "log_ordinal"),
    view=ROWS_OF_KEPT_CALLS,
)
