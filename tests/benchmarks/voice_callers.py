"""Callers for the voice benchmarks: many WebSocket clients that speak in turns, in real time, and time the answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from media.audio.framing import FRAME_MS, SILENCE
from tests.benchmarks.voice_server import ANSWER_MS, HANGOVER_MS, PROVIDERS_MS

SPEECH_MS = 300
_FRAME_S = FRAME_MS / 1000
_PAUSE_MS = 300
_PATIENCE_S = 5.0


def vowel() -> bytes:
    """20 ms that a voice detector takes for speech: a pulse train with resonances."""
    time = np.arange(320) / 16_000
    sound = sum(np.sin(2 * np.pi * 150 * k * time) * np.exp(-(((150 * k - 600) / 500) ** 2)) for k in range(1, 24))
    samples = np.asarray(sound / np.abs(sound).max() * 9_000, np.int16)
    return samples.tobytes()


@dataclass
class Caller:
    """One call. ``added_ms`` are the turns' latencies less what the providers take."""

    connection: ClientConnection
    voiced: bytes
    added_ms: list[float] = field(default_factory=list)
    missed: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    first_audio: float | None = None
    closed: bool = False

    async def listen(self) -> None:
        async for message in self.connection:
            if isinstance(message, bytes) and self.first_audio is None:
                self.first_audio = perf_counter()
                self.answered.set()
        self.closed = True
        self.answered.set()

    async def talk(self, turns: int, offset_s: float) -> None:
        """Speak, fall silent, wait for the answer; silence goes on being sent as a microphone would."""
        loop = asyncio.get_running_loop()
        due = loop.time() + offset_s
        hangover_frames = HANGOVER_MS // FRAME_MS
        for _ in range(turns):
            due = await self._send(due, [self.voiced] * (SPEECH_MS // FRAME_MS) + [SILENCE] * (hangover_frames - 1))
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.first_audio = None
            self.answered.clear()
            await self.connection.send(SILENCE)
            decided = perf_counter()
            due += _FRAME_S
            limit = loop.time() + _PATIENCE_S
            while not self.answered.is_set() and loop.time() < limit:
                due = await self._send(due, [SILENCE])
            if self.closed:
                return
            if self.first_audio is None:
                self.missed += 1
            else:
                self.added_ms.append((self.first_audio - decided) * 1000 - PROVIDERS_MS)
            due = await self._send(due, [SILENCE] * int((ANSWER_MS + _PAUSE_MS) // FRAME_MS))

    async def _send(self, due: float, frames: list[bytes]) -> float:
        loop = asyncio.get_running_loop()
        for frame in frames:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.connection.send(frame)
            due += _FRAME_S
        return due


async def run_calls(port: int, call_ids: list[str], turns: int) -> list[Caller]:
    """All calls at the same time, spread over the 20 ms and over the length of a turn."""
    voiced = vowel()
    callers: list[Caller] = []
    spread_s = (SPEECH_MS + HANGOVER_MS + PROVIDERS_MS + ANSWER_MS + _PAUSE_MS) / 1000

    async def one(index: int, call_id: str) -> None:
        async with connect(f"ws://127.0.0.1:{port}/{call_id}", compression=None, ping_interval=None) as connection:
            caller = Caller(connection, voiced)
            callers.append(caller)
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(caller.listen())
                await caller.talk(turns, spread_s * index / len(call_ids))
                hearing.cancel()

    async with asyncio.TaskGroup() as group:
        for index, call_id in enumerate(call_ids):
            group.create_task(one(index, call_id))
    return callers
