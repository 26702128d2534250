"""The assistants of one call: the one that has the word, and how others get ready and take over.

The machine decides when; here is what that takes: configuration, providers, tools, and the switch in mid-call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from domain.call.resolution import Resolved
from domain.call.variables import PLATFORM_VARIABLES, CallFacts
from domain.configuration.lookup import Configurations
from media.call.casting import CastingFailed, Role, next_role, resolved_role
from media.call.handoff_extraction import Read, read_variables
from media.call.providers import Chosen, Providers, choose
from media.machine.inputs import AssistantResolved, Input, ToolErred, TransferProgressed
from media.machine.outputs import AskDestination, CallTool, ResolveAssistant, Transfer, UseAssistant
from media.machine.plan import CallPlan, PlanInvalid
from media.machine.transfers import NO_CARRIER
from media.providers.errors import ProviderError
from media.providers.vendors import load_for
from media.tools.destination_question import DestinationQuestions
from media.tools.mcp_tools import McpServers
from media.tools.outcome import ToolExecutor
from media.tools.rendering import Now
from media.tools.reporting import report


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """An assistant that can hold the conversation: its configuration complete, its tools known, its providers found."""

    role: Role
    resolved: Resolved
    chosen: Chosen
    plan: CallPlan

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the conversation runs with."""
        return self.resolved.config


def cast(role: Role, resolved: Resolved, providers: Providers, **facts: Any) -> Cast:
    """Find the providers and hold the configuration against the machine. ``facts`` are those of ``CallPlan``.

    Raises ``ProviderError`` and ``PlanInvalid``.
    """
    chosen = choose(providers, resolved.config)
    traits = chosen.transcribers[0].traits
    plan = CallPlan.from_assistant(
        resolved.config,
        native_end_of_turn=traits.native_end_of_turn,
        final_on_request=traits.needs_finalize,
        late_templates=resolved.late,
        variables=resolved.variable_values,
        **facts,
    )
    return Cast(role=role, resolved=resolved, chosen=chosen, plan=plan)


@dataclass(slots=True, kw_only=True)
class Backstage:
    """What a crew works with. ``spawn`` starts a task of the call, ``feed`` gives the machine an input, ``warn`` tells
    a person, ``switch`` gives voice, ears, mind and tools of the call to another assistant."""

    stored: Configurations
    providers: Providers
    facts: CallFacts
    now: Now
    bench: ToolExecutor
    mcp: McpServers
    questions: DestinationQuestions
    spawn: Callable[[Any, str], object]
    feed: Callable[[Input], None]
    warn: Callable[[str, str], None]
    switch: Callable[[Cast, Cast], None]


@dataclass(slots=True)
class Stage:
    """Who has the word."""

    present: Cast


class Crew:
    """See the module."""

    def __init__(self, stage: Stage, backstage: Backstage) -> None:
        self._stage = stage
        self._backstage = backstage
        self._ready: dict[str, Cast] = {}

    def start(self, calls: Sequence[CallTool]) -> None:
        """Carry out the tool calls of one answer; outcomes are fed unless detached."""
        for detached in (False, True):
            group = [call for call in calls if call.detached is detached]
            if group:
                self._backstage.spawn(self._run(group), "tool")

    def ask(self, order: AskDestination) -> None:
        """Ask the tenant's server where to go; the answer is fed."""
        self._backstage.spawn(self._ask(order), "destination")

    def resolve(self, order: ResolveAssistant) -> None:
        """Get another assistant ready; that it is, or why not, is fed."""
        self._backstage.spawn(self._resolve(order), "handoff")

    def use(self, order: UseAssistant) -> None:
        """The machine has changed over: so does everything else."""
        before = self._stage.present
        self._stage.present = self._ready.pop(order.tool_call_id)
        self._ready.clear()
        self._backstage.switch(before, self._stage.present)

    def transfer(self, order: Transfer) -> None:
        """Nobody carries this call who could connect it."""
        failed = TransferProgressed(transfer_id=order.transfer_id, status="failed", detail=NO_CARRIER)
        self._backstage.feed(failed)

    async def _run(self, calls: Sequence[CallTool]) -> None:
        report(calls, await self._backstage.bench.run(calls), self._backstage.feed, self._backstage.warn)

    async def _ask(self, order: AskDestination) -> None:
        self._backstage.feed(await self._backstage.questions.ask(order))

    async def _resolve(self, order: ResolveAssistant) -> None:
        back = self._backstage
        try:
            role = next_role(order.destination, self._stage.present.role.squad, back.stored)
            read = await self._extracted(order)
            own = {name: value for name, value in order.arguments.items() if name not in PLATFORM_VARIABLES}
            added = {**own, **read.values}
            resolved = await self._completed(role, {**order.variables, **added})
            await load_for(resolved.config)
            ready = cast(role, resolved, back.providers)
        except CastingFailed as failed:
            self._failed(order, str(failed))
            return
        except (ProviderError, PlanInvalid) as error:
            self._failed(order, f"The assistant cannot be used: {error}")
            return
        await asyncio.sleep(0)
        self._ready[order.tool_call_id] = ready
        for warning in resolved.warnings:
            back.warn(warning.code, f"{warning.field}: {warning.detail}" if warning.field else warning.detail)
        traits = ready.chosen.transcribers[0].traits
        back.feed(
            AssistantResolved(
                tool_call_id=order.tool_call_id,
                assistant=resolved.config,
                late_templates=resolved.late,
                variables=added,
                assistant_id=role.assistant_id,
                assistant_version=role.version,
                squad_id=role.squad.id if role.squad is not None else None,
                used=(*role.used, *resolved.used),
                native_end_of_turn=traits.native_end_of_turn,
                final_on_request=traits.needs_finalize,
                prompt_tokens=read.prompt_tokens,
                completion_tokens=read.completion_tokens,
            )
        )

    async def _extracted(self, order: ResolveAssistant) -> Read:
        plan = order.destination.get("variableExtractionPlan")
        if plan is None:
            return Read()
        model = self._stage.present.chosen.models[0]
        read = await read_variables(plan, model, order.messages, variables=order.variables, now=self._backstage.now)
        if read.problem:
            self._backstage.warn("handoff-extraction-failed", read.problem)
        return read

    async def _completed(self, role: Role, variables: Mapping[str, Any]) -> Resolved:
        back = self._backstage
        facts = replace_assistant(back.facts, role)
        known = {name: value for name, value in variables.items() if name not in PLATFORM_VARIABLES}
        resolved = resolved_role(role, facts, back.now(), back.stored, known)
        return resolved_with(resolved, await back.mcp.expanded(resolved.config))

    def _failed(self, order: ResolveAssistant, why: str) -> None:
        self._backstage.warn("handoff-failed", why)
        told = "The conversation cannot be handed there now."
        self._backstage.feed(ToolErred(tool_call_id=order.tool_call_id, failure="error", error=told))


def replace_assistant(facts: CallFacts, role: Role) -> CallFacts:
    """What templates know of the call while ``role`` has the word."""
    return replace(facts, assistant_id=role.assistant_id)


def resolved_with(resolved: Resolved, config: dict[str, Any]) -> Resolved:
    """The same with another configuration, whose templates stand where they stood."""
    return replace(resolved, config=config)
