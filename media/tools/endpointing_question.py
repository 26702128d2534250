"""Asking the tenant's server whether the caller has finished (``call.endpointing.request``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec

from domain.egress import EgressBlocked
from domain.foreign_json import UnreadableJson, read_json
from media.machine.inputs import EndpointingAnswered, Input
from media.machine.outputs import AskEndpointing
from media.tools.tool_request import ToolServer, find_server

_NO_ANSWER_MS = -1.0
_LONGEST_WAIT_S = 15.0
_TIMEOUT_S = 5.0


class EndpointingQuestions:
    """One call's questions; a new one makes the earlier worthless. ``client`` must be guarded.

    Whatever goes wrong is answered with a negative time-out: the text heuristic decides then.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        assistant: Mapping[str, Any],
        *,
        spawn: Callable[[Any, str], asyncio.Task[None]],
        feed: Callable[[Input], None],
        warn: Callable[[str, str], None],
        call: Mapping[str, Any],
    ) -> None:
        self._client = client
        self._server = _server(assistant)
        self._spawn = spawn
        self._feed = feed
        self._warn = warn
        self._call = call
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

    async def _ask(self, server: ToolServer, question: AskEndpointing) -> None:
        message = {
            "type": "call.endpointing.request",
            "messages": question.messages,
            "messagesOpenAIFormatted": question.messages,
            "call": self._call,
        }
        timeout_ms = _NO_ANSWER_MS
        try:
            response = await self._client.post(
                server.url,
                content=msgspec.json.encode({"message": message}),
                headers={"content-type": "application/json", **dict(server.headers)},
                timeout=server.timeout_s,
            )
            response.raise_for_status()
            timeout_ms = _timeout_ms(response.content)
        except (httpx.HTTPError, httpx.InvalidURL, EgressBlocked, UnreadableJson) as error:
            if not self._warned:
                self._warned = True
                self._warn("endpointing-server-failed", f"the text heuristic decides instead ({type(error).__name__})")
        self._feed(EndpointingAnswered(ask_id=question.ask_id, timeout_ms=timeout_ms))


def _server(assistant: Mapping[str, Any]) -> ToolServer | None:
    plan = assistant.get("startSpeakingPlan")
    smart = plan.get("smartEndpointingPlan") if isinstance(plan, Mapping) else None
    return find_server(smart if isinstance(smart, Mapping) else {}, assistant, _TIMEOUT_S)


def _timeout_ms(body: bytes) -> float:
    answer = read_json(body)
    seconds = answer.get("timeoutSeconds") if isinstance(answer, dict) else None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return _NO_ANSWER_MS
    return min(_LONGEST_WAIT_S, max(0.0, float(seconds))) * 1000
