"""Short forms of requests that older documentation of Vapi shows, written out in full before anything looks at them.

Only what has one meaning is accepted; the refusal of everything else shows the full form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args
from uuid import UUID

from api.errors import Issue, Problem
from api.models.voice import VoiceProvider
from domain.log.ports import Documents
from domain.provider_names import MODEL_PROVIDERS

JsonObject = dict[str, Any]

CALL_FIELDS: Final = ("to", "from", "webhookUrl", "record", "recordingUrl", "metadata")
_FULL_CALL: Final = (
    'In full: {"customer": {"number": "+14155552671"}, "phoneNumberId": "<id>", "assistantId": "<id>", '
    '"assistantOverrides": {"server": {"url": "https://..."}, "artifactPlan": {"recordingEnabled": true, '
    '"recordingPath": "..."}, "metadata": {}}}.'
)
_FULL_MODEL: Final = (
    'In full: "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "..."}]}.'
)
_FULL_VOICE: Final = 'In full: "voice": {"provider": "vapi", "voiceId": "Elliot"}; or "vapi/Elliot" in short.'

_MESSAGE_LISTS: Final = ("clientMessages", "serverMessages")
_ASSISTANTS: Final = ("assistant", "assistantOverrides")

_MODEL_FAMILIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("gpt-3.5", "gpt-4", "gpt-5", "gpt-realtime", "chatgpt-", "o1", "o3", "o4-mini"), "openai"),
    "claude-": "anthropic",
    "gemini-": "google",
    "grok-": "xai",
}
"""How the names of models begin that one provider makes and serves under them; others serve many models' copies."""
_VAPI_VOICES: Final = frozenset(
    {
        "Clara",
        *("Elliot", "Kylie", "Rohan", "Lily", "Savannah", "Hana", "Neha", "Cole", "Harry", "Paige", "Spencer"),
        *("Nico", "Kai", "Emma", "Sagar", "Neil", "Leah", "Tara", "Jess", "Leo", "Dan", "Mia", "Zac", "Zoe"),
    }
)
_OPENAI_VOICES: Final = frozenset({"alloy", "echo", "fable", "onyx", "nova", "shimmer", "marin", "cedar"})
_VOICE_PROVIDERS: Final[frozenset[str]] = frozenset(get_args(VoiceProvider))


def full_call(body: JsonObject, documents: Documents, org_id: str) -> JsonObject:
    """The body of ``POST /call`` in full. Raises ``Problem`` 400 where a short form has no single meaning."""
    body = full_web_call(body)
    short = {name: body[name] for name in CALL_FIELDS if body.get(name) is not None}
    if not short:
        return body
    full = {name: value for name, value in body.items() if name not in CALL_FIELDS}
    if "to" in short:
        _refuse_beside(full, ("customer", "customerId", "customers"), "to", _FULL_CALL)
        full["customer"] = {"number": _text(short, "to", _FULL_CALL)}
    if "from" in short:
        _refuse_beside(full, ("phoneNumberId", "phoneNumber"), "from", _FULL_CALL)
        full["phoneNumberId"] = _own_number(_text(short, "from", _FULL_CALL), documents, org_id)
    overrides: JsonObject = {}
    if "webhookUrl" in short:
        overrides["server"] = {"url": _text(short, "webhookUrl", _FULL_CALL)}
    if "metadata" in short:
        overrides["metadata"] = short["metadata"]
    if "record" in short or "recordingUrl" in short:
        overrides["artifactPlan"] = _artifact_plan(short)
    if overrides:
        full["assistantOverrides"] = _joined(full.get("assistantOverrides"), overrides)
    return full


def full_web_call(body: JsonObject) -> JsonObject:
    """The body of ``POST /call/web`` in full: the lists of messages of its assistant."""
    assistants = {name: body[name] for name in _ASSISTANTS if isinstance(body.get(name), dict)}
    return body | {name: assistant | _message_lists(assistant) for name, assistant in assistants.items()}


