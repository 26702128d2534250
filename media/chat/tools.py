"""Tool calls of a chat: which of them run, and what the model reads of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from media.chat.plan import ChatPlan
from media.chat.settings import ChatSettings
from media.machine.destinations import Destination, choose, read_destination
from media.machine.handovers import NO_DESTINATION
from media.machine.inputs import DestinationAnswered, RequestedTool, ToolErred
from media.machine.outputs import AskDestination, CallTool
from media.machine.rejection import Situation
from media.machine.tool_admission import model_arguments, refusal
from media.machine.tool_plan import ToolPlan
from media.machine.tools import ASYNC_RESULT, ENDING_RESULT
from media.tools.outcome import Answered, Failed, Outcome, ToolExecutor

ALREADY: Final = "The conversation is being handed over already."
_LEADING_ON: Final = ("handoff", "transferCall")
_DYNAMIC: Final = Destination(type="dynamic", key="dynamic", config={"type": "dynamic"})

Spawn = Callable[[Coroutine[Any, Any, None], str], object]
"""Starts a task of the chat under a name."""


@dataclass(frozen=True, slots=True)
class AskedOfClient:
    """Nobody here runs it: the client sees the call in the output, and sends the result as its next input."""


@dataclass(frozen=True, slots=True)
class HandsOver:
    """The conversation is to go to ``destination``; ``result`` is what the model's call is answered with, if anything
    is said about that."""

    destination: Destination
    result: str = ""


Settled: TypeAlias = Outcome | AskedOfClient | HandsOver

Asked = Callable[[AskDestination], Awaitable[DestinationAnswered | ToolErred]]
"""Asks the tenant's server where a conversation should go."""


class ChatTools:
    """Runs the tools of one chat. ``bench`` carries out those of every type, ``warn`` takes what a person should know.

    ``variables`` are those that templates know; what tools' answers set is added to them. ``ask`` asks a server where
    a dynamic hand-off leads.
    """

    def __init__(
        self,
        plan: ChatPlan,
        bench: ToolExecutor,
        settings: ChatSettings,
        variables: dict[str, Any],
        warn: Callable[[str, str], None],
        ask: Asked,
    ) -> None:
        self._plan = plan
        self._bench = bench
        self._ask = ask
        self._budget = settings.most_tool_calls
        self._variables = variables
        self._warn = warn
        self._made = 0

    def use(self, plan: ChatPlan) -> None:
        """From now on the tools are those of another assistant."""
        self._plan = plan

    def ends_chat(self, call: RequestedTool, settled: Settled) -> bool:
        """Whether nothing is written after this call."""
        tool = self._plan.tools.get(call.name)
        return tool is not None and tool.kind == "endCall" and isinstance(settled, Answered)

    async def run(self, calls: Sequence[RequestedTool], situation: Situation, spawn: Spawn) -> dict[str, Settled]:
        """What became of each call, by its id. ``situation`` is what rejection plans are held against."""
        settled: dict[str, Settled] = {}
        sent: list[CallTool] = []
        for place, call in enumerate(calls):
            tool = self._plan.tools.get(call.name)
            why = refusal(tool, call, situation, made=self._made, budget=self._budget, place=place)
            self._made += 1
            if tool is None or why:
                settled[call.id] = Failed("rejected", why)
            elif tool.kind in _LEADING_ON:
                goes = any(isinstance(outcome, HandsOver) for outcome in settled.values())
                settled[call.id] = Failed("rejected", ALREADY) if goes else await self._leads(tool, call)
            elif tool.kind != "remote":
                settled[call.id] = _of_conversation(tool)
            elif tool.detached:
                settled[call.id] = Answered(ASYNC_RESULT)
                spawn(self._send(self._order(tool, call)), "tool")
            else:
                sent.append(self._order(tool, call))
        return settled | dict(await self._carried_out(sent))

    async def _leads(self, tool: ToolPlan, call: RequestedTool) -> Settled:
        """Where a hand-off or transfer leads. In writing it can lead to an assistant only."""
        handoff = tool.kind == "handoff"
        chosen = choose(tool.destinations, call.arguments) if tool.destinations else _DYNAMIC
        if chosen is None:
            return Failed("rejected", NO_DESTINATION)
        default = tool.config.get("defaultResult")
        result = default if isinstance(default, str) else ""
        if chosen.type == "dynamic":
            order = AskDestination(
                tool_call_id=call.id,
                handoff=handoff,
                arguments=call.arguments,
                tool=tool.config,
                destination=chosen.config,
            )
            answered = await self._ask(order)
            if isinstance(answered, ToolErred):
                return Failed("error", answered.error)
            chosen = read_destination(answered.destination, handoff=handoff)
            result = answered.result or result
        if chosen.type not in ("assistant", "squad"):
            return Failed("rejected", "A conversation in writing cannot be transferred to a telephone.")
        return HandsOver(chosen, result)

    def _order(self, tool: ToolPlan, call: RequestedTool) -> CallTool:
        return CallTool(
            tool_call_id=call.id,
            name=call.name,
            arguments=model_arguments(tool, call.arguments),
            tool=tool.config,
            detached=tool.detached,
            late=tool.late,
            variables=dict(self._variables),
        )

    async def _carried_out(self, sent: Sequence[CallTool]) -> Mapping[str, Outcome]:
        if not sent:
            return {}
        outcomes = await self._bench.run(sent)
        for call in sent:
            match outcomes[call.tool_call_id]:
                case Answered(truncated=truncated, variables=variables):
                    self._variables.update(variables)
                    if truncated:
                        text = f"{call.name}: {truncated} characters of its result were cut"
                        self._warn("oversized-tool-response", text)
                case Failed():
                    pass
        return outcomes

    async def _send(self, call: CallTool) -> None:
        outcome = (await self._bench.run([call]))[call.tool_call_id]
        if isinstance(outcome, Failed):
            self._warn("async-tool-failed", f"{call.name}: {outcome.failure}")


def _of_conversation(tool: ToolPlan) -> Settled:
    """What becomes of a call that nobody carries out for the conversation."""
    match tool.kind:
        case "endCall":
            return Answered(ENDING_RESULT)
        case "client":
            return AskedOfClient()
        case _:
            return Failed("rejected", f"Tools of type {tool.type!r} need a call; this is a chat.")
