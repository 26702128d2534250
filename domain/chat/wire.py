"""Vapi's Chat object, https://docs.vapi.ai/api-reference/chats/get, folded from a chat's state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from domain.chat.events import UsageMetered
from domain.chat.messages import Timed, output_messages, shown_messages
from domain.chat.state import Failed, KeptChat, status
from domain.pricing.cost import CallCost, usage_cost
from domain.pricing.wire import cost_rows
from domain.wire_time import iso_ms
from domain.write_only import without_secrets

_AS_SENT: Final = ("input", "stream", "assistant", "assistantOverrides", "squad", "squadId", "transport", "metadata")


def chat_body(chat: KeptChat, before: Sequence[Timed] | msgspec.Raw) -> dict[str, Any]:
    """The chat as a client reads it. ``before`` is what it went on from, or the JSON array of that.

    ``status`` is beside Vapi's own fields: a chat that failed has it, and ``error`` says why.
    """
    identity = chat.identity
    request = without_secrets(identity.request)
    cost = usage_cost(chat.usage)
    body: dict[str, Any] = {
        "id": identity.id,
        "orgId": identity.org_id,
        "createdAt": iso_ms(identity.created_at),
        "updatedAt": iso_ms(chat.updated_at),
        "status": status(chat),
        **{name: request[name] for name in _AS_SENT if request.get(name) is not None},
        "messages": before if isinstance(before, msgspec.Raw) else shown_messages(before),
        "output": output_messages(chat.entries),
        "cost": float(cost.total_usd),
        "costs": cost_rows(cost),
    }
    optional = {
        "assistantId": identity.assistant_id,
        "sessionId": identity.session_id,
        "previousChatId": identity.previous_chat_id,
        "name": identity.name,
        "error": {"reason": chat.reason, "message": chat.message} if isinstance(chat, Failed) else None,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def session_costs(usage: Iterable[UsageMetered]) -> dict[str, Any]:
    """``cost`` and ``costs`` of a session: a row for each model that its chats used, and one for their messages."""
    cost = usage_cost(usage)
    fees = [row for row in cost.rows if row.meter == "chat"]
    models = CallCost(rows=tuple(row for row in cost.rows if row.meter != "chat"))
    fee = CallCost(rows=tuple(fees)).total_usd
    rows = [*cost_rows(models), *([{"type": "session", "cost": float(fee)}] if fees else [])]
    return {"cost": float(cost.total_usd), "costs": rows}
