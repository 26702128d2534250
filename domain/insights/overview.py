"""The board that every organisation has without making it: how many calls there are, how they end, what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SYSTEM_KEY: Final = "metrics-overview"
"""What provisioned boards and insights are known by; clients cannot set it."""

_COUNT: Final = {"type": "vapiql-json", "table": "call", "column": "id", "operation": "count", "name": "Calls"}


def _figure(column: str, operation: str, name: str) -> dict[str, Any]:
    return {"type": "vapiql-json", "table": "call", "column": column, "operation": operation, "name": name}


INSIGHTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "total-calls": {"type": "text", "name": "Total calls", "queries": [_COUNT]},
    "total-minutes": {
        "type": "text",
        "name": "Minutes of calls",
        "queries": [_figure("duration", "sum", "Seconds")],
        "formula": {"name": "Minutes", "formula": "round({{Seconds}} / 60, 1)"},
    },
    "total-spent": {"type": "text", "name": "Total spent", "queries": [_figure("cost", "sum", "USD")]},
    "average-cost": {"type": "text", "name": "Average cost of a call", "queries": [_figure("cost", "average", "USD")]},
    "reasons-ended": {"type": "pie", "name": "Why calls ended", "queries": [_COUNT], "groupBy": "endedReason"},
    "average-duration": {
        "type": "bar",
        "name": "Average duration by assistant",
        "queries": [_figure("duration", "average", "Seconds")],
        "groupBy": "assistantId",
        "metadata": {"yAxisLabel": "Seconds"},
    },
    "calls-per-day": {
        "type": "line",
        "name": "Calls and minutes",
        "queries": [_COUNT, _figure("duration", "sum", "Seconds")],
        "formulas": [
            {"name": "Number of calls", "formula": "{{Calls}}"},
            {"name": "Minutes", "formula": "{{Seconds}} / 60"},
        ],
    },
    "latencies": {
        "type": "line",
        "name": "Average latency",
        "queries": [
            _figure("averageTurnLatency", "average", "Turn"),
            _figure("averageModelLatency", "average", "Model"),
            _figure("averageVoiceLatency", "average", "Voice"),
            _figure("averageTranscriberLatency", "average", "Transcriber"),
            _figure("averageEndpointingLatency", "average", "Endpointing"),
        ],
        "metadata": {"yAxisLabel": "Milliseconds"},
    },
}
"""The insights of the board, by system key."""

_PLACES: Final = (
    # What, and x, y, width and height on a board of six columns.
    ("total-calls", 0, 0, 1, 1),
    ("total-minutes", 1, 0, 1, 1),
    ("total-spent", 2, 0, 2, 1),
    ("average-cost", 4, 0, 2, 1),
    ("calls-per-day", 0, 1, 4, 2),
    ("reasons-ended", 4, 1, 2, 2),
    ("average-duration", 0, 3, 3, 2),
    ("latencies", 3, 3, 3, 2),
    ("average_cost_breakdown_chart", 0, 5, 3, 2),
    ("concurrency_chart", 3, 5, 3, 2),
    ("failed_calls_list", 0, 7, 6, 2),
)


def overview_board(insight_ids: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of the board; ``insight_ids`` are those of ``INSIGHTS``, by system key."""
    return {
        "name": "Overview",
        "layout": {"columns": 6},
        "systemKey": SYSTEM_KEY,
        "items": [_item(what, *place, insight_id=insight_ids.get(what)) for what, *place in _PLACES],
    }


def _item(what: str, x: int, y: int, width: int, height: int, *, insight_id: str | None) -> dict[str, Any]:
    shown = {"type": what} if insight_id is None else {"type": "insight", "insightId": insight_id}
    return {
        **shown,
        "systemKey": what.replace("_", "-"),
        "position": {"x": x, "y": y},
        "size": {"width": width, "height": height},
    }
