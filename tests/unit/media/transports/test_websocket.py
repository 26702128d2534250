"""The WebSocket transport: audio and messages both ways, and clients that do not keep to the rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from media.audio.formats import AudioFormat
from media.audio.framing import FRAME_BYTES
from media.audio.intake import Intake
from media.call.turnstile import Turnstile
from media.providers.scripted import tone
from media.transports.websocket import WebSocketTransport
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import InMemorySocket


@dataclass
class Call:
    """The transport's receiver."""

    intake: Intake
    frames: list[bytes] = field(default_factory=list)
    controls: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def audio_arrived(self) -> None:
        while (frame := self.intake.take(0.0)) is not None:
            self.frames.append(frame)
        self.changed.set()

    def control_arrived(self, message: dict[str, Any]) -> None:
        self.controls.append(message)
        self.changed.set()

    def warned(self, code: str, detail: str) -> None:
        self.warnings.append((code, detail))
        self.changed.set()

    def transport_closed(self, detail: str) -> None:
        self.closed.append(detail)
        self.changed.set()


@dataclass
class Connection:
    socket: InMemorySocket
    call: Call
    transport: WebSocketTransport

    async def until_read(self) -> None:
        self.call.changed.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self.call.changed.wait()


@asynccontextmanager
async def connected(
    audio_format: AudioFormat | None = None,
    *,
    cap_ms: int = 60_000,
    send_cap_ms: int = 5_000,
    parting: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Connection]:
    socket = InMemorySocket()
    call = Call(Intake(lead_ms=10_000_000, cap_ms=cap_ms))
    transport = WebSocketTransport(
        socket,
        audio_format or AudioFormat(),
        call,
        intake=call.intake,
        parting=parting or Turnstile().passed,
        max_message_bytes=200_000,
        send_cap_ms=send_cap_ms,
    )
    reading, writing = asyncio.create_task(transport.read()), asyncio.create_task(transport.write())
    try:
        yield Connection(socket, call, transport)
    finally:
        for task in (reading, writing):
            task.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)


async def test_audio_is_cut_into_frames_however_it_was_sent() -> None:
    async with connected() as line:
        sound = tone(100)
        line.socket.say(sound[:1_000])
        line.socket.say(sound[1_000:])
        await line.until_read()
        await line.until_read() if len(line.call.frames) < 5 else None
        assert b"".join(line.call.frames) == sound


async def test_mulaw_at_8_khz_becomes_frames_at_16_khz() -> None:
    async with connected(AudioFormat("mulaw", 8_000)) as line:
        line.socket.say(b"\xff" * 800)
        await line.until_read()
        assert len(line.call.frames) == 4  # the interpolator holds a few samples of the fifth
        assert np.abs(np.frombuffer(b"".join(line.call.frames), np.int16)).max() <= 1  # dither


async def test_frames_and_messages_go_out_in_order() -> None:
    async with connected() as line:
        line.transport.send_message({"type": "speech-update", "status": "started"})
        line.transport.send_frame(tone(20))
        line.transport.send_message({"type": "speech-update", "status": "stopped"})
        await line.transport.close(1000, "done", PATIENCE_S)
        assert [message["status"] for message in line.socket.messages] == ["started", "stopped"]
        assert bytes(line.socket.audio) == tone(20)
        assert line.socket.closed == (1000, "done")


async def test_the_end_of_a_speech_brings_the_samples_the_converter_held() -> None:
    async with connected(AudioFormat("pcm_s16le", 8_000)) as line:
        for _ in range(5):
            line.transport.send_frame(tone(20))
        line.transport.end_of_speech()
        await line.transport.close(1000, "", PATIENCE_S)
        assert len(line.socket.audio) >= 5 * 320


async def test_clearing_drops_audio_and_keeps_messages() -> None:
    async with connected() as line:
        for _ in range(50):
            line.transport.send_frame(tone(20))
        line.transport.send_message({"type": "user-interrupted"})
        line.transport.clear()
        await line.transport.close(1000, "", PATIENCE_S)
        assert [message["type"] for message in line.socket.messages] == ["user-interrupted"]
        assert len(line.socket.audio) == 0


async def test_control_messages_reach_the_call() -> None:
    async with connected() as line:
        line.socket.control(type="say", content="Hello")
        await line.until_read()
        assert line.call.controls == [{"type": "say", "content": "Hello"}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "control-not-json"),
        ("[1, 2]", "control-without-type"),
        ('{"kind": "say"}', "control-without-type"),
        ('{"type": 7}', "control-without-type"),
        ("", "control-not-json"),
        ('{"type": "say", ', "control-not-json"),
        ('{"type": "say", "content": ' + "[" * 900 + "]" * 900 + "}", "control-not-json"),
    ],
)
async def test_text_that_is_no_control_message_is_a_warning_and_nothing_else(text: str, code: str) -> None:
    async with connected() as line:
        line.socket.say(text)
        await line.until_read()
        assert [warning for warning, _ in line.call.warnings] == [code]
        line.socket.control(type="end-call")
        await line.until_read()
        assert line.call.controls == [{"type": "end-call"}]
        assert line.socket.closed is None


