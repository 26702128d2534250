"""Seeded histories of calls, interleaved as on a log: what the tables are filled with in tests and benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from domain.assistant.events import AssistantCreated
from domain.call.events import (
    ArtifactStored,
    AssistantInterrupted,
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRenamed,
    CallStarted,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TranscriptFinalized,
    TurnDecided,
    TurnMeasured,
    UsageMetered,
    Warned,
)
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position

ORGS = ("org-a", "org-b", "org-c")
ASSISTANTS = ("assistant-1", "assistant-2", None)
REASONS = ("customer-ended-call", "assistant-ended-call", "silence-timed-out", "exceeded-max-duration")
MODELS = (("openai", "gpt-4.1"), ("vapi", "guided"), ("openai", "gpt-4o-mini"))
BEGIN = datetime(2026, 10, 1, 12, tzinfo=UTC)

Fact = tuple[timedelta, Event]
"""What happened, and how long after the call's creation it was recorded."""


def call_history(random_: random.Random, *, org_id: str, created_at: datetime, turns: int) -> Iterator[Fact]:
    """One call from its creation to what comes after its end."""
    assistant_id = random_.choice(ASSISTANTS)
    provider, model = random_.choice(MODELS)
    request = {"customer": {"number": "+4930" + str(random_.randrange(10**6))}} if random_.random() < 0.5 else {}
    yield (
        timedelta(),
        CallCreated(
            org_id=org_id,
            type=random_.choice(("vapi.websocketCall", "webCall")),
            request=request,
            transport={"provider": "vapi.websocket"},
            assistant_id=assistant_id,
            name=random_.choice((None, "trial")),
        ),
    )
    if random_.random() < 0.05:
        yield timedelta(seconds=3), CallEnded(reason="call.start.error-get-assistant")
        return
    yield timedelta(milliseconds=40), CallClaimed(owner="node-1", lease_seconds=5.0)
    origin = created_at + timedelta(milliseconds=40)
    yield (
        timedelta(milliseconds=90),
        CallStarted(
            clock_origin=origin,
            at_ms=50.0,
            assistant={
                "transcriber": {"provider": "vapi"},
                "model": {"provider": provider, "model": model},
                "voice": {"provider": "vapi"},
            },
            variable_values={"customerName": random_.choice(("Ada", "Grace")), "tier": random_.randrange(3)},
        ),
    )
    now = 60.0
    for turn in range(1, turns + 1):
        if turn > 1:
            now += random_.uniform(800, 3000)
            heard = timedelta(milliseconds=now + 40)
            text = "I would like an appointment on Tuesday at ten, please."
            yield heard, TranscriptFinalized(role="user", text=text, turn=turn, at_ms=now, confidence=0.9)
            yield heard, TurnDecided(turn=turn, rule="heuristic", wait_ms=400.0, at_ms=now + 300)
            yield (
                heard,
                MessageCommitted(
                    message_id=f"m{turn}u", role="user", text=text, started_ms=now - 700, ended_ms=now, turn=turn
                ),
            )
        t2 = now + 300
        t3, t4 = t2 + 1, t2 + random_.uniform(120, 700)
        t6 = t4 + random_.uniform(40, 200)
        measured = timedelta(milliseconds=t6 + 60)
        yield (
            measured,
            TurnMeasured(
                turn=turn,
                source="model" if turn > 1 else "first-message",
                t0_ms=now if turn > 1 else None,
                t1_ms=now + 120 if turn > 1 else None,
                t2_ms=t2 if turn > 1 else None,
                t3_ms=t3 if turn > 1 else None,
                t4_ms=t4 if turn > 1 else None,
                t5_ms=t4 + 5,
                t6_ms=t6,
                t7_ms=t6 + 20,
            ),
        )
        if turn > 1:
            yield (
                measured,
                UsageMetered(
                    meter="model",
                    provider=provider,
                    model=model,
                    quantities={
                        "promptTokens": float(random_.randrange(200, 900)),
                        "completionTokens": float(random_.randrange(10, 90)),
                        "cachedPromptTokens": 100.0,
                    },
                    price_table="2026-11-01",
                    turn=turn,
                ),
            )
        if random_.random() < 0.3:
            called = timedelta(milliseconds=t6 + 80)
            yield (
                called,
                ToolCalled(
                    tool_call_id=f"t{turn}", name="book", kind="function", arguments={"day": "Tue"}, turn=turn, at_ms=t6
                ),
            )
            if random_.random() < 0.2:
                yield (
                    called,
                    ToolFailed(
                        tool_call_id=f"t{turn}",
                        name="book",
                        failure="timeout",
                        error="no answer in 20 s",
                        at_ms=t6 + 900,
                    ),
                )
            else:
                yield called, ToolCompleted(tool_call_id=f"t{turn}", name="book", result="booked", at_ms=t6 + 200)
        now = t6 + random_.uniform(1500, 4000)
        interrupted = random_.random() < 0.2
        said = timedelta(milliseconds=now + 40)
        if interrupted:
            yield said, AssistantInterrupted(turn=turn, by="voice", heard_ms=900.0, at_ms=now)
        yield (
            said,
            MessageCommitted(
                message_id=f"m{turn}a",
                role="assistant",
                text="Tuesday at ten is free.",
                generated_text="Tuesday at ten is free. Shall I book it?" if interrupted else None,
                started_ms=t6,
                ended_ms=now,
                turn=turn,
                source="model" if turn > 1 else "first-message",
                interrupted=interrupted,
            ),
        )
    over = timedelta(milliseconds=now + 90)
    minutes = now / 60_000
    for meter in ("transport", "transcriber", "vapi"):
        yield (
            over,
            UsageMetered(
                meter=meter,
                provider="vapi.websocket" if meter == "transport" else "vapi",
                quantities={"minutes": minutes},
                price_table="2026-11-01",
            ),
        )
    yield (
        over,
        UsageMetered(meter="voice", provider="vapi", quantities={"characters": 420.0}, price_table="2026-11-01"),
    )
    if random_.random() < 0.1:
        yield over, Warned(code="template.unknown-variable", detail="nick", at_ms=now)
    yield over, CallEnded(reason=random_.choice(REASONS), at_ms=now)
    yield (
        over + timedelta(seconds=1),
        ArtifactStored(
            track="stereo", location="x", sha256="0" * 64, size_bytes=10, content_type="audio/wav", duration_ms=now
        ),
    )
    if random_.random() < 0.1:
        yield over + timedelta(seconds=9), CallRenamed(name=None)
    if random_.random() < 0.1:
        yield over + timedelta(seconds=10), CallDeleted()


