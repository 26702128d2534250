"""Plausible histories of calls, made through the domain's own decisions, for benchmarks that need many of them.

Seeded: the same numbers give the same histories. What a client or operator asks for (create, claim, end, rename,
delete) goes through ``decide``; what was heard, said and measured are facts, as they are from a live call.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.call.aggregate import CALL
from domain.call.commands import CallCommand, ClaimCall, CreateCall, DeleteCall, EndCall, RenameCall
from domain.call.events import (
    ArtifactStored,
    AssistantInterrupted,
    CallStarted,
    Interruption,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    ToolFailure,
    TranscriptFinalized,
    TurnDecided,
    TurnMeasured,
    UsageMetered,
    Warned,
)
from domain.call.state import Call
from domain.event import Event, Recorded
from tests.benchmarks.call_words import Conversation, conversation

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
"""The day on which the histories begin."""

ORGANIZATIONS = (("org-large", 70), ("org-middle", 20), ("org-small", 8), ("org-new", 2))
"""Organisations and how many of a hundred calls are theirs."""

PRICE_TABLE = "2026-11-01"


@dataclass(frozen=True)
class Desk:
    """An assistant as the histories know it. ``quickness`` scales its delays."""

    id: str
    transcriber: tuple[str, str]
    model: tuple[str, str]
    voice: tuple[str, str]
    quickness: float


@dataclass(frozen=True)
class CallHistory:
    """A call's events in the order of its own history."""

    call_id: str
    org_id: str
    events: tuple[Recorded, ...]


_TRANSCRIBERS = (("deepgram", "nova-3"), ("deepgram", "flux-general-en"), ("cartesia", "ink-2"), ("vapi", "sphinx"))
_MODELS = (("openai", "gpt-4.1"), ("openai", "gpt-4.1-mini"), ("openai", "gpt-5-mini"), ("vapi", "guided"))
_VOICES = (("cartesia", "sonic-3"), ("openai", "alloy"), ("openai", "verse"), ("vapi", "Elliot"))
_REASONS = (
    ("customer-ended-call", 55),
    ("assistant-ended-call", 30),
    ("silence-timed-out", 8),
    ("exceeded-max-duration", 2),
    ("call.in-progress.error-assistant-did-not-receive-customer-audio", 2),
    ("pipeline-error-openai-llm-failed", 3),
)
_RULES = ("heuristic.punctuation", "heuristic.no-punctuation", "heuristic.number", "smart.livekit")
_FAILURES: tuple[ToolFailure, ...] = ("timeout", "timeout", "http-status", "bad-body", "unreachable")
_CUTS: tuple[Interruption, ...] = ("voice", "voice", "words", "phrase")
_TYPES = (("inboundPhoneCall", 45), ("outboundPhoneCall", 30), ("webCall", 15), ("vapi.websocketCall", 10))


def _weighted(random_: random.Random, choices: Sequence[tuple[str, int]]) -> str:
    words, weights = [word for word, _ in choices], [weight for _, weight in choices]
    return random_.choices(words, weights)[0]


def desks(org_id: str) -> tuple[Desk, ...]:
    """The assistants of an organisation: six, each on other providers."""
    chosen = random.Random(org_id)
    return tuple(
        Desk(
            f"{org_id}-assistant-{number}",
            chosen.choice(_TRANSCRIBERS),
            chosen.choice(_MODELS),
            chosen.choice(_VOICES),
            chosen.uniform(0.7, 1.6),
        )
        for number in range(6)
    )


def call_histories(seed: int, calls: int, *, days: int = 1) -> Iterator[CallHistory]:
    """``calls`` histories, not in the order of time, created within ``days`` days from ``BEGIN``."""
    random_ = random.Random(seed)
    of_organization = {name: desks(name) for name, _ in ORGANIZATIONS}
    for number in range(calls):
        org_id = _weighted(random_, ORGANIZATIONS)
        desk = random_.choice(of_organization[org_id])
        # Around eleven and around four: when people telephone.
        hour = random_.gauss(11, 1.8) if random_.random() < 0.6 else random_.gauss(16, 2.2)
        created_at = BEGIN + timedelta(days=random_.randrange(days), hours=min(max(hour, 0.0), 23.9))
        yield _history(random_, f"call-{seed}-{number:07}", org_id, desk, created_at)