@pytest.mark.parametrize(
    ("message", "close_code", "part_of_reason"),
    [
        (bytes(200_001), 1009, "200000"),
        (json.dumps({"type": "say", "content": "x" * 200_000}), 1009, "200000"),
        (bytes(FRAME_BYTES + 1), 1007, "2 bytes"),
        (b"RIFF" + bytes(40), 1003, "WAV"),
        (b"OggS" + bytes(40), 1003, "Ogg"),
        (b"\x1aE\xdf\xa3" + bytes(40), 1003, "WebM"),
    ],
)
async def test_what_cannot_be_audio_closes_the_connection_with_the_reason(
    message: bytes | str, close_code: int, part_of_reason: str
) -> None:
    async with connected() as line:
        line.socket.say(message)
        async with asyncio.timeout(PATIENCE_S):
            await line.socket.closed_event.wait()
        assert line.socket.closed is not None
        code, reason = line.socket.closed
        assert code == close_code
        assert part_of_reason in reason
        assert len(reason.encode()) <= 123
        await line.until_read() if not line.call.closed else None
        assert len(line.call.closed) == 1


async def test_a_single_byte_is_fine_for_mulaw() -> None:
    async with connected(AudioFormat("mulaw", 16_000)) as line:
        line.socket.say(b"\xff" * 321)
        await line.until_read()
        assert len(line.call.frames) == 1
        assert line.socket.closed is None


async def test_a_client_a_minute_ahead_of_real_time_is_sent_away() -> None:
    async with connected(cap_ms=1_000) as line:
        line.call.audio_arrived = lambda: None  # type: ignore[method-assign]  # nothing is consumed meanwhile
        for _ in range(11):
            line.socket.say(tone(100))
        async with asyncio.timeout(PATIENCE_S):
            await line.socket.closed_event.wait()
        assert line.socket.closed is not None
        assert line.socket.closed[0] == 1008
        assert "real time" in line.socket.closed[1]


async def test_a_client_that_vanishes_is_told_once() -> None:
    async with connected() as line:
        line.socket.vanish()
        await line.until_read()
        await line.transport.close(1000, "", 0.1)
        assert line.call.closed == ["the client closed the connection"]
        assert line.socket.closed is None


async def test_a_client_that_closed_has_gone_when_its_turn_has_come() -> None:
    asked, its_turn = asyncio.Event(), asyncio.Event()

    async def parting() -> None:
        asked.set()
        await its_turn.wait()

    async with connected(parting=parting) as line:
        line.socket.vanish()
        await asked.wait()
        assert line.call.closed == []
        its_turn.set()
        await line.until_read()
        assert line.call.closed == ["the client closed the connection"]


async def test_a_client_that_never_reads_counts_as_gone() -> None:
    class Deaf(InMemorySocket):
        async def send_bytes(self, data: bytes) -> None:
            await asyncio.Event().wait()

    socket = Deaf()
    call = Call(Intake(lead_ms=100, cap_ms=1_000))
    transport = WebSocketTransport(
        socket,
        AudioFormat(),
        call,
        intake=call.intake,
        parting=Turnstile().passed,
        max_message_bytes=1_000,
        send_cap_ms=1_000,
    )
    writing = asyncio.create_task(transport.write())
    for _ in range(60):
        transport.send_frame(bytes(FRAME_BYTES))
        await asyncio.sleep(0)
    assert call.closed == ["the client does not read what it is sent"]
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_closing_does_not_wait_for_ever_for_a_client_that_does_not_read() -> None:
    class Deaf(InMemorySocket):
        async def send_text(self, text: str) -> None:
            await asyncio.Event().wait()

    socket = Deaf()
    call = Call(Intake(lead_ms=100, cap_ms=1_000))
    transport = WebSocketTransport(
        socket,
        AudioFormat(),
        call,
        intake=call.intake,
        parting=Turnstile().passed,
        max_message_bytes=1_000,
        send_cap_ms=1_000,
    )
    writing = asyncio.create_task(transport.write())
    transport.send_message({"type": "hang"})
    await transport.close(1000, "", 0.05)
    assert socket.closed == (1000, "")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


@pytest.mark.parametrize("text", ["not json", '{"type": "say", "content": "again"}'])
async def test_a_client_that_floods_the_line_with_text_is_sent_away(text: str) -> None:
    began_s = asyncio.get_running_loop().time()
    async with connected() as line:
        for _ in range(5_000):
            line.socket.say(text)
        async with asyncio.timeout(PATIENCE_S):
            await line.socket.closed_event.wait()
        assert line.socket.closed is not None
        code, reason = line.socket.closed
        assert code == 1008
        assert "text messages a second" in reason
        taken = len(line.call.controls) + len(line.call.warnings)
        assert 200 <= taken <= 201 + 50 * (asyncio.get_running_loop().time() - began_s)
        assert line.call.closed == [reason]
