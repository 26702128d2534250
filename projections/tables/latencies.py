"""The ``latencies`` table: how long each stage of an answered turn took, and who provided the stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.call.events import TurnMeasured
from domain.call.performance import turn_latency
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from projections.call_state import place, start
from projections.table import Column, Row, Table
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


READS: frozenset[type[Event]] = frozenset({TurnMeasured})


def rows(call: Call, event: Positioned) -> Iterable[Row]:
    """One row per measured turn."""
    marks = event.recorded.event
    if isinstance(marks, TurnMeasured):
        began = start(call)
        assistant: dict[str, Any] = {} if began is None else began.assistant
        stages = turn_latency(marks)
        yield (
            *place(call, event),
            event.recorded.originator_id,
            marks.turn,
            marks.source,
            _setting(assistant, "transcriber", "provider"),
            _setting(assistant, "model", "provider"),
            _setting(assistant, "model", "model"),
            _setting(assistant, "voice", "provider"),
            stages.transcriber_latency,
            stages.endpointing_latency,
            stages.model_latency,
            stages.voice_latency,
            stages.turn_latency,
        )


def _setting(assistant: dict[str, Any], stage: str, name: str) -> str:
    """A provider setting; empty where the configuration, which is kept as the client sent it, has none."""
    settings = assistant.get(stage)
    value = settings.get(name) if isinstance(settings, dict) else None
    return value if isinstance(value, str) else ""