def facts(seed: int, calls: int, *, turns: int = 6, spread: timedelta = timedelta(days=20)) -> list[tuple[str, Fact]]:
    """Facts of many calls and a few assistants by originator, in the order of their times."""
    random_ = random.Random(seed)
    timed: list[tuple[datetime, int, str, Event]] = []
    for number, org_id in enumerate(ORGS):
        timed.append((BEGIN, number, f"assistant-{number}", AssistantCreated(org_id=org_id, config={"name": "Desk"})))
    for number in range(calls):
        created_at = BEGIN + spread * random_.random()
        history = call_history(
            random_, org_id=random_.choice(ORGS), created_at=created_at, turns=random_.randint(1, 2 * turns - 1)
        )
        originator_id = f"call-{seed}-{number:06}"
        for index, (after, event) in enumerate(history):
            timed.append((created_at + after, index, originator_id, event))
    timed.sort(key=lambda fact: (fact[0], fact[2], fact[1]))
    return [(originator_id, (at - BEGIN, event)) for at, _, originator_id, event in timed]


def on_log(seed: int, calls: int, **options: int) -> list[Positioned]:
    """The same as a log would give them."""
    versions: dict[str, int] = {}
    events = []
    for ordinal, (originator_id, (after, event)) in enumerate(facts(seed, calls, **options), 1):  # type: ignore[arg-type]
        versions[originator_id] = version = versions.get(originator_id, 0) + 1
        recorded = Recorded(originator_id, version, f"commit-{ordinal}.0", BEGIN + after, event)
        events.append(Positioned(Position(0, ordinal), recorded))
    return events


def events_of(log: Sequence[Positioned], originator_id: str) -> list[Positioned]:
    """One originator's history."""
    return [event for event in log if event.recorded.originator_id == originator_id]
