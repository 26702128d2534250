"""The ``latencies`` table: how long each stage of an answered turn took, and who provided the stage."""

from __future__ import annotations

from collections.abc import Mapping
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


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row per measured turn."""
    marks = event.recorded.event
    if not isinstance(marks, TurnMeasured):
        return ()
    began = start(call)
    assistant: Mapping[str, Any] = _NONE if began is None else began.assistant
    model = _settings(assistant, "model")
    stages = turn_latency(marks)
    row = (
        *place(call, event),
        event.recorded.originator_id,
        marks.turn,
        marks.source,
        _text(_settings(assistant, "transcriber"), "provider"),
        _text(model, "provider"),
        _text(model, "model"),
        _text(_settings(assistant, "voice"), "provider"),
        stages.transcriber_latency,
        stages.endpointing_latency,
        stages.model_latency,
        stages.voice_latency,
        stages.turn_latency,
    )
    return (row,)


_NONE: Mapping[str, Any] = {}


def _settings(assistant: Mapping[str, Any], stage: str) -> Mapping[str, Any]:
    """A stage's settings; none where the configuration, which is kept as the client sent it, has no such object."""
    settings = assistant.get(stage)
    return settings if isinstance(settings, dict) else _NONE


def _text(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return value if isinstance(value, str) else ""
