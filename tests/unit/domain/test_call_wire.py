from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.call.aggregate import CALL
from domain.call.events import (
    AssistantActivated,
    CallDeleted,
    CallEnded,
    CallRenamed,
    CallStarted,
    ToolCalled,
    ToolCompleted,
)
from domain.call.wire import CallUrls, call_body
from domain.event import Event
from tests.unit.domain.call_facts import (
    ASSISTANT,
    CONFIG,
    CONVERSATION,
    CREATED,
    ENDED,
    LIVE,
    ORG,
    OVER,
    RINGING,
    STARTED,
    artifact,
    said,
)
from tests.unit.domain.specification import ORIGINATOR, fold

URLS = CallUrls(
    websocket="wss://host/call/t/transport",
    listen="wss://host/call/t/listen",
    control="https://host/call/t/control",
    artifacts={track: f"https://host/{track}" for track in ("stereo", "mono", "customer", "assistant", "log")},
)
START_EPOCH_MS = 1_795_251_600_000.0
WHOLE = (*LIVE, *CONVERSATION, ENDED, artifact("stereo"), artifact("mono"), artifact("customer"), artifact("log"))


def body(*events: Event) -> dict[str, Any]:
    return call_body(fold(CALL, events), urls=URLS)


def started_with(**config: Any) -> CallStarted:
    return msgspec.structs.replace(STARTED, assistant={**CONFIG, **config})


def test_a_queued_call_is_the_request_and_where_to_connect() -> None:
    shown = body(CREATED)
    assert shown.pop("costBreakdown")["total"] == 0
    assert shown == {
        "id": ORIGINATOR,
        "orgId": ORG,
        "type": "vapi.websocketCall",
        "status": "queued",
        "name": "Morning call",
        "assistantId": ASSISTANT,
        "createdAt": "2026-11-21T09:00:00.000Z",
        "updatedAt": "2026-11-21T09:00:00.000Z",
        "transport": {
            "provider": "vapi.websocket",
            "conversationType": "voice",
            "audioFormat": {"format": "pcm_s16le", "sampleRate": 16000},
            "websocketCallUrl": "wss://host/call/t/transport",
        },
        "monitor": {"listenUrl": "wss://host/call/t/listen", "controlUrl": "https://host/call/t/control"},
        "cost": 0.0,
        "costs": [],
    }


def test_times_count_on_the_calls_own_clock() -> None:
    shown = body(*OVER)
    assert (shown["startedAt"], shown["endedAt"]) == ("2026-11-21T09:00:00.100Z", "2026-11-21T09:00:30.100Z")
    assert shown["endedReason"] == "customer-ended-call"
    assert shown["assistantVersion"] == "v1"
    assert shown["analysis"] == {}


def test_an_end_without_a_clock_is_timed_by_its_record() -> None:
    shown = body(CREATED, CallEnded(reason="call-deleted", message="Deleted while it waited."))
    assert shown["endedAt"] == "2026-11-21T09:00:01.000Z"
    assert shown["endedMessage"] == "Deleted while it waited."
    assert "startedAt" not in shown


def test_an_end_that_nobody_claimed_is_timed_by_its_record_whatever_clock_it_names() -> None:
    assert body(CREATED, ENDED)["endedAt"] == "2026-11-21T09:00:01.000Z"


def test_what_was_said_before_media_flowed_is_at_second_zero() -> None:
    assert body(*LIVE, said("system", "Be kind.", 40.0, 40.0, 0))["messages"][0]["secondsFromStart"] == 0


def test_messages_without_words_are_no_lines_of_the_transcript() -> None:
    assert body(*LIVE, said("assistant", "", 200.0, 300.0, 0))["artifact"]["transcript"] == ""


