"""One object of every configuration resource, and what may be changed of it."""

from __future__ import annotations

from typing import Any

import httpx

from api.configuration.resource import Resource
from api.resources.catalogue import RESOURCES

MARK = "only Acme may read this"
"""A text that stands in every example, so that it shows wherever an object leaks."""

DICTIONARY = {"provider": "11labs", "resourceName": "pronunciation-dictionary"}


def path_of(resource: Resource) -> str:
    """The path with its parameters filled in."""
    return resource.path.format(**DICTIONARY) if resource.within else resource.path


def body_of(kind: str, ids: dict[str, str]) -> dict[str, Any]:
    """A body that refers to the objects in ``ids``, by kind."""
    bodies: dict[str, dict[str, Any]] = {
        "credential": {"provider": "openai", "apiKey": "sk-secret", "name": MARK},
        "tool": {"type": "endCall", "messages": [{"type": "request-start", "content": MARK}]},
        "assistant": {"name": MARK, "model": {"provider": "vapi", "toolIds": [ids.get("tool")]}},
        "squad": {"name": MARK, "members": [{"assistantId": ids.get("assistant")}]},
        "phone_number": {
            **{"provider": "byo-phone-number", "number": "+14155552671", "name": MARK},
            **{"credentialId": ids.get("credential"), "assistantId": ids.get("assistant")},
        },
        "session": {"name": MARK, "assistantId": ids.get("assistant"), "phoneNumberId": ids.get("phone_number")},
        "structured_output": {
            **{"name": "booked", "description": MARK, "schema": {"type": "boolean"}},
            **{"assistantIds": [ids.get("assistant")]},
        },
        "scorecard": {
            **{"name": "quality", "description": MARK, "assistantIds": [ids.get("assistant")]},
            "metrics": [
                {
                    "structuredOutputId": ids.get("structured_output"),
                    "conditions": [{"type": "comparator", "comparator": "=", "value": True, "points": 50}],
                }
            ],
        },
        "eval": {"type": "chat.mockConversation", "name": MARK, "messages": [{"role": "user", "content": "Hi"}]},
        "personality": {"name": MARK, "assistant": {"firstMessage": "Quick!"}},
        "scenario": {
            **{"name": MARK, "instructions": "Book."},
            "evaluations": [{"structuredOutputId": ids.get("structured_output"), "comparator": "=", "value": True}],
        },
        "simulation": {
            **{"name": MARK, "scenarioId": ids.get("scenario")},
            **{"personalityId": ids.get("personality")},
        },
        "simulation_suite": {"name": MARK, "simulationIds": [ids.get("simulation")]},
        "campaign": {
            **{"name": MARK, "assistantId": ids.get("assistant"), "phoneNumberId": ids.get("phone_number")},
            **{"customers": [{"number": "+14155552671"}]},
        },
        "insight": {
            **{"type": "bar", "name": MARK, "groupBy": "endedReason"},
            "queries": [{"type": "vapiql-json", "table": "call", "column": "id", "operation": "count", "name": "n"}],
            "formulas": [{"formula": "{{n}} * 2"}],
        },
        "board": {
            **{"name": MARK, "layout": {"columns": 6}},
            "items": [
                {
                    **{"type": "insight", "insightId": ids.get("insight")},
                    **{"position": {"x": 0, "y": 0}, "size": {"width": 2, "height": 1}},
                }
            ],
        },
        "provider_resource": {
            "name": MARK,
            "rules": [{"string_to_replace": "Siobhan", "type": "alias", "alias": "Shivawn"}],
        },
    }
    return bodies[kind]


CHANGES: dict[str, dict[str, Any]] = {
    "credential": {"apiKey": "sk-other"},
    "tool": {"messages": None},
    "assistant": {"firstMessage": "Hello", "model": None},
    "squad": {"name": "Other"},
    "phone_number": {"assistantId": None, "name": None},
    "session": {"messages": [{"role": "assistant", "content": "Hi"}]},
    "structured_output": {"description": None, "conditions": [{"type": "minMessages", "count": 1}]},
    "scorecard": {"name": "better"},
    "eval": {"description": "d"},
    "personality": {"path": "a/b"},
    "scenario": {"instructions": "Hurry."},
    "simulation": {"name": None},
    "simulation_suite": {"slackWebhookUrl": "https://hooks.example/1"},
    "campaign": {"name": "Other"},
    "provider_resource": {"rules": []},
    "insight": {"groupBy": None},
    "board": {"items": []},
}

_ORDER = (
    *("credential", "tool", "assistant", "squad", "phone_number", "session", "structured_output", "scorecard", "eval"),
    *("personality", "scenario", "simulation", "simulation_suite", "campaign", "provider_resource", "insight", "board"),
)
BY_KIND = {resource.kind: resource for resource in RESOURCES}


async def create(client: httpx.AsyncClient, kind: str, ids: dict[str, str], **headers: str) -> httpx.Response:
    """Ask for one object of a kind."""
    answer = await client.post(path_of(BY_KIND[kind]), json=body_of(kind, ids), headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


async def create_all(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """One object of every kind, each referring to the ones before it; by kind."""
    assert set(_ORDER) == set(BY_KIND)
    made: dict[str, dict[str, Any]] = {}
    for kind in _ORDER:
        made[kind] = (await create(client, kind, {kind: body["id"] for kind, body in made.items()})).json()
    return made
