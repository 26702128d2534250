"""The bodies parse with the official SDK's own models, into the variants they are meant to be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vapi import types as vapi
from vapi.core.pydantic_utilities import parse_obj_as

from domain.assistant.aggregate import ASSISTANT
from domain.assistant.events import AssistantCreated, AssistantUpdated
from domain.assistant.wire import assistant_fields
from domain.call.aggregate import CALL
from domain.call.events import CallDeleted, UsageMetered
from domain.call.wire import CallUrls, call_body
from domain.configuration.wire import configuration_body
from domain.event import Event
from tests.unit.domain.call_facts import CONVERSATION, CREATED, ENDED, LIVE, PRICES, RINGING, artifact
from tests.unit.domain.specification import fold

URLS = CallUrls(websocket="wss://h/t", listen="wss://h/l", control="https://h/c", artifacts={"mono": "https://h/m"})


def parsed(kind: type[Any], body: dict[str, Any]) -> Any:
    return parse_obj_as(kind, json.loads(json.dumps(body)))


@pytest.mark.parametrize(
    "history",
    [(CREATED,), RINGING, LIVE, (*LIVE, *CONVERSATION), (CREATED, ENDED), (*LIVE, *CONVERSATION, ENDED, CallDeleted())],
)
def test_a_call_parses_in_every_phase(history: tuple[Event, ...]) -> None:
    body = call_body(fold(CALL, history), urls=URLS)
    call = parsed(vapi.Call, body)
    assert (call.id, call.org_id, call.status) == (body["id"], body["orgId"], body["status"])


def test_a_finished_call_parses_into_typed_parts() -> None:
    cached = UsageMetered(meter="model", provider="vapi", quantities={"promptTokens": 5.0}, price_table=PRICES)
    state = fold(CALL, [*LIVE, *CONVERSATION, cached, ENDED, artifact("mono")])
    call = parsed(vapi.Call, call_body(state, urls=URLS))
    assert call.ended_reason == "customer-ended-call"
    assert call.transport.provider == "vapi.websocket"
    assert call.monitor.control_url == "https://h/c"
    assert [type(message).__name__ for message in call.artifact.messages] == [
        "SystemMessage",
        "BotMessage",
        "UserMessage",
        "ToolCallMessage",
        "ToolCallResultMessage",
        "ToolCallResultMessage",
        "BotMessage",
    ]
    assert call.artifact.messages_open_ai_formatted[3].role == "assistant"
    assert call.artifact.performance_metrics.turn_latency_average == 1_000
    assert call.artifact.performance_metrics.turn_latencies[0].model_latency == 390
    assert call.artifact.recording.mono.combined_url == "https://h/m"
    assert call.artifact.transcript.startswith("AI: Hello")
    assert [cost.type for cost in call.costs] == ["transport", "vapi", "model", "voice", "transcriber", "model"]
    assert call.costs[2].completion_tokens == 100
    assert call.cost == call.cost_breakdown.total == pytest.approx(sum(cost.cost for cost in call.costs))
    assert call.cost_breakdown.analysis_cost_breakdown.summary == 0


def test_an_assistant_parses_into_typed_parts() -> None:
    config = {
        "name": "Mary",
        "firstMessage": "Hello",
        "voicemailMessage": None,
        "model": {
            "provider": "custom-llm",
            "model": "m",
            "url": "https://example.com/v1",
            "messages": [{"role": "system", "content": "You book appointments."}],
            "tools": [{"type": "function", "function": {"name": "slots"}, "server": {"url": "https://example.com/t"}}],
        },
        "voice": {"provider": "cartesia", "voiceId": "v"},
        "transcriber": {"provider": "deepgram", "model": "nova-2"},
    }
    state = fold(ASSISTANT, [AssistantCreated(org_id="org", config=config), AssistantUpdated(changes={"name": "Eve"})])
    assistant = parsed(vapi.Assistant, {**configuration_body("assistant", state), **assistant_fields(state)})
    assert (assistant.name, assistant.latest_version) == ("Eve", "v2")
    assert assistant.model.provider == "custom-llm"
    assert assistant.model.tools[0].function.name == "slots"
    assert assistant.voice.voice_id == "v"
    assert assistant.transcriber.provider == "deepgram"
    assert assistant.created_at.utcoffset() is not None
