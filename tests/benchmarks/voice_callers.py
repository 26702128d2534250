"""Callers for the voice benchmarks: many WebSocket clients that speak in turns, in real time, and time the answers.

They must cost next to nothing, or they are what is measured: raw protocols that write frames made beforehand, one
clock for all of them, and of what comes back only the headers are looked at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import cast

import numpy as np

from media.audio.framing import FRAME_MS, SILENCE
from tests.benchmarks.voice_server import ANSWER_MS, HANGOVER_MS, PROVIDERS_MS

SPEECH_MS = 300
_PAUSE_MS = 300
_SLOTS = FRAME_MS
"""The callers' clocks are spread over the 20 ms, one group each millisecond."""
_PATIENCE_FRAMES = 5_000 // FRAME_MS
_LATE_S = FRAME_MS / 1000
_BINARY, _CLOSE = 0x82, 0x88


def vowel() -> bytes:
    """20 ms that a voice detector takes for speech: a pulse train with resonances."""
    time = np.arange(320) / 16_000
    sound = sum(np.sin(2 * np.pi * 150 * k * time) * np.exp(-(((150 * k - 600) / 500) ** 2)) for k in range(1, 24))
    samples = np.asarray(sound / np.abs(sound).max() * 9_000, np.int16)
    return samples.tobytes()


def _message(pcm: bytes) -> bytes:
    """A whole client frame of RFC 6455; the mask of zeros costs the server the same as any other."""
    return bytes((_BINARY, 0xFE)) + len(pcm).to_bytes(2, "big") + bytes(4) + pcm


_VOICED, _SILENT = _message(vowel()), _message(SILENCE)
_SPEECH_FRAMES = SPEECH_MS // FRAME_MS
_DECISIVE = _SPEECH_FRAMES + HANGOVER_MS // FRAME_MS - 1
"""The frame of a turn with which the silence is long enough to count."""
_REST_FRAMES = int(ANSWER_MS + _PAUSE_MS) // FRAME_MS
_ANSWER_FRAMES = int(ANSWER_MS) // FRAME_MS
_TURN_FRAMES = _DECISIVE + int(PROVIDERS_MS) // FRAME_MS + _REST_FRAMES
TURN_MS = _TURN_FRAMES * FRAME_MS
"""From one turn of a caller to the next."""