def test_messages() -> None:
    shown = body(*WHOLE)
    assert shown["messages"] == shown["artifact"]["messages"]
    assert shown["messages"] == [
        {
            "role": "system",
            "message": "You book appointments.",
            "time": START_EPOCH_MS + 100,
            "secondsFromStart": 0.0,
        },
        {
            "role": "bot",
            "message": "Hello, how can I help?",
            "time": START_EPOCH_MS + 150,
            "endTime": START_EPOCH_MS + 1_900,
            "secondsFromStart": 0.05,
            "duration": 1_750.0,
            "source": "first-message",
            "assistantName": "Mary",
            "assistantId": ASSISTANT,
        },
        {
            "role": "user",
            "message": "Is there anything on Monday?",
            "time": START_EPOCH_MS + 3_000,
            "endTime": START_EPOCH_MS + 4_800,
            "secondsFromStart": 2.9,
            "duration": 1_800.0,
            "confidence": 0.9,
        },
        {
            "role": "tool_calls",
            "toolCalls": [
                {"id": name, "type": "function", "function": {"name": "slots", "arguments": '{"day":"Monday"}'}}
                for name in ("call-1", "call-2")
            ],
            "message": "",
            "time": START_EPOCH_MS + 5_000,
            "secondsFromStart": 4.9,
        },
        {
            "role": "tool_call_result",
            "toolCallId": "call-1",
            "name": "slots",
            "result": "9:00, 10:30",
            "time": START_EPOCH_MS + 5_200,
            "secondsFromStart": 5.1,
        },
        {
            "role": "tool_call_result",
            "toolCallId": "call-2",
            "name": "slots",
            "result": "The tool took too long.",
            "time": START_EPOCH_MS + 5_300,
            "secondsFromStart": 5.2,
        },
        {
            "role": "bot",
            "message": "Nine or half",
            "time": START_EPOCH_MS + 5_800,
            "endTime": START_EPOCH_MS + 6_600,
            "secondsFromStart": 5.7,
            "duration": 800.0,
            "source": "model",
            "assistantName": "Mary",
            "assistantId": ASSISTANT,
        },
    ]


def test_messages_in_the_shape_of_chat_completions() -> None:
    messages = body(*WHOLE)["artifact"]["messagesOpenAIFormatted"]
    assert [message["role"] for message in messages] == [
        "system",
        "assistant",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert [call["id"] for call in messages[3]["tool_calls"]] == ["call-1", "call-2"]
    assert messages[4] == {"role": "tool", "tool_call_id": "call-1", "content": "9:00, 10:30"}
    assert messages[6] == {"role": "assistant", "content": "Nine or half"}


def test_what_was_said_while_a_tool_ran_stands_behind_its_result_for_models() -> None:
    asked = ToolCalled(tool_call_id="slow", name="find", kind="function", arguments={}, turn=1, at_ms=2_000.0)
    answered = ToolCompleted(tool_call_id="slow", name="find", result="two", at_ms=5_000.0)
    waiting = said("assistant", "One moment.", 2_500.0, 3_000.0, 1)
    from_outside = said("tool", "the client adds", 5_500.0, 5_500.0, 1)
    shown = body(*LIVE, asked, waiting, answered, from_outside)["artifact"]
    assert [each["role"] for each in shown["messages"]][-4:] == [
        "tool_calls",
        "bot",
        "tool_call_result",
        "tool_call_result",
    ]
    order = [(each["role"], each["content"]) for each in shown["messagesOpenAIFormatted"]]
    assert order[-4:] == [
        ("assistant", ""),
        ("tool", "two"),
        ("assistant", "One moment."),
        ("system", "the client adds"),
    ]


@pytest.mark.parametrize(
    ("plan", "instructions"),
    [
        ({}, [(0, "You send invoices.")]),
        ({"fullMessageHistoryEnabled": True}, [(0, "You book appointments."), (4, "You send invoices.")]),
    ],
)
def test_instructions_are_those_of_who_speaks_unless_the_whole_history_is_wanted(
    plan: dict[str, Any], instructions: list[tuple[int, str]]
) -> None:
    other = {"name": "Billing", "model": {"messages": [{"role": "system", "content": "You send invoices."}, {}]}}
    handed = AssistantActivated(by="handoff", assistant=other, context="all", at_ms=7_000.0, name="Billing")
    said_before = [
        said("assistant", "Hello", 150.0, 900.0, 0),
        said("user", "Invoices please", 2_000.0, 3_000.0, 1),
        said("assistant", "One moment", 4_000.0, 5_000.0, 1),
    ]
    shown = body(*RINGING, started_with(artifactPlan=plan), *said_before, handed)["artifact"]
    found = [(n, each["message"]) for n, each in enumerate(shown["messages"]) if each["role"] == "system"]
    assert found == instructions
    assert [each["content"] for each in shown["messagesOpenAIFormatted"] if each["role"] == "system"] == [
        text for _, text in instructions
    ]
    assert len(shown["messages"]) == 3 + len(instructions)


def test_raw_model_text_is_shown_where_the_assistant_asks_for_it() -> None:
    shown = body(*RINGING, started_with(modelOutputInMessagesEnabled=True), *CONVERSATION)
    assert shown["messages"][-1]["message"] == "Nine or half past ten."


@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        (None, ("AI", "User")),
        ({"assistantName": "Mary"}, ("Mary", "User")),
        ({"enabled": True, "assistantName": "Bot", "userName": "Caller"}, ("Bot", "Caller")),
    ],
)
def test_the_transcript_names_the_speakers(plan: dict[str, Any] | None, lines: tuple[str, str]) -> None:
    shown = body(*RINGING, started_with(artifactPlan={"transcriptPlan": plan}), *CONVERSATION)
    ai, user = lines
    assert shown["artifact"]["transcript"] == (
        f"{ai}: Hello, how can I help?\n{user}: Is there anything on Monday?\n{ai}: Nine or half\n"
    )


