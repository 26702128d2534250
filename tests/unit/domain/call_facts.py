"""Facts of an imagined call at a dentist's, to build histories from."""

from __future__ import annotations

from typing import Any

from domain.call.events import (
    ArtifactStored,
    AssistantInterrupted,
    CallClaimed,
    CallCreated,
    CallEnded,
    CallStarted,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TurnMeasured,
    UsageMetered,
    Warned,
)
from tests.unit.domain.specification import START

ORG = "0198c0de-0000-7000-8000-00000000000a"
ASSISTANT = "0198c0de-0000-7000-8000-00000000000b"
PRICES = "2026-11-01"

CONFIG: dict[str, Any] = {
    "name": "Mary",
    "firstMessage": "Hello, how can I help?",
    "model": {
        "provider": "vapi",
        "model": "guided",
        "messages": [{"role": "system", "content": "You book appointments."}],
    },
}

CREATED = CallCreated(
    org_id=ORG,
    type="vapi.websocketCall",
    request={"assistantId": ASSISTANT, "transport": {"provider": "vapi.websocket"}},
    transport={"provider": "vapi.websocket", "audioFormat": {"format": "pcm_s16le", "sampleRate": 16000}},
    assistant_id=ASSISTANT,
    name="Morning call",
)
CLAIMED = CallClaimed(owner="media-1", lease_seconds=5.0)
STARTED = CallStarted(
    clock_origin=START, at_ms=100.0, assistant=CONFIG, assistant_version="v1", variable_values={"city": "Ulm"}
)
ENDED = CallEnded(reason="customer-ended-call", at_ms=30_100.0)

RINGING = (CREATED, CLAIMED)
LIVE = (*RINGING, STARTED)
OVER = (*LIVE, ENDED)


def said(role: Any, text: str, started_ms: float, ended_ms: float, turn: int, **more: Any) -> MessageCommitted:
    """A message of the conversation."""
    return MessageCommitted(
        message_id=f"message-{turn}-{role}",
        role=role,
        text=text,
        started_ms=started_ms,
        ended_ms=ended_ms,
        turn=turn,
        **more,
    )


def tool_called(tool_call_id: str, turn: int, at_ms: float) -> ToolCalled:
    """The model asks for free appointments."""
    return ToolCalled(
        tool_call_id=tool_call_id, name="slots", kind="function", arguments={"day": "Monday"}, turn=turn, at_ms=at_ms
    )


def tokens(prompt: float, completion: float, cached: float = 0.0, **more: Any) -> UsageMetered:
    """A reading of the model's meter."""
    quantities = {"promptTokens": prompt, "completionTokens": completion, "cachedPromptTokens": cached}
    return UsageMetered(
        **{"meter": "model", "provider": "openai", "model": "gpt-4o", "price_table": PRICES, **more},
        quantities=quantities,
    )


def artifact(track: Any) -> ArtifactStored:
    """A stored recording or log."""
    return ArtifactStored(
        track=track, location=f"call/{track}.wav", sha256="0" * 64, size_bytes=1000, content_type="audio/wav"
    )


CONVERSATION = (
    said("assistant", "Hello, how can I help?", 150.0, 1_900.0, 0, source="first-message"),
    said("user", "Is there anything on Monday?", 3_000.0, 4_800.0, 1, confidence=0.9),
    tool_called("call-1", 1, 5_000.0),
    tool_called("call-2", 1, 5_001.0),
    ToolCompleted(tool_call_id="call-1", name="slots", result="9:00, 10:30", at_ms=5_200.0),
    ToolFailed(tool_call_id="call-2", name="slots", failure="timeout", error="The tool took too long.", at_ms=5_300.0),
    said("assistant", "Nine or half", 5_800.0, 6_600.0, 1, source="model", generated_text="Nine or half past ten."),
    AssistantInterrupted(turn=1, by="voice", heard_ms=800.0, at_ms=6_600.0),
    TurnMeasured(
        turn=1, source="model", t0_ms=4_800.0, t1_ms=4_950.0, t2_ms=5_000.0, t3_ms=5_010.0,
        t4_ms=5_400.0, t5_ms=5_450.0, t6_ms=5_600.0, t7_ms=5_800.0,
    ),
    UsageMetered(meter="transport", provider="vapi.websocket", quantities={"minutes": 0.5}, price_table=PRICES),
    UsageMetered(meter="vapi", provider="vapi", quantities={"minutes": 0.5}, price_table=PRICES),
    tokens(1_000.0, 100.0, 400.0, turn=1),
    UsageMetered(meter="voice", provider="vapi", quantities={"characters": 120.0}, price_table=PRICES),
    UsageMetered(meter="transcriber", provider="vapi", quantities={"minutes": 0.5}, price_table=PRICES),
    Warned(code="tool-slow", detail="The tool took 2 s."),
)  # fmt: skip
"""What happens between start and end."""
