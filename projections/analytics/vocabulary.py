"""The words of the analytics grammar and what each one reads: the only source of SQL text in a compiled query.

The grammar is that of https://docs.vapi.ai/api-reference/analytics/get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

OPERATIONS = ("sum", "avg", "count", "min", "max", "history")
STEPS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium")
TABLES = ("call", "subscription")

NUMBER_OPERATIONS = ("sum", "avg", "count", "min", "max")

MAX_NAME = 40
MAX_KEY = 100


@dataclass(frozen=True)
class Readable:
    """A column of the grammar: the SQL it reads, on which table, and the operations that make sense on it."""

    sql: str
    table: str
    operations: tuple[str, ...]


def _number(column: str) -> Readable:
    return Readable(column, "call", NUMBER_OPERATIONS)


COLUMNS: Mapping[str, Readable] = MappingProxyType(
    {
        "id": Readable("call_id", "call", ("count",)),
        "cost": _number("cost_usd"),
        "costBreakdown.llm": _number("cost_llm_usd"),
        "costBreakdown.stt": _number("cost_stt_usd"),
        "costBreakdown.tts": _number("cost_tts_usd"),
        "costBreakdown.vapi": _number("cost_vapi_usd"),
        "costBreakdown.transport": _number("cost_transport_usd"),
        "costBreakdown.analysisBreakdown.summary": _number("cost_analysis_summary_usd"),
        "costBreakdown.transcriber": _number("cost_stt_usd"),
        "costBreakdown.ttsCharacters": _number("tts_characters"),
        "costBreakdown.llmPromptTokens": _number("llm_prompt_tokens"),
        "costBreakdown.llmCompletionTokens": _number("llm_completion_tokens"),
        "costBreakdown.llmCachedPromptTokens": _number("llm_cached_prompt_tokens"),
        "duration": _number("duration_seconds"),
        "concurrency": Readable("running", "subscription", ("max", "history")),
        "minutesUsed": Readable("minutes", "subscription", (*NUMBER_OPERATIONS, "history")),
    }
)

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "type": "type",
        "assistantId": "assistant_id",
        "endedReason": "ended_reason",
        "analysis.successEvaluation": "success_evaluation",
        "status": "status",
    }
)


def default_alias(operation: str, column: str) -> str:
    """``sumDuration``; of a dotted column the last part: ``sumLlm``."""
    last = column.rpartition(".")[2]
    return operation + last[0].upper() + last[1:]
