"""A stand-in for Deepgram: listen v1, Flux and speak, as the vendor's SDK expects them on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web

from media.providers.scripted import tone
from tests.simulators.heard_speech import Grew, HeardSpeech, Quiet, Resumed, Started, word_times
from tests.simulators.vendor_server import Fault, VendorServer, Wire

MS_PER_CHARACTER = 20.0
_PIECE = 2 * 16 * 40
_EAGER_MS = 200
_END_MS = 400


class DeepgramServer(VendorServer):
    """``texts`` are heard one after the other. Unknown message types are sent along, as new ones of the vendor's
    would be. ``silence_told_ms``: after so much audio in which nothing is said that is told, as the vendor does; never
    where it is ``None``."""

    scheme = "Token"

    def __init__(
        self,
        texts: Sequence[str] = (),
        *,
        faults: Sequence[Fault] = (),
        confidence: float = 0.98,
        silence_told_ms: int | None = None,
    ) -> None:
        super().__init__(faults=faults)
        self._silence_told_ms = silence_told_ms
        self._told_ms = 0
        self.heard = HeardSpeech(texts)
        self.confidence = confidence

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/listen", partial(self.socket, serve=self._listen)),
            web.get("/v2/listen", partial(self.socket, serve=self._flux)),
            web.get("/v1/speak", partial(self.socket, serve=self._speak)),
        ]

    async def _listen(self, wire: Wire) -> None:
        endpointing = int(wire.query.get("endpointing", "10"))
        async for message in wire.messages():
            if isinstance(message, bytes):
                for event in self.heard.feed(message):
                    await self._hear(wire, event, endpointing)
                if self._silence_is_due():
                    await wire.send(self._results("", final=True))
            elif message["type"] == "Finalize":
                await wire.send(self._results(self.heard.whole, final=True, finalized=True))
                self.heard.settle()
            elif message["type"] == "CloseStream":
                await wire.send(
                    {"type": "Metadata", "request_id": "r1", "created": "2026", "duration": 1.0, "channels": 1}
                )
                await wire.close()

    async def _hear(self, wire: Wire, event: object, endpointing: int) -> None:
        match event:
            case Started():
                await wire.send({"type": "SpeechStarted", "channel": [0, 1], "timestamp": self.heard.now_ms / 1_000})
                await wire.send({"type": "SomethingNew", "of": "the vendor's"})
            case Grew(text=text):
                await wire.send(self._results(text, final=False))
            case Quiet(ms=ms, text=text) if ms >= endpointing:
                await wire.send(self._results(text, final=True))
                await wire.send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": self.heard.now_ms / 1_000})
                self.heard.settle()

    def _silence_is_due(self) -> bool:
        now_ms = self.heard.now_ms
        if self._silence_told_ms is None or self.heard.text or now_ms - self._told_ms < self._silence_told_ms:
            return False
        self._told_ms = now_ms
        return True

    def _results(self, text: str, *, final: bool, finalized: bool = False) -> dict[str, Any]:
        words = [
            {"word": word.lower().strip(".,?!"), "start": start, "end": end, "confidence": 0.9, "punctuated_word": word}
            for word, start, end in word_times(text, self.heard.started_ms)
        ]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": 0.0,
            "duration": self.heard.now_ms / 1_000,
            "is_final": final,
            "speech_final": final and not finalized,
            "from_finalize": finalized,
            "channel": {"alternatives": [{"transcript": text, "confidence": self.confidence, "words": words}]},
            "metadata": {"request_id": "r1", "model_uuid": "m1"},
        }

    async def _flux(self, wire: Wire) -> None:
        eager = "eager_eot_threshold" in wire.query
        await wire.send({"type": "Connected", "request_id": "r2", "sequence_id": 0})
        async for message in wire.messages():
            if not isinstance(message, bytes):
                if message["type"] == "CloseStream":
                    await wire.close()
                continue
            for event in self.heard.feed(message):
                match event:
                    case Started():
                        await wire.send(self._turn("StartOfTurn", self.heard.text))
                    case Grew(text=text):
                        await wire.send(self._turn("Update", text))
                    case Quiet(ms=ms, text=text) if ms == _EAGER_MS and eager:
                        await wire.send(self._turn("EagerEndOfTurn", text))
                    case Resumed() if eager:
                        await wire.send(self._turn("TurnResumed", self.heard.text))
                    case Quiet(ms=ms, text=text) if ms == _END_MS:
                        await wire.send(self._turn("EndOfTurn", text))
                        self.heard.settle()
            if self._silence_is_due():
                await wire.send(self._turn("Update", ""))

    def _turn(self, event: str, text: str) -> dict[str, Any]:
        return {
            "type": "TurnInfo",
            "request_id": "r2",
            "sequence_id": 1,
            "event": event,
            "turn_index": 0,
            "audio_window_start": 0.0,
            "audio_window_end": self.heard.now_ms / 1_000,
            "transcript": text,
            "words": [{"word": word, "confidence": self.confidence} for word in text.split()],
            "end_of_turn_confidence": 0.9 if event == "EndOfTurn" else 0.3,
        }

    async def _speak(self, wire: Wire) -> None:
        text = ""
        async for message in wire.messages():
            match message["type"]:
                case "Speak":
                    text += message["text"]
                case "Flush":
                    pcm = tone(len(text) * MS_PER_CHARACTER)
                    for at in range(0, len(pcm), _PIECE):
                        await wire.send_audio(pcm[at : at + _PIECE])
                    await wire.send({"type": "Flushed", "sequence_id": 0})
                    text = ""
                case "Clear":
                    text = ""
                    await wire.send({"type": "Cleared", "sequence_id": 1})
                case "Close":
                    await wire.close()
