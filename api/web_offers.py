"""Offers of browsers, wherever they came in: what they are answered, and how long the browser may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from api.errors import Problem, bad_request
from api.responses import json_response
from domain.call.state import Queued
from domain.log.ports import Documents
from domain.web_calls import OfferRefused, TooManyPeers, WebCalls

_JOIN_SECONDS: Final = 15.0
_LEAST_SECONDS, _MOST_SECONDS = 1.0, 60.0
"""Bounds and default of ``customerJoinTimeoutSeconds``, as Vapi documents them."""


def join_seconds(state: Queued, documents: Documents) -> float:
    """How long the call's assistant lets a connected browser take until its first sound."""
    identity = state.identity
    stored = documents.get("assistant", identity.assistant_id) if identity.assistant_id else None
    layers = (
        stored.state.config if stored else identity.request.get("assistant"),
        identity.request.get("assistantOverrides"),
    )
    chosen = [value for layer in layers if (value := _seconds(layer)) is not None]
    return min(max(chosen[-1], _LEAST_SECONDS), _MOST_SECONDS) if chosen else _JOIN_SECONDS


def _seconds(assistant: Any) -> float | None:
    value = assistant.get("customerJoinTimeoutSeconds") if isinstance(assistant, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


async def answered(web_calls: WebCalls, call_id: str, offer: str, join_s: float) -> Response:
    """The answer as a response. Raises ``Problem`` where there is none: 503 to try again, 400 to offer otherwise."""
    try:
        answer = await web_calls.answer(call_id, offer, join_s=join_s)
    except TooManyPeers as full:
        raise Problem(
            503, f"No browser can connect now: {full}.", detail="Try again.", headers={"retry-after": "1"}
        ) from full
    except OfferRefused as refused:
        raise bad_request(
            f"The call cannot be connected: {refused}.",
            detail="Offer one audio track with Opus and one data channel, with all candidates in the SDP.",
        ) from refused
    return fresh({"type": "answer", "sdp": answer})


def fresh(body: dict[str, Any]) -> Response:
    """A response that nobody may keep."""
    response = json_response(body)
    response.headers["cache-control"] = "no-store"
    return response
