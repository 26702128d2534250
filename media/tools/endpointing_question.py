"""Asking the tenant's server whether the caller has finished (``call.endpointing.request``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.foreign_json import UnreadableJson, read_json
from domain.server_messages.server import Server
from media.machine.inputs import EndpointingAnswered, Input
from media.machine.outputs import AskEndpointing
from media.tools.outcome import Failed
from media.tools.tenant_servers import TenantServers

KIND: Final = "call.endpointing.request"
_NO_ANSWER_MS: Final = -1.0
_LONGEST_WAIT_S: Final = 15.0
_TIMEOUT_S: Final = 5.0


class EndpointingQuestions:
    """One call's questions; a new one makes the earlier worthless. ``snapshot`` gives the fields of every message.

    Whatever goes wrong is answered with a negative time-out: the text heuristic decides then, and the first time a
    warning says why.
    """

    def __init__(
        self,
        servers: TenantServers,
        assistant: Mapping[str, Any],
        *,
        spawn: Callable[[Any, str], asyncio.Task[None]],
        feed: Callable[[Input], None],
        warn: Callable[[str, str], None],
        snapshot: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._servers = servers
        self._server = servers.find(_plan(assistant), assistant, default_timeout_s=_TIMEOUT_S)
        self._spawn = spawn
        self._feed = feed
        self._warn = warn
        self._snapshot = snapshot
        self._running: asyncio.Task[None] | None = None
        self._warned = False

    def ask(self, question: AskEndpointing) -> None:
        """Send the conversation so far; the answer comes through ``feed``."""
        if self._running is not None:
            self._running.cancel()
        if self._server is None:
            self._feed(EndpointingAnswered(ask_id=question.ask_id, timeout_ms=_NO_ANSWER_MS))
            return
        self._running = self._spawn(self._ask(self._server, question), "endpointing")

    async def _ask(self, server: Server, question: AskEndpointing) -> None:
        history = {"messages": question.messages, "messagesOpenAIFormatted": question.messages}
        reply = await self._servers.ask(
            server,
            {"type": KIND, **history, **self._snapshot()},
            source=f"{KIND}.{question.ask_id}",
            whom="The endpointing server",
        )
        if isinstance(reply, Failed):
            answer: float | str = reply.error
        elif not 200 <= reply.status < 300:
            answer = f"HTTP status {reply.status}"
        else:
            answer = read_endpointing_answer(reply.body)
        if isinstance(answer, str) and not self._warned:
            self._warned = True
            self._warn("endpointing-server-failed", f"the text heuristic decides instead: {answer}")
        timeout_ms = _NO_ANSWER_MS if isinstance(answer, str) else answer
        self._feed(EndpointingAnswered(ask_id=question.ask_id, timeout_ms=timeout_ms))


def read_endpointing_answer(body: bytes) -> float | str:
    """The wait in ms that ``{"timeoutSeconds"}`` asks for, at most 15 s; or why the answer is none."""
    try:
        answer = read_json(body)
    except UnreadableJson as error:
        return f"its answer is {str(error)[:200]}"
    seconds = answer.get("timeoutSeconds") if isinstance(answer, dict) else None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return "timeoutSeconds in its answer is not a number"
    return min(_LONGEST_WAIT_S, max(0.0, float(seconds))) * 1000


def _plan(assistant: Mapping[str, Any]) -> Mapping[str, Any]:
    plan = assistant.get("startSpeakingPlan")
    smart = plan.get("smartEndpointingPlan") if isinstance(plan, Mapping) else None
    return smart if isinstance(smart, Mapping) else {}
