"""A stand-in for Anthropic's messages endpoint with streaming answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web

from tests.simulators.openai_platform_server import pieces
from tests.simulators.vendor_server import Fault, VendorServer


class AnthropicServer(VendorServer):
    """Answers with ``says``, or calls ``tool`` (name, JSON text) where the request has tools."""

    def __init__(
        self, *, says: str = "All right then.", tool: tuple[str, str] | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(faults=faults)
        self.says = says
        self.tool = tool

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/messages", partial(self.events, events=self._events))]

    def _events(self, body: dict[str, Any]) -> list[bytes]:
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 1, "cache_read_input_tokens": 0},
        }
        start: dict[str, Any]
        deltas: list[dict[str, Any]]
        if self.tool is not None and body.get("tools"):
            name, arguments = self.tool
            start = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
            half = len(arguments) // 2
            deltas = [
                {"type": "input_json_delta", "partial_json": part} for part in (arguments[:half], arguments[half:])
            ]
        else:
            start = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(self.says)]
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "ping"},
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
