"""A stand-in for Cartesia: voices over WebSocket with contexts, word times and cancel, and transcription with turns."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web

from media.providers.scripted import tone
from tests.simulators.heard_speech import Grew, HeardSpeech, Quiet, Resumed, Started
from tests.simulators.vendor_server import Fault, VendorServer, Wire

MS_PER_CHARACTER = 20.0
_PIECE = 2 * 16 * 40
_EAGER_MS = 200
_END_MS = 400


class CartesiaServer(VendorServer):
    """``cancelled`` are the contexts that were given up; ``hold_after`` pieces of a text it waits for ``release``.

    ``bad_voice`` is a voice id that it does not know."""

    bad_voice = "no-such-voice"

    def __init__(
        self, texts: Sequence[str] = (), *, faults: Sequence[Fault] = (), hold_after: int | None = None
    ) -> None:
        super().__init__(faults=faults)
        self.heard = HeardSpeech(texts)
        self.cancelled: list[str] = []
        self.pieces = 0
        self.hold_after = hold_after

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/tts/websocket", partial(self.socket, serve=self._voice)),
            web.get("/stt/turns/websocket", partial(self.socket, serve=self._turns)),
        ]

    async def _voice(self, wire: Wire) -> None:
        jobs: dict[str, asyncio.Task[None]] = {}
        async for message in wire.messages():
            context = message["context_id"]
            if message.get("cancel"):
                self.cancelled.append(context)
                if (job := jobs.pop(context, None)) is not None:
                    job.cancel()
                await self.note()
            elif message["voice"]["id"] == self.bad_voice:
                await wire.send(
                    {
                        "type": "error",
                        "context_id": context,
                        "done": True,
                        "title": "Invalid voice",
                        "message": f"no voice for {message['transcript']}",
                        "error_code": "voice_not_found",
                        "status_code": 400,
                    }
                )
            else:
                jobs[context] = wire.job(self._say(wire, context, message))

    async def _say(self, wire: Wire, context: str, message: dict[str, Any]) -> None:
        text = message["transcript"]
        about: dict[str, Any] = {"context_id": context, "done": False, "status_code": 206}
        if message.get("add_timestamps"):
            await wire.send({"type": "timestamps", **about, "word_timestamps": _timestamps(text)})
        pcm = tone(len(text) * MS_PER_CHARACTER)
        for number, at in enumerate(range(0, len(pcm), _PIECE)):
            if number == self.hold_after:
                await self.release.wait()
            data = base64.b64encode(pcm[at : at + _PIECE]).decode()
            await wire.send({"type": "chunk", **about, "data": data, "step_time": 1.0, "flush_id": 1})
            self.pieces += 1
        await wire.send({"type": "done", "context_id": context, "done": True, "status_code": 200})

    async def _turns(self, wire: Wire) -> None:
        await wire.send({"type": "connected", "request_id": "r1"})
        async for message in wire.messages():
            if not isinstance(message, bytes):
                if message.get("type") == "close":
                    await wire.close()
                continue
            for event in self.heard.feed(message):
                match event:
                    case Started():
                        await wire.send(_turn("turn.start", self.heard.text))
                    case Grew(text=text):
                        await wire.send(_turn("turn.update", text))
                    case Quiet(ms=ms, text=text) if ms == _EAGER_MS:
                        await wire.send(_turn("turn.eager_end", text))
                    case Resumed():
                        await wire.send(_turn("turn.resume", self.heard.text))
                    case Quiet(ms=ms, text=text) if ms == _END_MS:
                        await wire.send(_turn("turn.end", text))
                        self.heard.settle()


def _turn(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "request_id": "r1", "transcript": text}


def _timestamps(text: str) -> dict[str, Any]:
    words, starts, ends, at = [], [], [], 0
    for word in text.split(" "):
        if word:
            words.append(word)
            starts.append(at * MS_PER_CHARACTER / 1_000)
            ends.append((at + len(word)) * MS_PER_CHARACTER / 1_000)
        at += len(word) + 1
    return {"words": words, "start": starts, "end": ends}