def full_assistant(body: JsonObject) -> JsonObject:
    """The body of ``POST /assistant`` in full. Raises ``Problem`` 400 where a short form has no single meaning."""
    full = {name: value for name, value in body.items() if name != "prompt"}
    if isinstance(model := full.get("model"), str):
        full["model"] = _model(model)
    if body.get("prompt") is not None:
        prompt = _text(body, "prompt", _FULL_MODEL)
        given = full.get("model")
        if not isinstance(given, dict):
            raise _ambiguous("prompt", "prompt needs a model beside it", _FULL_MODEL)
        if given.get("messages") is not None:
            raise _ambiguous("prompt", "prompt should not exist beside model.messages", _FULL_MODEL)
        full["model"] = {**given, "messages": [{"role": "system", "content": prompt}]}
    if isinstance(voice := full.get("voice"), str):
        full["voice"] = _voice(voice)
    return full | _message_lists(full)


def _message_lists(assistant: JsonObject) -> JsonObject:
    """Vapi's OpenAPI document gives the lists of messages the choices of their members, so that its examples name one
    of them."""
    return {field: [assistant[field]] for field in _MESSAGE_LISTS if isinstance(assistant.get(field), str)}


def _model(text: str) -> JsonObject:
    provider, separator, name = text.partition("/")
    if separator and provider in MODEL_PROVIDERS and name:
        return {"provider": provider, "model": name}
    family = next((family for family in _MODEL_FAMILIES if text.startswith(family)), "")
    if separator or not family:
        raise _ambiguous("model", f"model {text!r} could be several providers'", _FULL_MODEL)
    return {"provider": _MODEL_FAMILIES[family], "model": text}


def _voice(text: str) -> JsonObject:
    provider, separator, name = text.partition("/")
    if separator and provider in _VOICE_PROVIDERS and name:
        return {"provider": provider, "voiceId": name}
    if text in _VAPI_VOICES:
        return {"provider": "vapi", "voiceId": text}
    if text in _OPENAI_VOICES:
        return {"provider": "openai", "voiceId": text}
    raise _ambiguous("voice", f"voice {text!r} could be several providers'", _FULL_VOICE)


def _own_number(sender: str, documents: Documents, org_id: str) -> str:
    """The id of the organisation's phone number that ``from`` means: its id, or the number itself."""
    try:
        return str(UUID(sender))
    except ValueError:
        pass
    everything = documents.list("phone_number", org_id=org_id, limit=documents.count("phone_number", org_id=org_id))
    found = [document.id for document in everything if document.state.config.get("number") == sender]
    if len(found) != 1:
        how_many = "none" if not found else f"{len(found)}"
        rule = f"from {sender} must be one phone number of the organization; there are {how_many}"
        raise _ambiguous("from", rule, _FULL_CALL)
    return found[0]


def _artifact_plan(short: JsonObject) -> JsonObject:
    record = short.get("record", True)
    if not isinstance(record, bool):
        raise _ambiguous("record", "record must be a boolean value", _FULL_CALL)
    if "recordingUrl" not in short:
        return {"recordingEnabled": record}
    if not record:
        raise _ambiguous("recordingUrl", "recordingUrl should not exist where record is false", _FULL_CALL)
    return {"recordingEnabled": True, "recordingPath": _text(short, "recordingUrl", _FULL_CALL)}


def _joined(given: Any, short: JsonObject) -> Any:
    """Overrides with what the short forms mean. What is no object is left for the check of the full form."""
    if given is None:
        return short
    if not isinstance(given, dict):
        return given
    _refuse_beside(given, tuple(short), "assistantOverrides", _FULL_CALL)
    return {**given, **short}


def _refuse_beside(given: JsonObject, full_fields: tuple[str, ...], short: str, full_form: str) -> None:
    for field in full_fields:
        if given.get(field) is not None:
            raise _ambiguous(short, f"{short} says again what {field} says", full_form)


def _text(body: JsonObject, field: str, full_form: str) -> str:
    value = body[field]
    if not isinstance(value, str) or not value.strip():
        raise _ambiguous(field, f"{field} must be a string", full_form)
    return value


def _ambiguous(field: str, rule: str, full_form: str) -> Problem:
    return Problem(
        400,
        rule,
        detail=full_form,
        code="VALIDATION_FAILED",
        issues=(Issue("INVALID_VALUE", f"{rule}. {full_form}", f"/body/{field}"),),
    )
