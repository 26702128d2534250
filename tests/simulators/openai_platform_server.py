"""A stand-in for OpenAI beside chat completions with scripted answers: responses, speech, streaming transcription.

Every model answers with ``says``, or calls ``tool`` where the request has tools and no result of one yet.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from aiohttp import web

from media.audio.formats import RateConverter
from media.providers.scripted import tone
from tests.simulators.heard_speech import Grew, HeardSpeech
from tests.simulators.vendor_server import Fault, Refuse, VendorServer, Wire

MS_PER_CHARACTER = 20.0
RATE_HZ = 24_000


class OpenAiPlatformServer(VendorServer):
    """``tool`` is a name and its arguments as JSON text."""

    def __init__(
        self,
        texts: Sequence[str] = (),
        *,
        says: str = "All right then.",
        tool: tuple[str, str] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(faults=faults)
        self.heard = HeardSpeech(texts)
        self.says = says
        self.tool = tool

    @property
    def base_url(self) -> str:
        return f"{super().base_url}/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", partial(self.events, events=self._chunks)),
            web.post("/v1/responses", partial(self.events, events=self._response_events)),
            web.post("/v1/audio/speech", partial(self.events, events=self._speech)),
            web.get("/v1/realtime", partial(self.socket, serve=self._realtime)),
        ]

    def refusal(self, request: web.Request, fault: Fault) -> web.Response | None:
        refused = super().refusal(request, fault)
        if refused is not None and isinstance(fault, Refuse):
            error = {"message": "refused", "type": "error", "param": None, "code": "rate_limit_exceeded"}
            headers = {name: value for name, value in refused.headers.items() if name.lower() == "retry-after"}
            return web.json_response({"error": error}, status=fault.status, headers=headers)
        return refused

    def _chunks(self, body: dict[str, Any]) -> list[bytes]:
        deltas: list[tuple[dict[str, Any], str | None]]
        if self.tool is not None and body.get("tools"):
            name, arguments = self.tool
            call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}
            deltas = [({"tool_calls": [call]}, None), ({}, "tool_calls")]
        else:
            deltas = [({"content": piece}, None) for piece in pieces(self.says)] + [({}, "stop")]
        about = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        sent = [
            _data({**about, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
            for delta, reason in deltas
        ]
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        return [*sent, _data({**about, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]

    def _response_events(self, body: dict[str, Any]) -> list[bytes]:
        base = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": body["model"],
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "status": "in_progress",
        }
        events: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": base})]
        if self.tool is not None and body.get("tools"):
            name, arguments = self.tool
            item: dict[str, Any] = {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_0",
                "name": name,
                "arguments": arguments,
            }
            delta = {"item_id": "fc_1", "output_index": 0, "delta": arguments}
            events.append(("response.function_call_arguments.delta", delta))
        else:
            item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": []}
            about = {"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []}
            events += [("response.output_text.delta", {**about, "delta": piece}) for piece in pieces(self.says)]
        events.append(("response.output_item.done", {"output_index": 0, "item": item}))
        usage = {
            "input_tokens": 11,
            "output_tokens": 5,
            "total_tokens": 16,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        done = {**base, "status": "completed", "output": [item], "usage": usage}
        events.append(("response.completed", {"response": done}))
        return [
            f"event: {kind}\n".encode() + _data({"type": kind, "sequence_number": number, **event})
            for number, (kind, event) in enumerate(events)
        ]

    def _speech(self, body: dict[str, Any]) -> list[bytes]:
        samples = np.frombuffer(tone(len(body["input"]) * MS_PER_CHARACTER), "<i2")
        pcm = RateConverter(16_000, RATE_HZ).convert(samples, last=True).tobytes()
        return [pcm[at : at + 1_919] for at in range(0, len(pcm), 1_919)]

    async def _realtime(self, wire: Wire) -> None:
        await wire.send({"type": "session.created", "event_id": "e0", "session": {}})
        rate = RateConverter(RATE_HZ, 16_000)
        item, said = 1, ""
        async for message in wire.messages():
            match message["type"]:
                case "input_audio_buffer.append":
                    pcm = base64.b64decode(message["audio"])
                    self.audio_bytes += len(pcm)
                    for event in self.heard.feed(rate.convert(np.frombuffer(pcm, "<i2")).tobytes()):
                        if isinstance(event, Grew):
                            delta = event.text.removeprefix(said)
                            said = event.text
                            await wire.send(_heard("delta", item, delta=delta))
                case "input_audio_buffer.commit":
                    text, said = self.heard.whole, ""
                    self.heard.settle()
                    await wire.send({"type": "input_audio_buffer.committed", "event_id": "e1", "item_id": f"i{item}"})
                    await wire.send(_heard("completed", item, transcript=text))
                    item += 1


def pieces(text: str) -> list[str]:
    """Words, each with the space before it."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]


def _heard(kind: str, item: int, **content: str) -> dict[str, Any]:
    about = {"event_id": "e2", "item_id": f"i{item}", "content_index": 0}
    return {"type": f"conversation.item.input_audio_transcription.{kind}", **about, **content}


def _data(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"