@dataclass
class Caller(asyncio.Protocol):
    """One call. ``added_ms`` are the turns' latencies less what the providers take.

    ``lead_frames`` of silence come before the first turn; after the last one silence goes on being sent.
    """

    turns: int
    lead_frames: int
    added_ms: list[float] = field(default_factory=list)
    missed: int = 0
    """Turns without an answer."""
    sent: int = 0
    lost: int = 0
    """Frames of answers that never came."""
    late: int = 0
    """Frames of answers that came more than a frame after their time: a player would have run dry."""

    def __post_init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._skip = 0
        self.ready = asyncio.Event()
        self._position = -self.lead_frames
        self._resume_at = 0
        self._decided = 0.0
        self._first: float | None = None
        self._frames = 0
        self.finished = False
        self.closed = False
        self.close_code: int | None = None
        """What the server said when it closed the connection."""
        self.over = asyncio.Event()
        """It has had its turns, or the connection is gone."""

    # The protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def open(self, path: str) -> None:
        assert self._transport is not None
        self._transport.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if not self.ready.is_set():
            self._buffer += data
            head, end, data = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                raise ConnectionError(f"the server refused the WebSocket: {head[:40]!r}")
            self._buffer = b""
            self.ready.set()
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        place, size = self._skip, len(data)
        while place + 4 <= size:
            length = data[place + 1]
            header = 2
            if length == 126:
                length, header = data[place + 2] << 8 | data[place + 3], 4
            if data[place] == _BINARY:
                self._heard(now)
            elif data[place] == _CLOSE and length >= 2:
                self.close_code = int.from_bytes(data[place + header : place + header + 2], "big")
                self.hang_up()
            place += header + length
        if place < size:
            self._buffer, place = data[place:], size
        self._skip = place - size

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.ready.set()
        self.over.set()

    def hang_up(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def vanish(self) -> None:
        """Leave without a word."""
        assert self._transport is not None
        self._transport.abort()

    # The conversation.

    def beat(self) -> None:
        """20 ms have passed: send a frame."""
        assert self._transport is not None
        if self.closed:
            return
        place = self._position
        self._position = place + 1
        if place == _DECISIVE and not self.finished:
            self._decided, self._first, self._frames = perf_counter(), None, 0
            self._resume_at = place + _PATIENCE_FRAMES
        self._transport.write(_VOICED if 0 <= place < _SPEECH_FRAMES and not self.finished else _SILENT)
        self.sent += 1
        if place > _DECISIVE and place >= self._resume_at and not self.finished:
            self._turn_over()

    def _heard(self, now: float) -> None:
        if self._first is None:
            self._first = now
            self._resume_at = self._position + _REST_FRAMES
        elif now - self._first - self._frames * FRAME_MS / 1000 > _LATE_S:
            self.late += 1
        self._frames += 1

    def _turn_over(self) -> None:
        if self._first is None:
            self.missed += 1
        else:
            self.added_ms.append((self._first - self._decided) * 1000 - PROVIDERS_MS)
            self.lost += _ANSWER_FRAMES - self._frames
        self._position = 0
        self.turns -= 1
        self.finished = self.turns == 0
        if self.finished:
            self.over.set()


@dataclass
class Callers:
    """The callers that speak now, in groups that send in different milliseconds of the 20."""

    groups: list[list[Caller]] = field(default_factory=lambda: [[] for _ in range(FRAME_MS)])
    ended: int = 0
    missed: int = 0
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    """How late their own clock was, lately."""
    added_ms: list[float] = field(default_factory=list)

    def join(self, caller: Caller) -> None:
        min(self.groups, key=len).append(caller)

    def leave(self, caller: Caller) -> None:
        for group in self.groups:
            with suppress(ValueError):
                group.remove(caller)
        self.ended += 1
        self.missed += caller.missed
        self.added_ms += caller.added_ms

    async def beat(self) -> None:
        """Have every caller send a frame every 20 ms, for ever."""
        due = perf_counter()
        while True:
            for group in self.groups:
                due += 0.001
                late_s = perf_counter() - due
                self.late_ms.append(max(0.0, late_s * 1000))
                # After a stall go on from here: a burst of what was missed is no conversation.
                due = max(due, due + late_s - 1.0)
                await asyncio.sleep(max(0.0, -late_s))
                for caller in tuple(group):
                    caller.beat()


async def dialled(port: int, call_id: str, caller: Caller) -> Caller:
    """The caller with its WebSocket open."""
    await asyncio.get_running_loop().create_connection(partial(_same, caller), "127.0.0.1", port)
    caller.open(f"/{call_id}")
    await caller.ready.wait()
    return caller


@dataclass
class Heard:
    """What all callers of a run saw. The first turn of each warms up and does not count in ``added_ms``."""

    added_ms: list[float]
    missed: int
    sent: int
    lost: int
    late: int
    own_lag_ms: list[float]
    """How late the callers' own clock was."""


async def run_calls(port: int, call_ids: list[str], turns: int, before_hanging_up: Callable[[], None]) -> Heard:
    """All calls at the same time, spread over the 20 ms and over the length of a turn."""
    callers: list[Caller] = []
    for index, call_id in enumerate(call_ids):
        caller = Caller(turns, _TURN_FRAMES * index // len(call_ids))
        callers.append(await dialled(port, call_id, caller))
    own_lag_ms = await _clock(callers)
    await asyncio.sleep(0.1)
    before_hanging_up()
    for caller in callers:
        caller.hang_up()
    return Heard(
        [added for caller in callers for added in caller.added_ms[1:]],
        sum(caller.missed + (caller.turns if caller.closed else 0) for caller in callers),
        sum(caller.sent for caller in callers),
        sum(caller.lost for caller in callers),
        sum(caller.late for caller in callers),
        own_lag_ms,
    )


def _same(caller: Caller) -> Caller:
    return caller


async def _clock(callers: list[Caller]) -> list[float]:
    """A beat each millisecond for one slot of callers until all have finished; returns how late each beat was."""
    slots = [callers[slot::_SLOTS] for slot in range(_SLOTS)]
    lag_ms: list[float] = []
    due = perf_counter()
    while not all(caller.finished or caller.closed for caller in callers):
        for slot in slots:
            due += 0.001
            await asyncio.sleep(max(0.0, due - perf_counter()))
            lag_ms.append((perf_counter() - due) * 1000)
            for caller in slot:
                caller.beat()
    return lag_ms
