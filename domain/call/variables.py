"""The variables that every template knows without being told, https://docs.vapi.ai/assistants/dynamic-variables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call before it starts. The mappings are wire objects (camelCase), empty where unknown."""

    call_id: str
    type: str
    status: str = "in-progress"
    started_at: datetime | None = None
    assistant_id: str | None = None
    customer: Mapping[str, Any] = {}
    phone_number: Mapping[str, Any] = {}
    transport: Mapping[str, Any] = {}


PLATFORM_VARIABLES = frozenset(
    {
        *("now", "currentDateTime", "date", "time", "year", "month", "day"),
        *("customer", "phoneNumber", "call", "assistant", "transport"),
    }
)
"""Facts that templates trust: nothing that a model or a tool's answer says takes their place."""

_CUSTOMER = ("number", "name", "sipUri", "email", "extension", "externalId")
_PHONE_NUMBER = ("number", "name")
_TRANSPORT = ("callSid", "provider", "conversationType")


def default_variables(facts: CallFacts, assistant: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Date, time and who is talking to whom over what. Times are UTC; other zones are for the ``date`` filter."""
    utc = now.astimezone(UTC)
    moment = f"{_day(utc)}, {_clock(utc)} UTC"
    return {
        "now": moment,
        "currentDateTime": moment,
        "date": _day(utc),
        "time": _clock(utc),
        "year": f"{utc:%Y}",
        "month": f"{utc:%B}",
        "day": str(utc.day),
        "customer": _chosen(facts.customer, _CUSTOMER),
        "phoneNumber": _chosen(facts.phone_number, _PHONE_NUMBER),
        "call": _known(
            {
                "id": facts.call_id,
                "type": facts.type,
                "status": facts.status,
                "startedAt": facts.started_at.astimezone(UTC).isoformat() if facts.started_at else None,
                "assistantId": facts.assistant_id,
            }
        ),
        "assistant": _known({"id": facts.assistant_id, "name": assistant.get("name")}),
        "transport": {"conversationType": "voice", **_chosen(facts.transport, _TRANSPORT)},
    }


def _day(moment: datetime) -> str:
    return f"{moment:%b} {moment.day}, {moment:%Y}"


def _clock(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment:%M %p}"


def _chosen(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return _known({name: source.get(name) for name in names})


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
