"""The words of the insights' query language: columns, operators and operations by kind of value.

The language is ``vapiql-json`` of https://docs.vapi.ai/api-reference/insight/insight-controller-create.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["text", "number", "date", "output"]
"""What values a column has; ``output`` is the result of a structured output, which can be anything."""

INSIGHT_TYPES: Final = ("bar", "line", "pie", "text")
STEPS: Final = ("minute", "hour", "day", "week", "month", "quarter", "year")

NUMBERS: Final = (
    "cost",
    "duration",
    "averageModelLatency",
    "averageVoiceLatency",
    "averageTranscriberLatency",
    "averageTurnLatency",
    "averageEndpointingLatency",
)
TEXTS: Final = (
    "assistantId",
    "workflowId",
    "squadId",
    "phoneNumberId",
    "type",
    "customerNumber",
    "status",
    "endedReason",
    "forwardedPhoneNumber",
    "campaignId",
)
DATES: Final = ("startedAt", "endedAt")
GROUPS: Final = (
    "assistantId",
    "workflowId",
    "squadId",
    "phoneNumberId",
    "type",
    "endedReason",
    "customerNumber",
    "campaignId",
)
"""Columns that results can be grouped by, besides structured outputs. ``status`` is none of them."""

OUTPUT: Final = "artifact.structuredOutputs[<id>]"
"""How the column of a structured output is written, ``<id>`` being its UUID."""
_OUTPUT: Final = re.compile(r"artifact\.structuredOutputs\[([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\]")

_COMPARISONS: Final = ("=", "!=", ">", "<", ">=", "<=")
LIST_OPERATORS: Final = ("in", "not_in", "is_empty", "is_not_empty")
VALUELESS: Final = frozenset({"is_empty", "is_not_empty"})

OPERATORS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "text": ("=", "!=", "contains", "not_contains", *LIST_OPERATORS),
        "number": (*_COMPARISONS, *LIST_OPERATORS),
        "date": _COMPARISONS,
        "output": (*_COMPARISONS, "contains", "not_contains", *LIST_OPERATORS),
    }
)
"""What calls can be filtered by."""

EVENT_OPERATORS: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {str: ("=", "!=", "contains", "notContains"), float: _COMPARISONS, bool: ("=",)}
)
"""What events can be filtered by, for a text, a number and a boolean."""

NUMBER_OPERATIONS: Final = ("average", "sum", "min", "max")
COUNT: Final = "count"
EVENT_OPERATIONS: Final = ("count", "percentage")


def output_id(column: str) -> str | None:
    """The id of the structured output that ``column`` stands for, in lower case; none where it is another column."""
    matched = _OUTPUT.fullmatch(column)
    return matched[1].lower() if matched else None


def kind_of(column: str) -> Kind | None:
    """What values a column has that calls can be filtered by; none where there is no such column."""
    if column in TEXTS:
        return "text"
    if column in NUMBERS:
        return "number"
    if column in DATES:
        return "date"
    return "output" if output_id(column) else None
