"""Function tools run on the tenant's server: one ``POST`` per server for the calls of one model answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from domain.egress import EgressBlocked
from media.machine.inputs import Input, ToolErred, ToolReturned
from media.machine.outputs import CallTool
from media.tools.tool_answer import Answered, Failed, Outcome, read_answer
from media.tools.tool_request import ToolServer, find_server, tool_calls_message

_BODY_CAP = 1 << 20
"""Bytes of an answer that are read at all."""


class FunctionCaller:
    """One call's function tools. ``client`` must be guarded (``media.tools.egress``).

    ``snapshot`` gives ``call``, ``assistant`` and ``artifact`` as they stand, ``spawn`` starts a task of the call,
    ``feed`` takes the outcome, ``warn`` what a person should know.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        assistant: Mapping[str, Any],
        *,
        snapshot: Callable[[], Mapping[str, Any]],
        timestamp_ms: Callable[[], int],
        spawn: Callable[[Any, str], object],
        feed: Callable[[Input], None],
        warn: Callable[[str, str], None],
        timeout_s: float,
        result_cap: int,
    ) -> None:
        self._client = client
        self._assistant = assistant
        self._snapshot = snapshot
        self._timestamp_ms = timestamp_ms
        self._spawn = spawn
        self._feed = feed
        self._warn = warn
        self._timeout_s = timeout_s
        self._result_cap = result_cap

    def start(self, calls: Sequence[CallTool]) -> None:
        """Send them, those for the same server together; outcomes come through ``feed`` unless detached."""
        grouped: dict[tuple[ToolServer | None, bool], list[CallTool]] = {}
        for call in calls:
            server = find_server(call.tool, self._assistant, self._timeout_s)
            grouped.setdefault((server, call.detached), []).append(call)
        for (server, _), group in grouped.items():
            if server is None:
                missing = Failed("unreachable", "No server URL is configured for this tool.")
                self._report(group, {call.tool_call_id: missing for call in group})
            else:
                self._spawn(self._run(server, group), "tool")

    async def _run(self, server: ToolServer, calls: Sequence[CallTool]) -> None:
        message = tool_calls_message(calls, timestamp_ms=self._timestamp_ms(), snapshot=self._snapshot())
        body = msgspec.json.encode(message)
        self._report(calls, await self._ask(server, body, [call.tool_call_id for call in calls]))

    async def _ask(self, server: ToolServer, body: bytes, call_ids: Sequence[str]) -> dict[str, Outcome]:
        """Send, and again as the server's back-off plan says; every repetition is byte for byte the same."""
        attempt = 0
        while True:
            outcome: Failed
            try:
                async with asyncio.timeout(server.timeout_s):
                    status, answer = await self._post(server, body)
            except TimeoutError:
                outcome = Failed("timeout", f"The tool server did not answer within {server.timeout_s:g} seconds.")
            except EgressBlocked as error:
                return dict.fromkeys(call_ids, Failed("refused", str(error)))
            except httpx.InvalidURL as error:
                return dict.fromkeys(call_ids, Failed("unreachable", f"The tool's server URL is not valid: {error}"))
            except httpx.HTTPError as error:
                outcome = Failed("unreachable", f"The tool server could not be reached ({type(error).__name__}).")
            else:
                if not server.backoff.repeats(status) or attempt >= server.backoff.retries:
                    return read_answer(status, answer, call_ids, cap=self._result_cap)
                outcome = Failed("http-status", f"The tool server answered with HTTP status {status}.")
            if attempt >= server.backoff.retries:
                return dict.fromkeys(call_ids, outcome)
            await asyncio.sleep(server.backoff.pause_s(attempt))
            attempt += 1

    async def _post(self, server: ToolServer, body: bytes) -> tuple[int, bytes]:
        headers = {"content-type": "application/json", **dict(server.headers)}
        async with self._client.stream("POST", server.url, content=body, headers=headers, timeout=None) as response:
            answer = bytearray()
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > _BODY_CAP:
                    break
            return response.status_code, bytes(answer[:_BODY_CAP])

    def _report(self, calls: Sequence[CallTool], outcomes: Mapping[str, Outcome]) -> None:
        for call in calls:
            outcome = outcomes[call.tool_call_id]
            if call.detached:
                if isinstance(outcome, Failed):
                    self._warn("async-tool-failed", f"{call.name}: {outcome.failure}")
                continue
            match outcome:
                case Answered(result=result, message=message, metadata=metadata, truncated=truncated):
                    if truncated:
                        self._warn(
                            "oversized-tool-response", f"{call.name}: {truncated} characters of its result were cut"
                        )
                    self._feed(
                        ToolReturned(tool_call_id=call.tool_call_id, result=result, message=message, metadata=metadata)
                    )
                case Failed(failure=failure, error=error, message=message):
                    self._feed(ToolErred(tool_call_id=call.tool_call_id, failure=failure, error=error, message=message))
