"""Events of a long, ordinary call, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.call.events import (
    CallClaimed,
    CallCreated,
    CallStarted,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    TranscriptFinalized,
    TurnDecided,
    TurnMeasured,
    UsageMetered,
)
from domain.event import Event

SENTENCE = "I can move your appointment to Thursday at half past ten, would that suit you or is another day better?"


def message(number: int) -> MessageCommitted:
    """One message of about 500 bytes."""
    return MessageCommitted(
        message_id=f"3f0c0f6e-0d4a-4f57-9d7e-{number:012d}",
        role="assistant",
        text=SENTENCE,
        started_ms=1000.5 * number,
        ended_ms=1000.5 * number + 830.25,
        turn=number,
        generated_text=SENTENCE + " Please tell me.",
        source="model",
        interrupted=True,
        confidence=0.9731,
    )


def call_events(count: int) -> Iterator[Event]:
    """The first ``count`` events of a call: seven or eight per turn."""
    yield CallCreated(org_id="org", type="vapi.websocketCall", request={"assistantId": "a"}, transport={})
    yield CallClaimed(owner="media-1", lease_seconds=5)
    yield CallStarted(clock_origin=datetime(2026, 11, 21, tzinfo=UTC), at_ms=40, assistant={"name": "Reception"})
    made, turn = 3, 0
    while made < count:
        turn += 1
        at = 5000.0 * turn
        for event in (
            TranscriptFinalized(role="user", text=SENTENCE, turn=turn, at_ms=at, confidence=0.93),
            TurnDecided(turn=turn, rule="heuristic.no-punctuation", wait_ms=1500, at_ms=at + 500),
            message(turn),
            ToolCalled(
                tool_call_id=f"t{turn}",
                name="book",
                kind="function",
                arguments={"day": "Thursday"},
                turn=turn,
                at_ms=at,
            ),
            ToolCompleted(
                tool_call_id=f"t{turn}", name="book", result="Booked for Thursday at half past ten", at_ms=at
            ),
            message(turn),
            TurnMeasured(
                turn=turn, source="model", t0_ms=at, t1_ms=at + 100, t2_ms=at + 600, t3_ms=at + 601, t4_ms=at + 870
            ),
            UsageMetered(meter="model", provider="openai", quantities={"promptTokens": 812}, price_table="2026-01-01"),
        ):
            if made < count:
                made += 1
                yield event
