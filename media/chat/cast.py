"""The assistants of one chat: who has the word, and how the next one of a squad gets ready to take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from domain.aggregate import Refused
from domain.call.resolution import Resolved
from domain.call.variables import PLATFORM_VARIABLES, CallFacts
from domain.chat.messages import Message
from domain.configuration.lookup import Configurations
from media.call.casting import CastingFailed, Role, next_role, resolved_role
from media.call.handoff_extraction import Read, read_variables
from media.chat.plan import ChatPlan
from media.machine.destinations import Destination
from media.tools.mcp_tools import McpServers
from media.tools.rendering import Now

Planned = Callable[[Resolved], ChatPlan]
"""The plan for a configuration that is complete. Raises ``Refused``."""


@dataclass(frozen=True, slots=True)
class Actor:
    """An assistant that can answer."""

    role: Role
    plan: ChatPlan


@dataclass(slots=True)
class Stage:
    """Who has the word."""

    present: Actor


@dataclass(frozen=True, slots=True)
class NextActor:
    """Who takes over, the variables that are known from then on, and what it took to find them out."""

    actor: Actor
    variables: dict[str, Any]
    read: Read


class Casting:
    """Gets assistants ready. ``stored`` is where they are found, ``facts`` are what templates know of the chat."""

    def __init__(
        self,
        stored: Configurations,
        facts: CallFacts,
        servers: McpServers,
        planned: Planned,
        *,
        now: Now,
        warn: Callable[[str, str], None],
    ) -> None:
        self._stored = stored
        self._facts = facts
        self._servers = servers
        self._planned = planned
        self._now = now
        self._warn = warn

    async def first(self, role: Role, resolved: Resolved) -> Actor:
        """The one that the chat begins with. Raises ``Refused``."""
        return await self._ready(role, resolved)

    async def next(
        self,
        present: Actor,
        destination: Destination,
        arguments: Mapping[str, Any],
        variables: Mapping[str, Any],
        messages: Sequence[Message],
    ) -> NextActor:
        """Whom ``destination`` means. Raises ``CastingFailed``."""
        role = next_role(destination.config, present.role.squad, self._stored)
        read = await self._extracted(present, destination, variables, messages)
        own = {name: value for name, value in {**arguments, **read.values}.items() if name not in PLATFORM_VARIABLES}
        known = {name: value for name, value in variables.items() if name not in PLATFORM_VARIABLES}
        facts = replace(self._facts, assistant_id=role.assistant_id)
        resolved = resolved_role(role, facts, self._now(), self._stored, {**known, **own})
        for warning in resolved.warnings:
            self._warn(warning.code, f"{warning.field}: {warning.detail}" if warning.field else warning.detail)
        try:
            actor = await self._ready(role, resolved)
        except Refused as refused:
            raise CastingFailed("assistant-not-valid", str(refused)) from refused
        return NextActor(actor, {**variables, **resolved.variable_values, **own}, read)

    async def _ready(self, role: Role, resolved: Resolved) -> Actor:
        complete = replace(resolved, config=await self._servers.expanded(resolved.config))
        return Actor(role, self._planned(complete))

    async def _extracted(
        self, present: Actor, destination: Destination, variables: Mapping[str, Any], messages: Sequence[Message]
    ) -> Read:
        plan = destination.config.get("variableExtractionPlan")
        if plan is None:
            return Read()
        read = await read_variables(plan, present.plan.models[0], messages, variables=variables, now=self._now)
        if read.problem:
            self._warn("handoff-extraction-failed", read.problem)
        return read
