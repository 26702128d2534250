"""Whom the messages of a call go to: configurations as they were when the event happened, read from the log.

Reading them as of that instant makes the outbox the same whenever it is folded again, so that a server which was
configured today is not sent what happened yesterday.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from domain.aggregates import AGGREGATES
from domain.configuration.state import ActiveConfiguration
from domain.log.ports import Documents, EventLog
from domain.organization.state import Organization
from domain.overrides import apply_overrides
from domain.server_messages.selection import server_messages
from domain.server_messages.server import Server, most_specific
from domain.write_only import without_secrets

Json = dict[str, Any]

_CONFIGURED = (ActiveConfiguration, Organization)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go, which ones are wanted, and the number that the call came by, as messages show it."""

    server: Server
    wanted: frozenset[str]
    phone_number: Json | None = None


class ConfigurationsAt(Protocol):
    """Stored configurations as they were at an instant."""

    def find(self, kind: str, id: str, org_id: str, at: datetime) -> Json | None:
        """The configuration of that kind, or ``None`` where there was none then."""


class RecordedConfigurations:
    """``ConfigurationsAt`` from documents, and from the log where a document has changed since. For any thread."""

    def __init__(self, documents: Documents, log: EventLog) -> None:
        self._documents = documents
        self._log = log

    def find(self, kind: str, id: str, org_id: str, at: datetime) -> Json | None:
        """As ``ConfigurationsAt.find``."""
        document = self._documents.get(kind, id, org_id=org_id)
        if document is not None and document.keys.updated_at <= at:
            return document.state.config if isinstance(document.state, _CONFIGURED) else None
        state: Any = None
        for positioned in self._log.history(id):
            if positioned.recorded.time > at:
                break
            if positioned.recorded.event.TYPE.partition(".")[0] != kind:
                return None
            state = AGGREGATES[kind].evolve(state, positioned.recorded)
        return state.config if isinstance(state, _CONFIGURED) and state.org_id == org_id else None


class Addressing:
    """Finds the subscription of a call, by the documented precedence: assistant, phone number, organisation."""

    def __init__(self, configurations: ConfigurationsAt) -> None:
        self._configurations = configurations

    def of_request(self, request: Mapping[str, Any], org_id: str, at: datetime) -> Subscription | None:
        """Before the assistant is resolved: from what the request names."""
        return self._subscription(self.assistant_of_request(request, org_id, at), request, org_id, at)

    def of_assistant(
        self, assistant: Mapping[str, Any], request: Mapping[str, Any], org_id: str, at: datetime
    ) -> Subscription | None:
        """From the resolved assistant in charge."""
        return self._subscription(assistant, request, org_id, at)

    def _subscription(
        self, assistant: Mapping[str, Any], request: Mapping[str, Any], org_id: str, at: datetime
    ) -> Subscription | None:
        number = self._stored("phone_number", request.get("phoneNumberId"), org_id, at)
        server = most_specific(assistant, number, self._stored("organization", org_id, org_id, at))
        if server is None:
            return None
        shown = {**without_secrets(number, "phone_number"), "id": request.get("phoneNumberId")} if number else None
        return Subscription(server=server, wanted=server_messages(assistant), phone_number=shown)

    def assistant_of_request(self, request: Mapping[str, Any], org_id: str, at: datetime) -> Json:
        """The assistant that a request names, with its overrides: the first one of a squad."""
        target: Mapping[str, Any] = request
        squad = request.get("squad") or self._stored("squad", request.get("squadId"), org_id, at)
        if isinstance(squad, dict) and squad.get("members"):
            target = squad["members"][0]
        inline = target.get("assistant")
        stored = self._stored("assistant", target.get("assistantId"), org_id, at)
        layers = (target.get("assistantOverrides"), request.get("assistantOverrides"))
        base = inline if isinstance(inline, dict) else stored or {}
        return apply_overrides(base, [layer for layer in layers if isinstance(layer, dict)])

    def _stored(self, kind: str, id: Any, org_id: str, at: datetime) -> Json | None:
        return self._configurations.find(kind, id, org_id, at) if isinstance(id, str) and id else None
