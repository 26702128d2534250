"""Tool calls of a chat: which of them run here, and what the model reads of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import httpx

from domain.call.events import ToolFailure
from media.chat.plan import ChatPlan
from media.chat.settings import ChatSettings
from media.machine.inputs import Input, RequestedTool, ToolErred, ToolReturned
from media.machine.outputs import CallTool
from media.machine.rejection import Situation
from media.machine.tool_plan import ToolPlan
from media.machine.tools import ASYNC_RESULT, ENDING_RESULT
from media.tools.function_call import FunctionCaller

_FAILURES: frozenset[str] = frozenset(get_args(ToolFailure))


@dataclass(frozen=True, slots=True)
class Returned:
    """What the tool answered, as the model reads it."""

    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    """``error`` is what the model is told."""

    failure: ToolFailure
    error: str


@dataclass(frozen=True, slots=True)
class AskedOfClient:
    """Nobody here runs it: the client sees the call in the output, and sends the result as its next input."""


Outcome = Returned | Failed | AskedOfClient


class ChatTools:
    """Runs the tools of one chat. ``client`` must be guarded; ``snapshot`` is what tool servers are told besides."""

    def __init__(
        self,
        plan: ChatPlan,
        client: httpx.AsyncClient,
        settings: ChatSettings,
        *,
        snapshot: Callable[[], Mapping[str, Any]],
        timestamp_ms: Callable[[], int],
        warn: Callable[[str, str], None],
    ) -> None:
        self._plan = plan
        self._client = client
        self._settings = settings
        self._snapshot = snapshot
        self._timestamp_ms = timestamp_ms
        self._warn = warn

    def ends_chat(self, call: RequestedTool) -> bool:
        """Whether nothing is written after this call."""
        tool = self._plan.tools.get(call.name)
        return tool is not None and tool.kind == "endCall" and not call.problem

    async def run(self, calls: Sequence[RequestedTool], situation: Situation) -> dict[str, Outcome]:
        """The outcome of each call, by its id. ``situation`` is what rejection plans are held against."""
        outcomes: dict[str, Outcome] = {}
        sent: list[CallTool] = []
        for call in calls:
            tool = self._plan.tools.get(call.name)
            settled = _settled(call, tool, situation)
            if settled is not None:
                outcomes[call.id] = settled
            if tool is not None and (settled is None or (tool.detached and isinstance(settled, Returned))):
                sent.append(
                    CallTool(
                        tool_call_id=call.id,
                        name=call.name,
                        arguments=call.arguments,
                        tool=tool.config,
                        detached=tool.detached,
                    )
                )
        return {**outcomes, **await self._ask(sent)}

    async def _ask(self, sent: Sequence[CallTool]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}

        def take(answer: Input) -> None:
            match answer:
                case ToolReturned(tool_call_id=call_id, result=result):
                    outcomes[call_id] = Returned(result)
                case ToolErred(tool_call_id=call_id, failure=failure, error=error):
                    category: Any = failure if failure in _FAILURES else "error"
                    outcomes[call_id] = Failed(category, error)
                case _:
                    raise AssertionError(f"a tool answers with {type(answer).__name__}")

        async with asyncio.TaskGroup() as running:
            caller = FunctionCaller(
                self._client,
                self._plan.assistant,
                snapshot=self._snapshot,
                timestamp_ms=self._timestamp_ms,
                spawn=lambda coroutine, name: running.create_task(coroutine, name=name),
                feed=take,
                warn=self._warn,
                timeout_s=self._settings.tool_timeout_s,
                result_cap=self._settings.tool_result_cap,
            )
            caller.start(sent)
        return outcomes


def _settled(call: RequestedTool, tool: ToolPlan | None, situation: Situation) -> Outcome | None:
    """The outcome of a call that no server is asked about; ``None`` where one is."""
    if tool is None:
        return Failed("rejected", f"There is no tool named {call.name!r}.")
    if call.problem:
        return Failed("rejected", call.problem)
    if tool.rejection.conditions.met(situation):
        return Failed("rejected", "The call was rejected: the conversation does not allow it now.")
    match tool.kind:
        case "unsupported":
            return Failed("rejected", f"Tools of type {tool.type!r} are not supported in chats by this server.")
        case "endCall":
            return Returned(ENDING_RESULT)
        case "client":
            return AskedOfClient()
        case _:
            return Returned(ASYNC_RESULT) if tool.detached else None