@dataclass
class _Telling:
    """One call as it is told: its state, its clock, and what was recorded so far."""

    call_id: str
    created_at: datetime
    state: Call | None = None
    events: list[Recorded] = field(default_factory=list)

    def ask(self, command: CallCommand, after: timedelta) -> None:
        for event in CALL.decide(self.state, command):
            self.tell(event, after)

    def tell(self, event: Event, after: timedelta) -> None:
        version = len(self.events) + 1
        recorded = Recorded(self.call_id, version, f"{self.call_id}-{version}.0", self.created_at + after, event)
        self.state = CALL.evolve(self.state, recorded)
        self.events.append(recorded)

    def history(self, org_id: str) -> CallHistory:
        return CallHistory(self.call_id, org_id, tuple(self.events))


def _history(random_: random.Random, call_id: str, org_id: str, desk: Desk, created_at: datetime) -> CallHistory:
    telling = _Telling(call_id, created_at)
    spoken = conversation(random_)
    kind = _weighted(random_, _TYPES)
    by_telephone = kind.endswith("PhoneCall")
    customer = {"customer": {"number": f"+4930{random_.randrange(10**6):06}"}} if by_telephone else {}
    transport = {"provider": "vapi.websocket" if kind == "vapi.websocketCall" else "twilio" if by_telephone else "vapi"}
    telling.ask(
        CreateCall(
            org_id=org_id,
            type=kind,
            request={"assistantId": desk.id, **customer},
            transport=transport,
            assistant_id=desk.id,
            name=random_.choice((None, None, "spring campaign", "reminder")),
        ),
        timedelta(),
    )
    if random_.random() < 0.06:
        reason = random_.choice(("customer-did-not-answer", "customer-busy", "call.start.error-get-assistant"))
        telling.ask(EndCall(reason=reason), timedelta(seconds=random_.uniform(2, 30)))
        return telling.history(org_id)
    claimed = random_.uniform(0.02, 6.0)
    telling.ask(ClaimCall(owner=f"media-{random_.randrange(4)}", lease_seconds=5.0), timedelta(seconds=claimed))

    def at(ms: float) -> timedelta:
        return timedelta(seconds=claimed, milliseconds=ms)

    telling.tell(
        CallStarted(
            clock_origin=created_at + timedelta(seconds=claimed),
            at_ms=50.0,
            assistant={
                "name": desk.id,
                "transcriber": dict(zip(("provider", "model"), desk.transcriber, strict=True)),
                "model": dict(zip(("provider", "model"), desk.model, strict=True)),
                "voice": dict(zip(("provider", "voiceId"), desk.voice, strict=True)),
            },
            variable_values={"customerName": spoken.customer, "plan": random_.choice(("basic", "plus", "premium"))},
        ),
        at(50),
    )
    over = _talk(random_, telling, desk, spoken, at)
    minutes = over / 60_000
    used: dict[str, Any] = {"quantities": {"minutes": minutes}, "price_table": PRICE_TABLE}
    provider, model = desk.transcriber
    for reading in (
        UsageMetered(meter="transport", provider=transport["provider"], **used),
        UsageMetered(meter="transcriber", provider=provider, model=model, **used),
        UsageMetered(meter="vapi", provider="vapi", **used),
    ):
        telling.tell(reading, at(over + 30))
    if random_.random() < 0.05:
        telling.tell(Warned(code="template.unknown-variable", detail="nickname", at_ms=over), at(over + 35))
    reason = _weighted(random_, _REASONS)
    telling.ask(EndCall(reason=reason, at_ms=over), at(over + 40))
    telling.tell(
        ArtifactStored(
            track="stereo",
            location=f"recordings/{call_id}.wav",
            sha256="0" * 64,
            size_bytes=int(over * 64),
            content_type="audio/wav",
            duration_ms=over,
        ),
        at(over + 1500),
    )
    if random_.random() < 0.03:
        telling.ask(RenameCall(org_id=org_id, name="to be checked"), at(over + 60_000))
    if random_.random() < 0.01:
        telling.ask(DeleteCall(org_id=org_id), at(over + 90_000))
    return telling.history(org_id)