def test_a_transcript_can_be_switched_off() -> None:
    shown = body(*RINGING, started_with(artifactPlan={"transcriptPlan": {"enabled": False}}), *CONVERSATION)
    assert "transcript" not in shown["artifact"]


def test_recordings_are_shown_once_they_are_stored() -> None:
    assert "recording" not in body(*OVER)["artifact"]
    shown = body(*WHOLE)["artifact"]
    assert shown["recording"] == {
        "stereoUrl": "https://host/stereo",
        "mono": {"combinedUrl": "https://host/mono", "customerUrl": "https://host/customer"},
    }
    assert (shown["recordingUrl"], shown["stereoRecordingUrl"]) == ("https://host/mono", "https://host/stereo")
    assert shown["logUrl"] == "https://host/log"
    assert shown["variableValues"] == {"city": "Ulm"}


def test_performance_metrics() -> None:
    assert body(*WHOLE)["artifact"]["performanceMetrics"] == {
        "turnLatencies": [
            {
                "modelLatency": 390.0,
                "voiceLatency": 150.0,
                "transcriberLatency": 150.0,
                "endpointingLatency": 50.0,
                "turnLatency": 1_000.0,
            }
        ],
        "modelLatencyAverage": 390.0,
        "voiceLatencyAverage": 150.0,
        "transcriberLatencyAverage": 150.0,
        "endpointingLatencyAverage": 50.0,
        "turnLatencyAverage": 1_000.0,
        "numUserInterrupted": 0,
        "numAssistantInterrupted": 1,
    }


def test_the_assistant_speaking_into_the_user_is_counted() -> None:
    overlap = (said("user", "Well I", 10_000.0, 12_000.0, 3), said("assistant", "Yes?", 11_000.0, 11_900.0, 3))
    assert body(*LIVE, *overlap)["artifact"]["performanceMetrics"]["numUserInterrupted"] == 1


def test_costs_follow_from_the_readings() -> None:
    shown = body(*WHOLE)
    assert [row["type"] for row in shown["costs"]] == ["transport", "vapi", "model", "voice", "transcriber"]
    assert shown["cost"] == shown["costBreakdown"]["total"] == pytest.approx(0.025 + 0.003)


@pytest.mark.parametrize(
    ("plan", "shown"),
    [
        ({"listenEnabled": False}, {"controlUrl": URLS.control}),
        ({"controlEnabled": False}, {"listenUrl": URLS.listen}),
        ({"listenEnabled": False, "controlEnabled": False}, {}),
        (None, {"listenUrl": URLS.listen, "controlUrl": URLS.control}),
    ],
)
def test_the_monitor_plan_hides_addresses(plan: dict[str, Any] | None, shown: dict[str, str]) -> None:
    assert body(*RINGING, started_with(monitorPlan=plan))["monitor"] == shown
    inline = msgspec.structs.replace(CREATED, request={"assistant": {"monitorPlan": plan}})
    assert body(inline)["monitor"] == shown


def test_the_request_is_echoed_without_its_secrets() -> None:
    request = {
        "assistant": {"name": "Mary", "server": {"url": "https://example.com", "secret": "s"}},
        "assistantOverrides": {"variableValues": {"city": "Ulm"}},
        "customer": {"number": "+49731"},
        "status": "ended",
    }
    shown = body(msgspec.structs.replace(CREATED, request=request))
    assert shown["assistant"] == {"name": "Mary", "server": {"url": "https://example.com"}}
    assert shown["assistantOverrides"] == {"variableValues": {"city": "Ulm"}}
    assert shown["customer"] == {"number": "+49731"}
    assert shown["status"] == "queued"


def test_a_renamed_call_shows_the_new_name() -> None:
    assert body(*OVER, CallRenamed(name="Evening call"))["name"] == "Evening call"
    assert "name" not in body(*OVER, CallRenamed(name=None))


def test_a_deleted_call_shows_only_what_is_left() -> None:
    shown = body(*WHOLE, CallDeleted())
    assert shown["status"] == "not-found"
    assert shown["cost"] > 0
    assert not {"messages", "artifact", "transport", "monitor", "name"} & set(shown)
