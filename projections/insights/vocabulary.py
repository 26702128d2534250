"""What each word of the insights' language reads: with the templates of ``compile``, all SQL text there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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


@dataclass(frozen=True)
class Occurrence:
    """How an event of the language stands on the log: a type, and a condition on its ``data`` where one is needed."""

    type: str
    condition: str = "1"


def _reason(reason: str) -> str:
    return f"JSONExtractString(data, 'reason') = '{reason}'"


def _measured(point: str) -> str:
    return f"JSONType(data, '{point}') != 'Null'"


_FIRST_MESSAGE: Final = "JSONExtractString(data, 'source') = 'first-message'"

OCCURRENCES: Final[Mapping[str, Occurrence]] = MappingProxyType(
    {
        "call.queued": Occurrence("call.created"),
        "call.started": Occurrence("call.started"),
        "call.inProgress": Occurrence("call.started"),
        "call.assistantStarted": Occurrence("call.started"),
        "call.ended": Occurrence("call.ended"),
        "call.silenceTimeout": Occurrence("call.ended", _reason("silence-timed-out")),
        "call.maxDurationReached": Occurrence("call.ended", _reason("exceeded-max-duration")),
        "assistant.voice.textPushed": Occurrence("call.turn_measured", _measured("t5_ms")),
        "assistant.voice.firstAudioReceived": Occurrence("call.turn_measured", _measured("t6_ms")),
        "assistant.model.requestStarted": Occurrence("call.turn_measured", _measured("t3_ms")),
        "assistant.model.firstTokenReceived": Occurrence("call.turn_measured", _measured("t4_ms")),
        "assistant.tool.started": Occurrence("call.tool_called"),
        "assistant.tool.completed": Occurrence("call.tool_completed"),
        "assistant.tool.failed": Occurrence("call.tool_failed"),
        "assistant.tool.timeout": Occurrence("call.tool_failed", "JSONExtractString(data, 'failure') = 'timeout'"),
        "assistant.transcriber.finalTranscript": Occurrence("call.transcript_finalized"),
        "pipeline.turnStarted": Occurrence("call.turn_decided"),
        "pipeline.endpointingTriggered": Occurrence("call.turn_decided"),
        "pipeline.cleared": Occurrence("call.assistant_interrupted"),
        "pipeline.botSpeechStarted": Occurrence("call.turn_measured", _measured("t7_ms")),
        "pipeline.firstMessageStarted": Occurrence("call.turn_measured", _FIRST_MESSAGE),
        "pipeline.firstMessageCompleted": Occurrence(
            "call.message_committed", f"{_FIRST_MESSAGE} AND NOT JSONExtractBool(data, 'interrupted')"
        ),
    }
)
"""Events of the language that are recorded as events of the log. The others are fragments or do not happen here: an
insight that counts them finds none, and its answer says so."""
