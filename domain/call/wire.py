"""Vapi's Call object, https://docs.vapi.ai/api-reference/calls/get, folded from a call's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.call.artifact import artifact_body
from domain.call.clock import call_start, ended_at, started_at
from domain.call.state import Call, Deleted, Ended, KeptCall, Live, status
from domain.call.usage import Usage
from domain.pricing.cost import call_cost
from domain.pricing.wire import cost_breakdown, cost_rows
from domain.wire_time import iso_ms
from domain.write_only import without_secrets


class CallUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call can be reached. Empty texts are left out of the body.

    ``websocket`` is where the caller's audio goes, ``web`` where a browser's offer does; ``listen`` and ``control`` are
    for who watches, ``artifacts`` maps a track (``stereo``, ``mono``, ``customer``, ``assistant``, ``log``) to its
    download address.
    """

    websocket: str = ""
    web: str = ""
    listen: str = ""
    control: str = ""
    artifacts: Mapping[str, str] = {}


def call_body(state: Call, *, urls: CallUrls) -> dict[str, Any]:
    """The call as a client reads it: the request as sent, and everything that followed from it."""
    if isinstance(state, Deleted):
        return _deleted_body(state)
    identity = state.identity
    body = {
        **without_secrets(identity.request),
        "id": identity.id,
        "orgId": identity.org_id,
        "type": identity.type,
        "status": status(state),
        "createdAt": iso_ms(identity.created_at),
        "updatedAt": iso_ms(state.updated_at),
        "transport": _transport(state, urls),
        "monitor": _monitor(state, urls),
        **_costs(state.usage),
    }
    started, ended, start = started_at(state), ended_at(state), call_start(state)
    optional = {
        "name": state.name,
        "assistantId": identity.assistant_id,
        "webCallUrl": (urls.web or None) if identity.type == "webCall" else None,
        "startedAt": iso_ms(started) if started else None,
        "endedAt": iso_ms(ended) if ended else None,
        "assistantVersion": start.assistant_version if start else None,
        "artifactPlan": start.assistant.get("artifactPlan") if start else None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if state.consent is not None:
        granted = {"grantedAt": iso_ms(state.consent.answered_at)} if state.consent.answer.granted else {}
        body["compliance"] = {"recordingConsent": {"type": state.consent.answer.kind, **granted}}
    if isinstance(state, Live | Ended):
        artifact = artifact_body(state, urls.artifacts)
        body |= {"artifact": artifact, "messages": artifact["messages"]}
    if isinstance(state, Ended):
        body |= {"endedReason": state.end.reason, "analysis": {}}
        if state.end.message:
            body["endedMessage"] = state.end.message
    return body


def _transport(state: KeptCall, urls: CallUrls) -> dict[str, Any]:
    transport = {**without_secrets(state.identity.transport), "conversationType": "voice"}
    name, url = ("callUrl", urls.web) if state.identity.type == "webCall" else ("websocketCallUrl", urls.websocket)
    return {**transport, name: url} if url else transport


def _monitor(state: KeptCall, urls: CallUrls) -> dict[str, str]:
    """Listen and control addresses, as far as the assistant's ``monitorPlan`` leaves them on."""
    start = call_start(state)
    assistant = start.assistant if start else state.identity.request.get("assistant")
    plan = assistant.get("monitorPlan") if isinstance(assistant, dict) else None
    enabled = plan if isinstance(plan, dict) else {}
    addresses = {
        "listenUrl": urls.listen if enabled.get("listenEnabled") is not False else "",
        "controlUrl": urls.control if enabled.get("controlEnabled") is not False else "",
    }
    return {name: address for name, address in addresses.items() if address}


def _costs(usage: Usage) -> dict[str, Any]:
    cost = call_cost(usage)
    return {"cost": float(cost.total_usd), "costBreakdown": cost_breakdown(cost), "costs": cost_rows(cost)}


def _deleted_body(state: Deleted) -> dict[str, Any]:
    body = {
        "id": state.id,
        "orgId": state.org_id,
        "type": state.type,
        "status": status(state),
        "createdAt": iso_ms(state.created_at),
        "updatedAt": iso_ms(state.updated_at),
        **_costs(state.usage),
    }
    optional = {"assistantId": state.assistant_id, "endedReason": state.reason}
    return body | {name: value for name, value in optional.items() if value}
