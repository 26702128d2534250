"""A call in virtual time in which everything happens that servers and clients are told of, and what they are told.

Two assistants, a tool, words that are half heard, an interruption, a hand-off, a wait that is too long, and its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from domain.call.events import (
    ArtifactStored,
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallDeletionFailed,
    CallEnded,
    CallStarted,
    LanguageChanged,
    Track,
    TransferRequested,
)
from domain.call.wire import CallUrls
from domain.chat.events import ChatCompleted, ChatCreated, ChatDeleted
from domain.chat.events import MessageCommitted as ChatMessage
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.session.events import CONFIGURATION_EVENTS
from media.machine import inputs, outputs
from media.machine.inputs import AssistantResolved, RequestedTool
from media.tools.tool_request import tool_calls_message
from streams.webhooks.addressing import Addressing
from streams.webhooks.conversations import ChatOutbox, SessionOutbox
from streams.webhooks.outbox import CallOutbox
from tests.unit.domain.specification import START
from tests.unit.media.machine.scenario import Reply, Scenario

WEBSOCKET = {"provider": "vapi.websocket"}
CALL_ID = "0198c0de-0000-7000-8000-0000000000ca"
CHAT_ID = "0198c0de-0000-7000-8000-0000000000c4"
SESSION_ID = "0198c0de-0000-7000-8000-00000000005e"
ORG = "0198c0de-0000-7000-8000-00000000000a"
EVERY_SERVER_MESSAGE = [
    *("status-update", "conversation-update", "transcript", "user-interrupted", "hang", "transfer-update"),
    *("assistant.started", "end-of-call-report", "call.deleted"),
]
SERVER = {"url": "https://hooks.acme.example/callfold", "secret": "s3cret"}
BILLING: dict[str, Any] = {
    "name": "Billing",
    "firstMessage": "Billing here.",
    "server": SERVER,
    "serverMessages": EVERY_SERVER_MESSAGE,
    "model": {"provider": "vapi", "messages": [{"role": "system", "content": "You do billing."}]},
}
RECEPTION: dict[str, Any] = {
    "name": "Reception",
    "firstMessage": "Hello, how can I help you today?",
    "server": SERVER,
    "serverMessages": EVERY_SERVER_MESSAGE,
    "model": {
        "provider": "vapi",
        "messages": [{"role": "system", "content": "You are the reception."}],
        "tools": [
            {"type": "function", "function": {"name": "openingHours"}, "server": SERVER, "messages": []},
            {
                "type": "handoff",
                "destinations": [{"type": "assistant", "assistantName": "Billing", "description": "invoices"}],
            },
        ],
    },
}

Json = dict[str, Any]


def held() -> Scenario:
    """The call, from its connection to its end."""
    call = Scenario(RECEPTION)
    call.results = {"openingHours": (200.0, inputs.ToolReturned(tool_call_id="", result="nine to five"))}
    call.replies = [
        Reply(calls=(RequestedTool("call_7Qe", "openingHours", {"day": "Monday"}),)),
        Reply("On Monday we are open from nine to five, and the same hours on every other working day."),
        Reply("This was asked for ahead of the caller's last words, and is thrown away."),
        Reply(calls=(RequestedTool("call_8Rf", "handoff_to_Billing", {"reason": "invoice"}),)),
        Reply(silent=True),
    ]
    call.connect().run_until_quiet()
    call.hear("When are you open on Monday?").run(3_000)
    call.hear("Thanks, but I have an invoice to pay.", speak_ms=1_200).run(1_500)
    (order,) = call.outputs(outputs.ResolveAssistant)
    call.feed(AssistantResolved(tool_call_id=order.tool_call_id, assistant=BILLING, assistant_version="v3"))
    call.run_until_quiet()
    call.hear("Number twelve.").run(7_000)
    call.feed(inputs.TransportClosed())
    call.run(2_000)
    return call


def history(call: Scenario) -> list[tuple[float, Event]]:
    """The events of the log, each with its ms since the beginning."""
    created = CallCreated(
        org_id=ORG,
        type="vapi.websocketCall",
        request={"assistant": RECEPTION, "customer": {"number": "+4915112345678"}},
        transport={"provider": "vapi.websocket"},
    )
    before = [created, CallClaimed(owner="media-1", lease_seconds=5.0)]
    started = CallStarted(clock_origin=START, at_ms=0.0, assistant=RECEPTION, variable_values={"city": "Ulm"})
    transfer = TransferRequested(
        transfer_id="t1", destination={"type": "number", "number": "+49301234567"}, mode="blind-transfer", at_ms=1.0
    )
    tracks: list[tuple[Track, str]] = [("mono", "audio/wav"), ("stereo", "audio/wav"), ("log", "application/gzip")]
    stored = [
        ArtifactStored(track=track, location=track, sha256="00" * 32, size_bytes=10, content_type=kind)
        for track, kind in tracks
    ]
    recorded = [(at, o.event) for at, o in call.log if isinstance(o, outputs.Record)]
    end = call.now
    ending = next(index for index, (_, event) in enumerate(recorded) if event.TYPE == "call.ended")
    return [
        *((0.0, event) for event in (*before, started)),
        *recorded[:ending],
        (recorded[ending][0], transfer),
        *recorded[ending:],
        *((end, event) for event in stored),
        (end, CallDeleted()),
    ]


def told_to_server(call: Scenario) -> list[Json]:
    """Every message of the outbox, decoded, in order."""
    outbox = CallOutbox(Addressing(Nothing()), lambda kept: CallUrls(artifacts=_LINKS))
    state, told = outbox.initial(), []
    for version, (at_ms, event) in enumerate(history(call), 1):
        recorded = Recorded(CALL_ID, version, f"{CALL_ID}.{version}", START + timedelta(milliseconds=at_ms), event)
        state, effects = outbox.apply(state, Positioned(Position(0, version), recorded))
        for effect in effects:
            told += [json.loads(message.body)["message"] for (message,) in effect.rows]
    return told


def told_beside() -> list[Json]:
    """What the server is told that asked for what the call above does not need: a change of language, what was stored,
    and a deletion that failed."""
    wanted = ["language-change-detected", "call.artifact.upload", "call.delete.failed"]
    assistant = {**BILLING, "serverMessages": wanted}
    events = [
        CallCreated(org_id=ORG, type="vapi.websocketCall", request={"assistant": assistant}, transport=WEBSOCKET),
        CallClaimed(owner="media-1", lease_seconds=5.0),
        CallStarted(clock_origin=START, at_ms=0.0, assistant=assistant),
        LanguageChanged(language="es", from_language="en", at_ms=1_000.0),
        CallEnded(reason="customer-ended-call", at_ms=2_000.0),
        ArtifactStored(track="stereo", location="s", sha256="00" * 32, size_bytes=10, content_type="audio/wav"),
        CallDeletionFailed(code="LOG_UNAVAILABLE", reason="The log cannot be written."),
    ]
    return _told(CallOutbox(Addressing(Nothing()), lambda kept: CallUrls(artifacts=_LINKS)), CALL_ID, events)


def told_to_listing_client() -> list[Json]:
    """What only a client gets that lists it, when a tool answers."""
    listed = ["tool.completed", "metadata"]
    call = Scenario({**RECEPTION, "clientMessages": listed})
    answer = inputs.ToolReturned(tool_call_id="", result="nine to five", metadata={"page": "/hours"})
    call.results = {"openingHours": (200.0, answer)}
    call.replies = [Reply(calls=(RequestedTool("call_7Qe", "openingHours", {"day": "Monday"}),)), Reply("From nine.")]
    call.connect().run_until_quiet()
    call.hear("When are you open on Monday?").run(3_000)
    return [message for message in told_to_client(call) if message["type"] in listed]


def told_of_conversations() -> list[Json]:
    """What the server of a chat's and a session's assistant is told, from their creation to their deletion."""
    wanted = ["chat.created", "chat.deleted", "session.created", "session.updated", "session.deleted"]
    assistant = {**BILLING, "serverMessages": wanted}
    chat = [
        ChatCreated(
            org_id=ORG,
            request={"assistant": assistant, "input": "When are you open?"},
            started_at=START,
            assistant=assistant,
        ),
        ChatMessage(text="From nine to five.", turn=1, at_ms=900.0),
        ChatCompleted(at_ms=905.0),
        ChatDeleted(),
    ]
    session = [
        CONFIGURATION_EVENTS.created(org_id=ORG, config={"name": "Visit", "assistant": assistant}, actor="key"),
        CONFIGURATION_EVENTS.updated(changes={"name": "Second visit"}, actor="key"),
        CONFIGURATION_EVENTS.deleted(actor="key"),
    ]
    addressing = Addressing(Nothing())
    return [*_told(ChatOutbox(addressing), CHAT_ID, chat), *_told(SessionOutbox(addressing), SESSION_ID, session)]


def _told(outbox: Any, id: str, events: Sequence[Event]) -> list[Json]:
    state, told = outbox.initial(), list[Json]()
    for version, event in enumerate(events, 1):
        recorded = Recorded(id, version, f"{id}.{version}", START + timedelta(seconds=version), event)
        state, effects = outbox.apply(state, Positioned(Position(0, version), recorded))
        told += [json.loads(message.body)["message"] for effect in effects for (message,) in effect.rows]
    return told


def told_to_client(call: Scenario) -> list[Json]:
    """Every client message in order, as JSON has it."""
    return [json.loads(json.dumps(o.message)) for _, o in call.log if isinstance(o, outputs.Notify)]


def asked_of_server(call: Scenario) -> list[Json]:
    """The requests for tools."""
    orders = [o for o in call.outputs(outputs.CallTool) if o.name == "openingHours"]
    return [json.loads(json.dumps(tool_calls_message(orders)))]


def first_of_each(messages: list[Json]) -> dict[str, Json]:
    """The first message of each kind, and of each variant that has fields of its own."""
    found: dict[str, Json] = {}
    for message in messages:
        words = [message[name] for name in ("status", "transcriptType", "role") if isinstance(message.get(name), str)]
        found.setdefault(".".join([message["type"], *words]), message)
    return found


class Nothing:
    """``ConfigurationsAt`` without any: the call brings its own."""

    def find(self, kind: str, id: str, org_id: str, at: Any) -> Json | None:
        return None


_LINKS = {track: f"https://calls.example/{track}" for track in ("mono", "stereo", "log")}
