"""Whether and as whom a call can begin: its assistant resolved, its providers found, what may be kept of it settled.

What cannot start is refused with the ended reason the API documents, and the call gets its terminal event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.call.resolution import Resolved
from domain.call.state import KeptCall
from domain.call.variables import CallFacts
from domain.chat.context import History
from domain.chat.messages import Message, for_model
from domain.configuration.lookup import Configurations, StoredConfigurations
from domain.log.ports import Documents, EventLog
from domain.session.state import ActiveSession
from media.audio.formats import AudioFormat, UnsupportedFormat
from media.call.call_clock import CallClock
from media.call.casting import CastingFailed, Role, first_role, resolved_role
from media.call.crew import Cast, cast, resolved_with
from media.call.providers import Providers
from media.call.retention import Retention, RetentionConflict, retention_of
from media.call.workshop import Workshop
from media.machine.plan import CallPlan, PlanInvalid
from media.providers.errors import ProviderError
from media.tools.mcp_tools import McpServers

WEBSOCKET = "vapi.websocket"
"""Vapi's name of the transport of calls that say nothing about it."""
MOST_EARLIER = 200
"""Messages of a session that a call goes on from; older ones are not sent to the model any more."""


class StartRefused(Exception):
    """The call cannot begin. ``reason`` is its ``endedReason``, ``message`` what a person needs to know."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class EarlyWarnings:
    """Warnings from before the call has a session to record them."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str]] = []
        self._take: Callable[[str, str], None] | None = None

    def warn(self, code: str, detail: str) -> None:
        """Record, now or as soon as that can be done."""
        if self._take is None:
            self._kept.append((code, detail))
        else:
            self._take(code, detail)

    def pass_to(self, take: Callable[[str, str], None]) -> None:
        """From now on there is somebody who records."""
        self._take = take
        for code, detail in self._kept:
            take(code, detail)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who begins the call, with its templates filled in; the tools of its MCP servers are not known yet."""

    role: Role
    resolved: Resolved
    facts: CallFacts
    stored: Configurations

    @property
    def waits_for_servers(self) -> bool:
        """Whether MCP servers have to be asked for their tools before the call can begin."""
        tools = _mapping(self.resolved.config.get("model")).get("tools")
        return any(_mapping(tool).get("type") == "mcp" for tool in (tools if isinstance(tools, list) else ()))

    async def expanded(self, mcp: McpServers) -> Chosen:
        """The same with the tools of its MCP servers in place of them."""
        return replace(self, resolved=resolved_with(self.resolved, await mcp.expanded(self.resolved.config)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can begin."""

    cast: Cast
    org_id: str
    facts: CallFacts
    stored: Configurations
    audio_format: AudioFormat
    retention: Retention

    @property
    def plan(self) -> CallPlan:
        """What the machine holds the conversation by."""
        return self.cast.plan

    @property
    def resolved(self) -> Resolved:
        """The configuration of whoever begins."""
        return self.cast.resolved


def choose_assistant(call: KeptCall, clock: CallClock, workshop: Workshop) -> Chosen:
    """Find who begins the call, and fill in the templates. Raises ``StartRefused``."""
    identity = call.identity
    stored = StoredConfigurations(workshop.documents, workshop.log, identity.org_id)
    try:
        role = first_role(identity, stored)
        facts = CallFacts(
            call_id=identity.id,
            type=identity.type,
            started_at=clock.origin,
            assistant_id=role.assistant_id,
            customer=_mapping(identity.request.get("customer")),
            transport=identity.transport,
        )
        resolved = resolved_role(role, facts, clock.origin, stored)
    except CastingFailed as failed:
        raise StartRefused(failed.reason, failed.message) from failed
    return Chosen(role, resolved, facts, stored)


def prepare(
    call: KeptCall,
    chosen: Chosen,
    clock: CallClock,
    workshop: Workshop,
    providers: Providers,
    *,
    earlier: Sequence[Message],
    server_available: bool,
) -> Prepared:
    """Put together what the call runs with; ``server_available`` says that the phone number or the organisation has a
    server. Raises ``StartRefused``."""
    try:
        audio_format = AudioFormat.from_transport(call.identity.transport)
    except UnsupportedFormat as error:
        raise StartRefused("call.start.error-get-transport", str(error)) from error
    try:
        retention = retention_of(chosen.resolved.config, zero_data_retention=workshop.settings.zero_data_retention)
    except RetentionConflict as error:
        raise StartRefused("assistant-not-valid", str(error)) from error
    squad = chosen.role.squad
    try:
        made = cast(
            chosen.role,
            chosen.resolved,
            providers,
            price_table=workshop.price_table,
            clock_origin_ms=clock.origin.timestamp() * 1000,
            tool_budget=workshop.settings.tool_budget,
            interruption_words=workshop.settings.interruption_words,
            transport_provider=transport_provider(call),
            thinks_ahead=workshop.settings.thinks_ahead,
            server_available=server_available,
            earlier=earlier,
            max_duration_seconds=squad.max_duration_seconds if squad is not None else None,
        )
    except ProviderError as error:
        raise StartRefused(workshop.ended_reason(error), str(error)) from error
    except PlanInvalid as error:
        raise StartRefused("assistant-not-valid", str(error)) from error
    return Prepared(made, call.identity.org_id, chosen.facts, chosen.stored, audio_format, retention)


async def earlier_messages(call: KeptCall, workshop: Workshop) -> list[Message]:
    """What was said before in the session that the call belongs to, newest last; nothing where it belongs to none.
    Sessions may be long: no other call waits until this one's is read."""
    session_id = call.identity.request.get("sessionId")
    if not isinstance(session_id, str) or workshop.log is None:
        return []
    return await asyncio.to_thread(_said_in_session, workshop.documents, workshop.log, session_id, call.identity.org_id)


def _said_in_session(documents: Documents, log: EventLog, session_id: str, org_id: str) -> list[Message]:
    document = documents.get("session", session_id, org_id=org_id)
    if document is None or not isinstance(document.state, ActiveSession):
        return []
    said = History(documents, log).session(document.state)
    return for_model([timed.message for timed in said][-MOST_EARLIER:])


def transport_provider(call: KeptCall) -> str:
    """Who carries the call, as its usage names them."""
    return str(call.identity.transport.get("provider") or WEBSOCKET)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
