"""What an assistant's ``monitorPlan`` allows on its running calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from domain.call.state import Call, Deleted, Ended, Live, Queued, Ringing
from domain.log.ports import Documents

Kind = Literal["listen", "control"]


def monitor_plan(state: Call, documents: Documents) -> Mapping[str, Any]:
    """The plan that governs the call: of the resolved assistant once it runs, before that of what was asked for."""
    match state:
        case Deleted():
            return {}
        case Live(start=start) | Ended(start=start) if start is not None:
            return _plan(start.assistant)
        case _:
            return _requested_plan(state, documents)


def _requested_plan(state: Queued | Ringing | Live | Ended, documents: Documents) -> Mapping[str, Any]:
    request = state.identity.request
    stored = documents.get("assistant", state.identity.assistant_id) if state.identity.assistant_id else None
    base = _plan(stored.state.config) if stored else _plan(request.get("assistant"))
    return {**base, **_plan(request.get("assistantOverrides"))}


def _plan(assistant: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (assistant or {}).get("monitorPlan") or {}


def is_enabled(plan: Mapping[str, Any], kind: Kind) -> bool:
    """Listening and control are on unless the plan switches them off."""
    return plan.get(f"{kind}Enabled") is not False


def needs_key(plan: Mapping[str, Any], kind: Kind) -> bool:
    """Whether the URL alone is not enough."""
    return plan.get(f"{kind}AuthenticationEnabled") is True