def _talk(
    random_: random.Random,
    telling: _Telling,
    desk: Desk,
    spoken: Conversation,
    at: Callable[[float], timedelta],
) -> float:
    """The turns of a call; when it was over, on the call's own clock (ms)."""
    now, characters = 60.0, 0
    for turn, (asked, answer) in enumerate(spoken.exchanges, 1):
        t0 = t1 = t2 = t3 = t4 = None
        if asked:
            said_ms = 60.0 * len(asked)
            now += random_.uniform(300, 1800) + said_ms
            t0 = now
            t1 = now + random_.lognormvariate(4.9, 0.4) * desk.quickness
            confidence = round(random_.betavariate(18, 2), 3)
            telling.tell(
                TranscriptFinalized(role="user", text=asked, turn=turn, at_ms=t1, confidence=confidence), at(t1)
            )
            wait_ms = random_.choice((100.0, 400.0, 700.0, 1500.0))
            t2 = t1 + wait_ms * random_.uniform(0.6, 1.0)
            telling.tell(TurnDecided(turn=turn, rule=random_.choice(_RULES), wait_ms=wait_ms, at_ms=t2), at(t2))
            telling.tell(
                MessageCommitted(
                    message_id=f"m{turn}u",
                    role="user",
                    text=asked,
                    started_ms=now - said_ms,
                    ended_ms=now,
                    turn=turn,
                    confidence=confidence,
                ),
                at(t2),
            )
            t3 = t2 + 1.0
            t4 = t3 + random_.lognormvariate(5.9, 0.45) * desk.quickness
            now = t4
            if turn in spoken.tool_turns:
                now = _use_tool(random_, telling, spoken, turn, t4, at)
        t5 = now + random_.uniform(2, 30)
        t6 = t5 + random_.lognormvariate(4.8, 0.35) * desk.quickness
        t7 = t6 + random_.uniform(5, 25)
        source = "model" if asked else "first-message"
        measured = TurnMeasured(
            turn=turn, source=source, t0_ms=t0, t1_ms=t1, t2_ms=t2, t3_ms=t3, t4_ms=t4, t5_ms=t5, t6_ms=t6, t7_ms=t7
        )
        telling.tell(measured, at(t7))
        if asked:
            telling.tell(_tokens(random_, desk, turn, answer), at(t7))
        speaking_ms = 62.0 * len(answer)
        cut = random_.random() < 0.14
        heard_ms = speaking_ms * random_.uniform(0.1, 0.9) if cut else speaking_ms
        now = t7 + heard_ms
        if cut:
            telling.tell(
                AssistantInterrupted(turn=turn, by=random_.choice(_CUTS), heard_ms=heard_ms, at_ms=now), at(now)
            )
        characters += len(answer)
        telling.tell(
            MessageCommitted(
                message_id=f"m{turn}a",
                role="assistant",
                text=answer[: int(len(answer) * heard_ms / speaking_ms)] if cut else answer,
                generated_text=answer if cut else None,
                started_ms=t7,
                ended_ms=now,
                turn=turn,
                source=source,
                interrupted=cut,
            ),
            at(now),
        )
    telling.tell(
        UsageMetered(
            meter="voice",
            provider=desk.voice[0],
            model=desk.voice[1],
            quantities={"characters": float(characters)},
            price_table=PRICE_TABLE,
        ),
        at(now + 20),
    )
    return now


def _tokens(random_: random.Random, desk: Desk, turn: int, answer: str) -> UsageMetered:
    prompt = 350 + 60 * turn + random_.randrange(120)
    quantities = {"promptTokens": prompt, "completionTokens": len(answer) // 4, "cachedPromptTokens": prompt // 2}
    return UsageMetered(
        meter="model",
        provider=desk.model[0],
        model=desk.model[1],
        quantities={name: float(count) for name, count in quantities.items()},
        price_table=PRICE_TABLE,
        turn=turn,
    )


def _use_tool(
    random_: random.Random,
    telling: _Telling,
    spoken: Conversation,
    turn: int,
    called_ms: float,
    at: Callable[[float], timedelta],
) -> float:
    """A tool call and its outcome; when it was known, on the call's own clock (ms)."""
    called_id = f"t{turn}"
    telling.tell(
        ToolCalled(
            tool_call_id=called_id,
            name=spoken.tool,
            kind="function",
            arguments=spoken.arguments,
            turn=turn,
            at_ms=called_ms,
        ),
        at(called_ms),
    )
    if random_.random() < 0.07:
        failure = random_.choice(_FAILURES)
        finished = called_ms + (20_000.0 if failure == "timeout" else random_.uniform(60, 900))
        telling.tell(
            ToolFailed(
                tool_call_id=called_id,
                name=spoken.tool,
                failure=failure,
                error=f"The tool server gave no usable answer ({failure}).",
                at_ms=finished,
            ),
            at(finished),
        )
    else:
        finished = called_ms + random_.lognormvariate(5.6, 0.7)
        telling.tell(
            ToolCompleted(tool_call_id=called_id, name=spoken.tool, result=spoken.result, at_ms=finished), at(finished)
        )
    return finished


def in_order(histories: Sequence[CallHistory]) -> list[Recorded]:
    """The events of all calls as a log would hold them: by time, each call's own order kept."""
    events = [recorded for history in histories for recorded in history.events]
    events.sort(key=lambda recorded: (recorded.time, recorded.originator_id, recorded.originator_version))
    return events
