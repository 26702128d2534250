import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.demo.evidence import Evidence, call_seconds, claims, loudness, words_recognised


def _event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


HELD = Evidence(
    said=("what are your opening hours", "book a cleaning on tuesday"),
    call={"status": "ended", "endedReason": "assistant-ended-call"},
    events=(
        _event("call.started", at_ms=10.0),
        _event("call.message_committed", role="user", text="what are your opening hours"),
        _event("call.message_committed", role="assistant", text="We are open", interrupted=True),
        _event("call.assistant_interrupted", heard_ms=1500.0, by="voice"),
        _event("call.message_committed", role="user", text="book a cleaning on tuesday"),
        _event("call.tool_called", name="bookAppointment"),
        _event("call.tool_completed", name="bookAppointment"),
        _event("call.ended", at_ms=42_010.0, reason="assistant-ended-call"),
    ),
    row={"id": "c1", "ended_reason": "assistant-ended-call"},
    document_hash="abc",
    rebuilt_hash="abc",
    loudness=(900.0, 1200.0),
    appointments=({"day": "tuesday"},),
)


def _failed(evidence: Evidence) -> list[str]:
    return [claim.text for claim in claims(evidence) if not claim.held]


def test_a_call_that_did_everything_passes_every_claim() -> None:
    assert _failed(HELD) == []


@pytest.mark.parametrize(
    ("missing", "claim"),
    [
        ({"events": tuple(e for e in HELD.events if e["data"].get("role") != "user")}, "speech was recognised"),
        ({"appointments": ()}, "a tool was called"),
        ({"events": tuple(e for e in HELD.events if "interrupted" not in e["type"])}, "was interrupted"),
        ({"call": {"status": "ended", "endedReason": "customer-ended-call"}}, "ended by its goodbye"),
        ({"events": (*HELD.events[:-1], _event("call.ended", at_ms=95_000.0))}, "less than 90 s"),
        ({"loudness": (900.0, 3.0)}, "recording holds both sides"),
        ({"loudness": (900.0,)}, "recording holds both sides"),
        ({"row": {}}, "ClickHouse"),
        ({"rebuilt_hash": "abd"}, "log alone"),
        ({"rebuilt_hash": "", "document_hash": ""}, "log alone"),
    ],
)
def test_each_claim_fails_when_what_shows_it_is_missing(missing: dict[str, Any], claim: str) -> None:
    assert any(claim in text for text in _failed(replace(HELD, **missing)))


def test_recognition_counts_words_in_order() -> None:
    assert words_recognised(["One two, three!", "four"], "one two three for") == pytest.approx(0.75)
    assert words_recognised(["one two"], "") == 0


def test_the_length_of_a_call_is_by_its_own_clock() -> None:
    assert call_seconds(HELD.events) == 42.0
    assert call_seconds(HELD.events[:-1]) == 0.0


def test_loudness_is_per_channel(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    left, right = np.full(1600, 1000), np.zeros(1600)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.stack([left, right], axis=1).astype("<i2").tobytes())

    assert loudness(path) == (1000.0, 0.0)
