"""The rules of ``POST /call`` that concern several fields at once: what is asked for, and whether we can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from api.configuration.references import Reference, check_references, under
from api.errors import Issue, Problem, bad_request, invalid
from api.resources.assistants import ASSISTANT_REFERENCES
from api.resources.squads import SQUAD_REFERENCES, check_inline_squad
from domain.log.ports import Document, Documents
from domain.server_messages.server import read_server

WEBSOCKET: Final = "vapi.websocket"
WEBRTC: Final = "callfold.webrtc"
NO_PHONE_NUMBER: Final = "Couldn't Get Phone Number. Need Either `phoneNumberId` Or `phoneNumber`."

_CALL_TYPES: Final = {WEBSOCKET: "vapi.websocketCall", WEBRTC: "webCall"}
"""Vapi's type of a call by its transport. Vapi's own web calls are rooms of a vendor; ours are a name of our own."""
_PHONE_FIELDS: Final = ("phoneNumberId", "phoneNumber", "customerId", "customer", "customers")
_TARGETS: Final = ("assistantId", "assistant", "squadId", "squad", "workflowId", "workflow")
_REFERENCES: Final = (
    Reference("sessionId", "session"),
    *under("assistant", ASSISTANT_REFERENCES),
    *under("assistantOverrides", ASSISTANT_REFERENCES),
    *under("squad", SQUAD_REFERENCES),
    *under("squadOverrides", ASSISTANT_REFERENCES),
)
_DEFAULT_SAMPLE_RATE_HZ: Final = {"pcm_s16le": 16_000, "mulaw": 8_000}


@dataclass(frozen=True)
class ConnectedCall:
    """A call that we can hold. ``transport`` has its defaults filled in."""

    type: str
    transport: dict[str, Any]
    assistant_id: str | None


def connected_call(body: dict[str, Any], documents: Documents, org_id: str) -> ConnectedCall:
    """What a valid body asks for. Raises ``Problem``: 400 for a contradiction, 501 for what is not built yet."""
    given = {name for name, value in body.items() if value is not None}
    transport: dict[str, Any] = body.get("transport") or {}
    provider = transport.get("provider")
    if provider not in _CALL_TYPES:
        _require_known(body, "phoneNumberId", "phone_number", "Phone Number", documents, org_id)
        raise _phone_call(given)
    _refuse_phone_fields(given, provider)
    _require_one_target(given, server_asked=_has_server(documents, org_id))
    _require_known(body, "squadId", "squad", "Squad", documents, org_id)
    if given & {"workflowId", "workflow"}:
        raise _not_built("Calls with workflows are not built yet.", "Send assistantId or assistant.")
    if "schedulePlan" in given:
        raise _not_built("Scheduled calls are not built yet.", "Leave out schedulePlan and create the call when due.")
    _check_assistant(body, given, documents, org_id)
    check_references(_REFERENCES, body, documents, org_id)
    check_inline_squad(body, documents, org_id)
    return ConnectedCall(_CALL_TYPES[provider], _with_defaults(transport), body.get("assistantId"))


def _phone_call(given: set[str]) -> Problem:
    if not given & {"phoneNumberId", "phoneNumber"}:
        return bad_request(
            NO_PHONE_NUMBER,
            detail='For a call over a WebSocket send transport: {"provider": "vapi.websocket"} instead.',
        )
    return _not_built(
        "Phone calls are not built yet.",
        'Create a call over a WebSocket with transport: {"provider": "vapi.websocket"}.',
    )


def _refuse_phone_fields(given: set[str], provider: str) -> None:
    found = [
        Issue(
            "FIELD_NOT_ALLOWED",
            f"property {field} should not exist when transport.provider is {provider}",
            f"/body/{field}",
        )
        for field in _PHONE_FIELDS
        if field in given
    ]
    if found:
        raise invalid(found)


def _has_server(documents: Documents, org_id: str) -> bool:
    """Whether the organisation has a server that can be asked who answers (``assistant-request``)."""
    document = documents.get("organization", org_id)
    return document is not None and read_server(document.state.config) is not None


def _require_one_target(given: set[str], *, server_asked: bool) -> None:
    targets = [field for field in _TARGETS if field in given]
    if not targets and not server_asked:
        raise bad_request(
            "Couldn't Get Assistant. Need Either `assistantId` Or `assistant`.",
            detail="Send the id of a stored assistant, or an assistant's configuration, or give your organization a "
            "server (PATCH /org/{id}), which is asked then.",
        )
    if len(targets) > 1:
        raise bad_request(
            f"Need Exactly One Of {', '.join(f'`{field}`' for field in targets)}.", detail="Send only one of them."
        )


def _require_known(
    body: dict[str, Any], field: str, kind: str, noun: str, documents: Documents, org_id: str
) -> Document | None:
    """The object that a field names, if it names one. Raises ``Problem`` 400 where it does not exist."""
    if body.get(field) is None:
        return None
    document = documents.get(kind, body[field], org_id=org_id)
    if document is None:
        path = kind.replace("_", "-")
        raise bad_request(
            f"Couldn't Get {noun}. `{field}` {body[field]} Does Not Exist.", detail=f"List them with GET /{path}."
        )
    return document


def _check_assistant(body: dict[str, Any], given: set[str], documents: Documents, org_id: str) -> None:
    """The stored assistant and its version have to exist."""
    if "assistantVersion" in given and "assistantId" not in given:
        raise bad_request("`assistantVersion` Needs `assistantId`.", detail="Leave it out, or name a stored assistant.")
    document = _require_known(body, "assistantId", "assistant", "Assistant", documents, org_id)
    if document is None or "assistantVersion" not in given:
        return
    wanted, latest = body["assistantVersion"], document.state.revision
    if wanted not in {f"v{revision}" for revision in range(1, latest + 1)}:
        raise bad_request(
            f"Couldn't Get Assistant. `assistantVersion` {wanted} Does Not Exist.",
            detail=f"The versions of this assistant are v1 to v{latest}.",
        )


def _with_defaults(transport: dict[str, Any]) -> dict[str, Any]:
    if transport["provider"] == WEBRTC:
        return {"provider": WEBRTC, "conversationType": "voice"}
    audio: dict[str, Any] = transport.get("audioFormat") or {}
    encoding = audio.get("format", "pcm_s16le")
    rate = audio.get("sampleRate") or _DEFAULT_SAMPLE_RATE_HZ[encoding]
    return {
        "provider": WEBSOCKET,
        "conversationType": "voice",
        "audioFormat": {"format": encoding, "container": "raw", "sampleRate": int(rate)},
    }


def _not_built(message: str, detail: str) -> Problem:
    return Problem(501, message, detail=detail)
