"""How long each turn took, and where: ``performanceMetrics`` derived from the measuring points.

The parts are those of Vapi's ``PerformanceMetrics`` (https://docs.vapi.ai/api-reference/calls/get), in milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import msgspec

from domain.call.events import MessageCommitted, TurnMeasured


class TurnLatency(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One assistant turn in milliseconds; parts that the turn did not have are absent.

    ``turn_latency`` is what the caller waited: from the last voiced frame to the first frame of the answer.
    """

    model_latency: float | None = None
    voice_latency: float | None = None
    transcriber_latency: float | None = None
    endpointing_latency: float | None = None
    turn_latency: float | None = None


def turn_latency(turn: TurnMeasured) -> TurnLatency:
    """The delays between a turn's measuring points. A later point that came early counts as no delay."""
    t0, t1, t3, t5 = turn.t0_ms, turn.t1_ms, turn.t3_ms, turn.t5_ms
    return TurnLatency(
        model_latency=_delay(t3, turn.t4_ms),
        voice_latency=_delay(t5, turn.t6_ms),
        transcriber_latency=_delay(t0, t1),
        endpointing_latency=_delay(t1, turn.t2_ms),
        turn_latency=_delay(t0, turn.t7_ms),
    )


def performance_metrics(
    turns: Iterable[TurnMeasured], messages: Iterable[MessageCommitted], assistant_interruptions: int
) -> dict[str, Any]:
    """Vapi's ``performanceMetrics``. Averages are plain means over the turns that have the part."""
    latencies = [latency for latency in map(turn_latency, turns) if latency != TurnLatency()]
    averages = {
        f"{wire_name}Average": round(sum(values) / len(values), 3)
        for name, wire_name in zip(TurnLatency.__struct_fields__, TurnLatency.__struct_encode_fields__, strict=True)
        if (values := [value for latency in latencies if (value := getattr(latency, name)) is not None])
    }
    return {
        "turnLatencies": [msgspec.to_builtins(latency) for latency in latencies],
        **averages,
        "numUserInterrupted": user_interruptions(messages),
        "numAssistantInterrupted": assistant_interruptions,
    }


def user_interruptions(messages: Iterable[MessageCommitted]) -> int:
    """How often the assistant began to speak while the user was speaking."""
    begins = []
    users = []
    for message in messages:
        if message.role == "assistant":
            begins.append(message.started_ms)
        elif message.role == "user":
            users.append((message.started_ms, message.ended_ms))
    users.sort()
    starts = [start for start, _ in users]
    # Of the users' messages that had begun before, the one that went on longest decides.
    latest_ends = list(accumulate((end for _, end in users), max))
    return sum(1 for begin in begins if (before := bisect_left(starts, begin)) and latest_ends[before - 1] > begin)


def _delay(earlier_ms: float | None, later_ms: float | None) -> float | None:
    if earlier_ms is None or later_ms is None:
        return None
    return round(later_ms - earlier_ms, 3) if later_ms > earlier_ms else 0.0
