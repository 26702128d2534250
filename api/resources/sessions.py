"""``/session``: conversations that several chats and calls share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from api.configuration.references import Reference, under
from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters, Several
from api.models.session import SessionBody
from api.resources.assistants import ASSISTANT_REFERENCES
from api.resources.squads import SQUAD_REFERENCES, inline_squad_issues
from domain.chat.context import History
from domain.chat.messages import shown_messages
from domain.chat.wire import session_costs
from domain.configuration.state import Configuration
from domain.log.ports import Documents, EventLog
from domain.session.aggregate import SESSION
from domain.session.state import ActiveSession, expiration_seconds, session_status

_CUSTOMER_FIELDS: Final = {
    "number": "number",
    "sip_uri": "sipUri",
    "email": "email",
    "external_id": "externalId",
    "extension": "extension",
    "number_e164_check_enabled": "numberE164CheckEnabled",
}


class SessionFilters(PagedFilters):
    """``GET /session``. ``name`` is that of the session or of its customer."""

    id: str | None = None
    id_any: Several | None = None
    name: str | None = None
    assistant_id: str | None = None
    assistant_id_any: Several | None = None
    squad_id: str | None = None
    workflow_id: str | None = None
    number: str | None = None
    sip_uri: str | None = None
    email: str | None = None
    external_id: str | None = None
    extension: str | None = None
    number_e164_check_enabled: bool | None = None
    customer_number_any: Several | None = None
    phone_number_id: str | None = None
    phone_number_id_any: Several | None = None


def _matches(state: Configuration, filters: SessionFilters) -> bool:
    config = state.config
    customer: Mapping[str, Any] = config.get("customer") or {}
    same = {
        "assistantId": filters.assistant_id,
        "squadId": filters.squad_id,
        "workflowId": filters.workflow_id,
        "phoneNumberId": filters.phone_number_id,
    }
    among = (
        (config.get("assistantId"), filters.assistant_id_any),
        (config.get("phoneNumberId"), filters.phone_number_id_any),
        (customer.get("number"), filters.customer_number_any),
    )
    return (
        all(wanted is None or config.get(field) == wanted for field, wanted in same.items())
        and all(wanted is None or value in wanted for value, wanted in among)
        and all(
            (wanted := getattr(filters, name)) is None or customer.get(field) == wanted
            for name, field in _CUSTOMER_FIELDS.items()
        )
        and filters.name in (None, config.get("name"), customer.get("name"))
    )


def _rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    for stored, inline in (("assistantId", "squadId"), ("assistant", "squad")):
        if config.get(stored) is not None and config.get(inline) is not None:
            text = f"{inline} should not exist beside {stored}: a session has one of them"
            yield Issue("INVALID_VALUE", text, f"/body/{inline}")
    if isinstance(config.get("squad"), dict):
        yield from inline_squad_issues(config["squad"])


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    return {
        "status": session_status(state, now),
        "expirationSeconds": expiration_seconds(state.config),
    }


def _gathered(state: Configuration, documents: Documents, log: EventLog) -> dict[str, Any]:
    """The messages that were put there and those of the chats and calls held in it, and what its chats cost."""
    put = state.config.get("messages") or []
    if not isinstance(state, ActiveSession):
        return {"messages": put, **session_costs(())}
    history = History(documents, log)
    values = (state.config.get("assistantOverrides") or {}).get("variableValues")
    return {
        "messages": [*put, *shown_messages(history.held(state))],
        **session_costs(history.session_usage(state)),
        **({"metadata": {"variableValues": values}} if values else {}),
    }


SESSIONS: Final = Resource(
    aggregate=SESSION,
    path="/session",
    noun="session",
    tag="Sessions",
    body=SessionBody,
    style="page",
    filters=SessionFilters,
    matches=_matches,
    changeable=frozenset({"name", "status", "expirationSeconds", "messages"}),
    rules=_rules,
    references=(
        Reference("assistantId", "assistant"),
        Reference("squadId", "squad"),
        Reference("phoneNumberId", "phone_number"),
        *under("assistant", ASSISTANT_REFERENCES),
        *under("assistantOverrides", ASSISTANT_REFERENCES),
        *under("squad", SQUAD_REFERENCES),
    ),
    more=_more,
    gathered=_gathered,
    shows={"cost": {"type": "number"}, "costs": {"type": "array", "items": {"type": "object"}}},
)
