"""What a public key may not be used for, although it opens the organisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.authentication import Principal
from api.errors import Problem

_TRANSIENT: Final = ("assistant", "squad", "workflow")
_STORED_OTHERS: Final = ("squadId", "workflowId")


def check_origin(principal: Principal, origin: str | None) -> None:
    """Raise ``Problem`` 403 for a request from a page that the key is not for, or from no page."""
    restrictions = principal.restrictions
    if restrictions is None or restrictions.allowed_origins is None:
        return
    if origin is None or origin not in {allowed.rstrip("/") for allowed in restrictions.allowed_origins}:
        raise _forbidden(
            f"The key may not be used from {origin or 'a request without an Origin header'}.",
            "Use it on a page of one of the key's allowedOrigins, or allow the origin.",
        )


def check_target(principal: Principal, body: Mapping[str, Any]) -> None:
    """Raise ``Problem`` 403 for a conversation with an assistant that the key is not for.

    ``body`` names the target as calls and chats do: ``assistantId``, ``assistant``, ``squadId`` and so on.
    """
    restrictions = principal.restrictions
    if restrictions is None:
        return
    given = {name for name, value in body.items() if value is not None}
    if not restrictions.allow_transient_assistant and not given.isdisjoint(_TRANSIENT):
        raise _forbidden(
            "The key may not be used with a transient assistant.", "Store the assistant and send its assistantId."
        )
    allowed = restrictions.allowed_assistant_ids
    if allowed is not None and (body.get("assistantId") not in allowed or not given.isdisjoint(_STORED_OTHERS)):
        raise _forbidden(
            "The key may not be used with this assistant.", "Send an assistantId out of the key's allowedAssistantIds."
        )


def _forbidden(message: str, detail: str) -> Problem:
    return Problem(403, message, detail=detail, code="KEY_RESTRICTED")
