from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.call.resolution import resolve_assistant
from domain.call.variables import CallFacts

NOW = datetime(2026, 3, 4, 9, 7, tzinfo=UTC)
FACTS = CallFacts(
    call_id="call-1",
    type="vapi.websocketCall",
    started_at=NOW,
    assistant_id="assistant-1",
    customer={"number": "+49731", "name": "Ann", "assistantOverrides": {"secret": 1}},
    phone_number={"number": "+49800", "twilioAuthToken": "hidden"},
    transport={"provider": "vapi.websocket", "callSid": "CA1"},
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{now}}|{{currentDateTime}}", "Mar 4, 2026, 9:07 AM UTC|Mar 4, 2026, 9:07 AM UTC"),
        ("{{date}}|{{time}}|{{year}}|{{month}}|{{day}}", "Mar 4, 2026|9:07 AM|2026|March|4"),
        ("{{customer.name}} {{customer.number}}", "Ann +49731"),
        ("{{call.id}} {{call.type}} {{call.assistantId}}", "call-1 vapi.websocketCall assistant-1"),
        ("{{assistant.id}} {{assistant.name}}", "assistant-1 Mary"),
        ("{{phoneNumber.number}} {{transport.provider}} {{transport.conversationType}}", "+49800 vapi.websocket voice"),
        ("{{call.startedAt}}", "2026-03-04T09:07:00+00:00"),
    ],
)
def test_default_variables(template: str, text: str) -> None:
    resolved = resolve_assistant({"name": "Mary", "firstMessage": template}, None, FACTS, NOW)
    assert resolved.config["firstMessage"] == text
    assert resolved.warnings == ()


def test_default_times_are_utc_wherever_now_is_told() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=9)))
    at_home, abroad = (resolve_assistant({"firstMessage": "{{now}}"}, None, FACTS, now) for now in (NOW, local))
    assert at_home == abroad


def test_variables_hold_nothing_that_a_template_should_not_read() -> None:
    values = resolve_assistant({}, None, FACTS, NOW).variable_values
    assert values["customer"] == {"number": "+49731", "name": "Ann"}
    assert values["phoneNumber"] == {"number": "+49800"}


def test_later_layers_give_the_values_and_may_replace_a_default() -> None:
    layers = [{"variableValues": {"city": "Ulm", "date": "today"}}, {"variableValues": {"city": "Bonn"}}]
    resolved = resolve_assistant({"firstMessage": "{{city}} {{date}}"}, layers, FACTS, NOW)
    assert resolved.config["firstMessage"] == "Bonn today"
    assert resolved.variable_values["city"] == "Bonn"


TOOL = {
    "type": "function",
    "function": {"name": "book", "description": "{{x}}", "parameters": {"properties": {"d": {"default": "{{x}}"}}}},
    "server": {"url": "https://example.com/{{x}}", "headers": {"X-Id": "{{x}}"}},
    "messages": [{"type": "request-start", "content": "{{x}}", "contents": [{"type": "text", "text": "{{x}}"}]}],
    "parameters": [{"key": "{{x}}", "value": {"deep": ["{{x}}", 3]}}],
    "url": "https://example.com/{{x}}",
    "headers": {"properties": {"A": {"value": "{{x}}"}}},
    "destinations": [{"message": "{{x}}", "transferPlan": {"message": "{{x}}", "summaryPlan": {"prompt": "{{x}}"}}}],
}


def test_templates_are_filled_in_where_they_are_read_and_nowhere_else() -> None:
    config = {
        "name": "{{x}}",
        "firstMessage": "{{x}}",
        "endCallMessage": "{{x}}",
        "voicemailMessage": "{{x}}",
        "messagePlan": {"idleMessages": ["{{x}}"]},
        "model": {"provider": "vapi", "messages": [{"role": "system", "content": "{{x}}"}], "tools": [TOOL]},
        "hooks": [{"on": "call.ending", "do": [{"type": "say", "exact": ["{{x}}"]}]}],
        "metadata": {"note": "{{x}}"},
        "analysisPlan": {"summaryPlan": {"messages": [{"content": "{{x}}"}]}},
    }
    resolved = resolve_assistant(config, {"variableValues": {"x": "7"}}, FACTS, NOW).config
    assert resolved == {
        "name": "{{x}}",
        "firstMessage": "7",
        "endCallMessage": "7",
        "voicemailMessage": "7",
        "messagePlan": {"idleMessages": ["7"]},
        "model": {
            "provider": "vapi",
            "messages": [{"role": "system", "content": "7"}],
            "tools": [
                {
                    **TOOL,
                    "server": {"url": "https://example.com/7", "headers": {"X-Id": "7"}},
                    "messages": [
                        {"type": "request-start", "content": "7", "contents": [{"type": "text", "text": "7"}]}
                    ],
                    "parameters": [{"key": "{{x}}", "value": {"deep": ["7", 3]}}],
                    "url": "https://example.com/7",
                    "headers": {"properties": {"A": {"value": "7"}}},
                    "destinations": [
                        {"message": "7", "transferPlan": {"message": "7", "summaryPlan": {"prompt": "{{x}}"}}}
                    ],
                }
            ],
        },
        "hooks": [{"on": "call.ending", "do": [{"type": "say", "exact": ["7"]}]}],
        "metadata": {"note": "{{x}}"},
        "analysisPlan": {"summaryPlan": {"messages": [{"content": "{{x}}"}]}},
    }


def test_overrides_come_before_templates_and_appended_tools_are_filled_in() -> None:
    overrides = {
        "firstMessage": "Hello {{x}}",
        "model": {"temperature": 0},
        "tools:append": [{"type": "endCall", "messages": [{"type": "request-start", "content": "Bye {{x}}"}]}],
        "variableValues": {"x": "Ann"},
    }
    config = {"firstMessage": "{{unknown}}", "voicemailMessage": None, "model": {"provider": "vapi"}}
    resolved = resolve_assistant(config, overrides, FACTS, NOW)
    assert resolved.warnings == ()
    assert resolved.config == {
        "firstMessage": "Hello Ann",
        "model": {
            "provider": "vapi",
            "temperature": 0,
            "tools": [{"type": "endCall", "messages": [{"type": "request-start", "content": "Bye Ann"}]}],
        },
    }


def test_warnings_name_the_field() -> None:
    config = {
        "firstMessage": "{{ 1 | divided_by: 0 }}",
        "model": {"messages": [{"role": "system", "content": "ok"}, {"role": "system", "content": "{{nobody}}"}]},
    }
    resolved = resolve_assistant(config, None, FACTS, NOW)
    assert [(warning.code, warning.field) for warning in resolved.warnings] == [
        ("template-failed", "firstMessage"),
        ("template-unknown-variable", "model.messages.1.content"),
    ]
    assert resolved.config["firstMessage"] == "{{ 1 | divided_by: 0 }}"


@pytest.mark.parametrize(
    "config",
    [
        {"model": "gpt"},
        {"model": {"messages": "x", "tools": {"a": 1}}},
        {"firstMessage": 3},
        {"hooks": [None, {"do": 1}]},
    ],
)
def test_a_configuration_of_the_wrong_shape_is_left_alone(config: dict[str, Any]) -> None:
    assert resolve_assistant(config, None, FACTS, NOW).config == config
