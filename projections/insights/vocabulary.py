"""What each word of the insights' language reads: with the templates of ``compile``, all SQL text there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from projections.tables.catalogue import BY_NAME

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cost": "cost_usd",
        "duration": "duration_seconds",
        "averageModelLatency": "average_model_latency_ms",
        "averageVoiceLatency": "average_voice_latency_ms",
        "averageTranscriberLatency": "average_transcriber_latency_ms",
        "averageTurnLatency": "average_turn_latency_ms",
        "averageEndpointingLatency": "average_endpointing_latency_ms",
        "assistantId": "assistant_id",
        "workflowId": "workflow_id",
        "squadId": "squad_id",
        "phoneNumberId": "phone_number_id",
        "type": "type",
        "customerNumber": "customer_number",
        "status": "status",
        "endedReason": "ended_reason",
        "forwardedPhoneNumber": "forwarded_phone_number",
        "campaignId": "campaign_id",
        "startedAt": "started_at",
        "endedAt": "ended_at",
    }
)
"""Columns of the view ``calls``."""

AGGREGATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "count": "countIf({condition})",
        # Nothing used sums to nothing; there is no average, least or greatest of nothing.
        "sum": "ifNull(sumIf({column}, {condition}), 0)",
        "average": "avgOrNullIf({column}, {condition})",
        "min": "minOrNullIf({column}, {condition})",
        "max": "maxOrNullIf({column}, {condition})",
    }
)

EMPTY: Final[Mapping[str, float | None]] = MappingProxyType({"count": 0, "percentage": 0, "sum": 0})
"""What operations come to where there is nothing; the others have no value there."""

# What has no value is not equal to any, contains none, and is in no list.
OPERATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "=": "ifNull({column} = {value}, 0)",
        "!=": "ifNull({column} != {value}, 1)",
        ">": "ifNull({column} > {value}, 0)",
        "<": "ifNull({column} < {value}, 0)",
        ">=": "ifNull({column} >= {value}, 0)",
        "<=": "ifNull({column} <= {value}, 0)",
        "contains": "ifNull(position({column}, {value}) > 0, 0)",
        "not_contains": "ifNull(position({column}, {value}) = 0, 1)",
        "in": "ifNull(has({value}, {column}), 0)",
        "not_in": "NOT ifNull(has({value}, {column}), 0)",
        "is_empty": "isNull({column})",
        "is_not_empty": "isNotNull({column})",
    }
)

EVENT_OPERATORS: Final[Mapping[str, str]] = MappingProxyType({**OPERATORS, "notContains": OPERATORS["not_contains"]})

SOURCES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "turns": (BY_NAME["turns"].physical, "call_id"),
        "tool_calls": (BY_NAME["tool_calls"].physical, "call_id"),
        "messages": (BY_NAME["messages"].physical, "call_id"),
        "events": (BY_NAME["events"].physical, "originator_id"),
    }
)
"""Where events stand besides ``calls``: rows of facts as they were recorded, the narrowest that hold them, and the
column that names their call."""


@dataclass(frozen=True)
class Occurrence:
    """How an event of the language is kept: in which source, as which of its rows, and its fields as SQL."""

    source: str
    condition: str
    fields: Mapping[str, str] = field(default_factory=dict)


_ENDED: Final = {"reason": "ended_reason"}
_DECIDED: Final = {"turn": "turn", "rule": "rule", "wait_ms": "wait_ms", "at_ms": "decided_ms"}
_MEASURED: Final = {"turn": "turn", "source": "source", **{f"t{point}_ms": f"t{point}_ms" for point in range(8)}}
_CALLED: Final = {"name": "name", "kind": "kind", "turn": "turn", "at_ms": "called_ms"}
_ANSWERED: Final = {"name": "name", "result": "result", "at_ms": "finished_ms"}
_BROKEN: Final = {"name": "name", "failure": "failure", "error": "error", "at_ms": "finished_ms"}
_SAID: Final = {"role": "role", "text": "text", "turn": "turn", "source": "source", "interrupted": "interrupted"}
_HEARD: Final = {name: f"JSONExtractString(data, '{name}')" for name in ("role", "text")} | {
    name: f"JSONExtract(data, '{name}', 'Nullable(Float64)')" for name in ("turn", "confidence", "at_ms")
}
_STARTED: Final = "started_at IS NOT NULL"

OCCURRENCES: Final[Mapping[str, Occurrence]] = MappingProxyType(
    {
        "call.queued": Occurrence("calls", "1"),
        "call.started": Occurrence("calls", _STARTED),
        "call.inProgress": Occurrence("calls", _STARTED),
        "call.assistantStarted": Occurrence("calls", _STARTED),
        "call.ended": Occurrence("calls", "status = 'ended'", _ENDED),
        "call.silenceTimeout": Occurrence("calls", "ended_reason = 'silence-timed-out'", _ENDED),
        "call.maxDurationReached": Occurrence("calls", "ended_reason = 'exceeded-max-duration'", _ENDED),
        "assistant.voice.textPushed": Occurrence("turns", "t5_ms IS NOT NULL", _MEASURED),
        "assistant.voice.firstAudioReceived": Occurrence("turns", "t6_ms IS NOT NULL", _MEASURED),
        "assistant.model.requestStarted": Occurrence("turns", "t3_ms IS NOT NULL", _MEASURED),
        "assistant.model.firstTokenReceived": Occurrence("turns", "t4_ms IS NOT NULL", _MEASURED),
        "assistant.tool.started": Occurrence("tool_calls", "status = 'called'", _CALLED),
        "assistant.tool.completed": Occurrence("tool_calls", "status = 'completed'", _ANSWERED),
        "assistant.tool.failed": Occurrence("tool_calls", "status = 'failed'", _BROKEN),
        "assistant.tool.timeout": Occurrence("tool_calls", "failure = 'timeout'", _BROKEN),
        "assistant.transcriber.finalTranscript": Occurrence("events", "type = 'call.transcript_finalized'", _HEARD),
        "pipeline.turnStarted": Occurrence("turns", "rule IS NOT NULL", _DECIDED),
        "pipeline.endpointingTriggered": Occurrence("turns", "rule IS NOT NULL", _DECIDED),
        "pipeline.cleared": Occurrence(
            "turns", "interrupted_by IS NOT NULL", {"turn": "turn", "by": "interrupted_by", "heard_ms": "heard_ms"}
        ),
        "pipeline.botSpeechStarted": Occurrence("turns", "t7_ms IS NOT NULL", _MEASURED),
        "pipeline.firstMessageStarted": Occurrence(
            "turns", "t7_ms IS NOT NULL AND source = 'first-message'", _MEASURED
        ),
        "pipeline.firstMessageCompleted": Occurrence(
            "messages", "role = 'assistant' AND source = 'first-message' AND NOT interrupted", _SAID
        ),
    }
)
"""Events of the language that are recorded. The others happen unrecorded (tokens, audio chunks) or not at all here: an
insight that counts them finds none, and its answer says so."""
