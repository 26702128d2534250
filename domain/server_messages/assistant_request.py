"""``assistant-request``: who is to answer a call that names nobody, and what a server's answer to that means.

https://docs.vapi.ai/server-url/events. Of several keys in one answer the first counts, in the documentation's order:
destination, assistantId, assistant, squad, workflow, error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from domain.foreign_json import UnreadableJson, read_json

KIND: Final = "assistant-request"
DEADLINE_SECONDS: Final = 7.5
"""From the question to the whole answer, whatever time-out the server is configured with."""

FAILED: Final = "assistant-request-failed"
INVALID: Final = "assistant-request-returned-invalid-assistant"
NOBODY: Final = "assistant-request-returned-no-assistant"
SPOKEN: Final = "assistant-request-returned-error"
UNSPEAKABLE: Final = "assistant-request-returned-unspeakable-error"
FORWARDED: Final = "assistant-request-returned-forwarding-phone-number"

LONGEST_ERROR: Final = 1_000


class Answers(msgspec.Struct, frozen=True):
    """Somebody answers the call: these fields complete its request."""

    request: dict[str, Any]


class Forwards(msgspec.Struct, frozen=True):
    """The call is to go elsewhere at once."""

    destination: dict[str, Any]


class Says(msgspec.Struct, frozen=True):
    """The caller is told this, and the call ends."""

    text: str


class Unusable(msgspec.Struct, frozen=True):
    """The call ends with ``reason``; ``why`` is for people."""

    reason: str
    why: str


AssistantAnswer = Answers | Forwards | Says | Unusable

_BESIDE: Final = {
    "assistantId": ("assistantOverrides",),
    "assistant": ("assistantOverrides",),
    "squadId": ("squadOverrides", "assistantOverrides"),
    "squad": ("squadOverrides", "assistantOverrides"),
}


def read_assistant_answer(body: bytes) -> AssistantAnswer:
    """What the body of a successful answer means."""
    try:
        answer = read_json(body)
    except UnreadableJson as error:
        return Unusable(FAILED, f"the answer is {str(error)[:200]}")
    if not isinstance(answer, Mapping):
        return Unusable(FAILED, "the answer is not a JSON object")
    # Older servers wrap their answer as they are asked.
    inner = answer.get("messageResponse")
    given = inner if isinstance(inner, Mapping) else answer
    if given.get("destination") is not None:
        return _forwards(given["destination"])
    for field in ("assistantId", "assistant", "squadId", "squad"):
        if given.get(field) is not None:
            return _answers(field, given)
    if given.get("workflowId") is not None or given.get("workflow") is not None:
        return Unusable(INVALID, "workflows are not built; name an assistant or a squad")
    if "error" in given:
        return _says(given["error"])
    return Unusable(NOBODY, "the answer has none of assistantId, assistant, squadId, squad, destination and error")


def _forwards(destination: Any) -> AssistantAnswer:
    if isinstance(destination, Mapping) and destination.get("type") in ("number", "sip"):
        return Forwards(dict(destination))
    return Unusable(FAILED, "destination is neither of type number nor sip")


def _answers(field: str, given: Mapping[str, Any]) -> AssistantAnswer:
    value = given[field]
    if field.endswith("Id"):
        if not isinstance(value, str) or not value:
            return Unusable(INVALID, f"{field} is not a text")
    elif not isinstance(value, Mapping):
        return Unusable(INVALID, f"{field} is not an object")
    request: dict[str, Any] = {field: value}
    for name in _BESIDE[field]:
        beside = given.get(name)
        if beside is None:
            continue
        if not isinstance(beside, Mapping):
            return Unusable(INVALID, f"{name} is not an object")
        request[name] = dict(beside)
    return Answers(request)


def _says(error: Any) -> AssistantAnswer:
    if not isinstance(error, str) or not error.strip():
        return Unusable(UNSPEAKABLE, "error is not a text that can be said")
    return Says(error.strip()[:LONGEST_ERROR])
