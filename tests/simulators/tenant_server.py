"""A tenant's own transcriber and voice, as custom-transcriber and custom-voice meet them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from aiohttp import web

from media.audio.formats import RateConverter
from media.providers.scripted import tone
from tests.simulators.heard_speech import Grew, HeardSpeech, Quiet
from tests.simulators.vendor_server import Fault, VendorServer, Wire

MS_PER_CHARACTER = 20.0
_END_MS = 100


class TenantProviderServer(VendorServer):
    """The key is the server's secret, in ``x-vapi-secret``."""

    scheme = ""
    key_header = "x-vapi-secret"
    content_type = "application/octet-stream"

    def __init__(self, texts: Sequence[str] = (), *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(faults=faults)
        self.heard = HeardSpeech(texts)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/transcribe", partial(self.socket, serve=self._transcribe)),
            web.post("/voice", partial(self.events, events=self._voice)),
        ]

    async def _transcribe(self, wire: Wire) -> None:
        async for message in wire.messages():
            if not isinstance(message, bytes):
                continue
            left = np.ascontiguousarray(np.frombuffer(message, "<i2").reshape(-1, 2)[:, 0])
            for event in self.heard.feed(left.tobytes()):
                match event:
                    case Grew(text=text):
                        await wire.send(_response(text, "partial"))
                    case Quiet(ms=ms, text=text) if ms == _END_MS:
                        await wire.send({**_response("what we say ourselves", "final"), "channel": "assistant"})
                        await wire.send(_response(text, "final"))
                        self.heard.settle()

    def _voice(self, body: dict[str, Any]) -> list[bytes]:
        asked = body["message"]
        samples = np.frombuffer(tone(len(asked["text"]) * MS_PER_CHARACTER), "<i2")
        pcm = RateConverter(16_000, asked["sampleRate"]).convert(samples, last=True).tobytes()
        return [pcm[at : at + 1_919] for at in range(0, len(pcm), 1_919)]


def _response(text: str, kind: str) -> dict[str, Any]:
    return {"type": "transcriber-response", "transcription": text, "channel": "customer", "transcriptType": kind}
