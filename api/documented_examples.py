"""Examples of bodies in the OpenAPI document, by the name of their schema. A test sends every one of them."""

from __future__ import annotations

from typing import Any, Final

JsonObject = dict[str, Any]

_ASSISTANT: Final = "7c0f1f9e-5d4e-4a8e-9a51-0f3e6a1f4c11"
_OTHER: Final = "0d6a5a0e-51c7-4d9b-8c35-0a4b2f3d9c77"
_ORGANIZATION: Final = "1b671a64-40d5-491e-99b0-da01ff1f3341"
_NUMBER: Final = "+14155552671"

EXAMPLES: Final[dict[str, JsonObject]] = {
    "AssistantBody": {
        "name": "Reception",
        "firstMessage": "Dental practice Ulm, good morning!",
        "model": {
            "provider": "openai",
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "You answer the telephone of a dental practice."}],
        },
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        "transcriber": {"provider": "deepgram", "model": "nova-3", "language": "en"},
    },
    "SquadBody": {
        "name": "Front desk",
        "members": [
            {
                "assistantId": _ASSISTANT,
                "assistantDestinations": [{"type": "assistant", "assistantName": "Billing", "message": "One moment."}],
            },
            {"assistantId": _OTHER},
        ],
    },
    "ToolBody": {
        "type": "function",
        "function": {
            "name": "find_slots",
            "description": "Free appointments of a day.",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
        },
        "server": {"url": "https://tools.example/find-slots"},
    },
    "PhoneNumberBody": {
        "provider": "twilio",
        "number": _NUMBER,
        "twilioAccountSid": "AC0123456789",
        "twilioAuthToken": "a secret",
        "name": "Main line",
        "assistantId": _ASSISTANT,
    },
    "CredentialBody": {"provider": "openai", "apiKey": "sk-a-secret", "name": "Our account"},
    "TokenBody": {
        "name": "Widget of the shop",
        "tag": "public",
        "restrictions": {"allowedOrigins": ["https://shop.example"], "allowedAssistantIds": [_ASSISTANT]},
    },
    "SessionBody": {"name": "Mary's visit", "assistantId": _ASSISTANT, "expirationSeconds": 86_400},
    "StructuredOutputBody": {
        "name": "appointment",
        "schema": {"type": "object", "properties": {"day": {"type": "string"}, "booked": {"type": "boolean"}}},
        "assistantIds": [_ASSISTANT],
    },
    "ScorecardBody": {
        "name": "Booking quality",
        "metrics": [
            {
                "structuredOutputId": _OTHER,
                "conditions": [{"type": "comparator", "comparator": "=", "value": True, "points": 100}],
            }
        ],
        "assistantIds": [_ASSISTANT],
    },
    "EvalBody": {
        "type": "chat.mockConversation",
        "name": "Greets",
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "judgePlan": {"type": "regex", "content": ".*good morning.*"}},
        ],
    },
    "PersonalityBody": {"name": "In a hurry", "assistant": {"firstMessage": "Quick question."}},
    "ScenarioBody": {
        "name": "Books an appointment",
        "instructions": "Ask for an appointment on Friday and take the first one.",
        "evaluations": [{"structuredOutputId": _OTHER, "comparator": "=", "value": True}],
    },
    "SimulationBody": {"name": "Hurried booking", "scenarioId": _ASSISTANT, "personalityId": _OTHER},
    "SimulationSuiteBody": {"name": "Every booking", "simulationIds": [_ASSISTANT]},
    "CampaignBody": {
        "name": "Reminders",
        "assistantId": _ASSISTANT,
        "phoneNumberId": _OTHER,
        "customers": [{"number": _NUMBER, "name": "Mary"}],
    },
    "ProviderResourceBody": {
        "name": "Names",
        "rules": [{"string_to_replace": "Siobhan", "type": "alias", "alias": "Shivawn"}],
    },
    "CallBody": {
        "assistantId": _ASSISTANT,
        "transport": {
            "provider": "vapi.websocket",
            "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 16_000},
        },
        "assistantOverrides": {"variableValues": {"name": "Mary"}},
    },
    "BackgroundSoundBody": {"url": "https://sounds.example/office.mp3"},
    "TrafficAllocationBody": {
        "assistantId": _ASSISTANT,
        "targets": [
            {"assistantVersion": "v1", "percentage": 90},
            {"assistantVersion": "v2", "percentage": 10},
        ],
        "description": "Try the new greeting on a tenth of the calls.",
    },
    "WebCallBody": {"assistantId": _ASSISTANT},
    "SessionOffer": {"type": "offer", "sdp": "v=0\r\n..."},
    "CallChanges": {"name": "Mary's call"},
    "CallDeletion": {},
    "AnalyticsBody": {
        "queries": [{"name": "calls", "table": "call", "operations": [{"operation": "count", "column": "id"}]}]
    },
    "NewOrganization": {"name": "Dental Ulm"},
    "OrganizationLimits": {"concurrentCalls": 10, "privateRequestsPerMinute": 6_000},
    "OrganizationChanges": {"server": {"url": "https://hooks.example.com/callfold", "timeoutSeconds": 10}},
    "SqlStatement": {"statement": "SELECT count() FROM calls", "limit": 100},
    "Rebuild": {"projection": "calls"},
    "HeldEvents": {"processor": "calls", "originator": _OTHER},
}
"""What a client would send."""

_WRITE_ONLY: Final = frozenset({"apiKey", "twilioAuthToken"})
_STORED: Final[JsonObject] = {
    "id": "3f9d2c1b-8a7e-4c55-9b0a-6f1e2d3c4b5a",
    "orgId": _ORGANIZATION,
    "createdAt": "2026-01-31T09:30:00.000Z",
    "updatedAt": "2026-01-31T09:30:00.000Z",
}


def example_of(schema: str) -> JsonObject | None:
    """An example for the schema of a body, of changes to it, or of the object that is read."""
    for ending in ("Changes", "Object"):
        body = EXAMPLES.get(schema.removesuffix(ending) + "Body") if schema.endswith(ending) else None
        if body is not None and ending == "Changes":
            return {"name": body["name"]} if "name" in body else body
        if body is not None:
            return {**_STORED, **{name: value for name, value in body.items() if name not in _WRITE_ONLY}}
    return EXAMPLES.get(schema)
