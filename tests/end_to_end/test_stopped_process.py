"""A process that is stopped for ten seconds in the middle of a call (SIGSTOP) and goes on: so does its call."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from infra.demo import speech
from media.audio.framing import FRAME_BYTES, FRAME_MS, SILENCE
from tests.end_to_end.system_process import SystemProcess, running
from tests.end_to_end.test_browser_call import ASSISTANT, QUESTION

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

STOPPED_S = 10.0
SOON_S = 5.0
"""A caller who is not heard until what came during the standstill has been played through waits for twice as long."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[SystemProcess]:
    if reason := speech.missing_part():
        pytest.skip(reason)
    with running(tmp_path / "data") as started:
        yield started


class Speaker:
    """Sends 20 ms of sound every 20 ms, whatever happens at the other end; ``say`` puts words into the silence."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._words: deque[bytes] = deque()
        self.messages: list[dict[str, Any]] = []
        self._news = asyncio.Condition()

    def say(self, words: bytes) -> None:
        self._words.extend(words[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(words), 640))

    async def send(self) -> None:
        due = monotonic()
        while True:
            await self._socket.send(self._words.popleft() if self._words else SILENCE)
            due += FRAME_MS / 1_000
            await asyncio.sleep(max(0.0, due - monotonic()))

    async def read(self) -> None:
        async for message in self._socket:
            if isinstance(message, str):
                async with self._news:
                    self.messages.append(json.loads(message))
                    self._news.notify_all()

    async def told(self, count: int, **wanted: Any) -> None:
        """Wait for so many messages with these fields."""

        def enough() -> bool:
            return sum(all(m.get(key) == value for key, value in wanted.items()) for m in self.messages) >= count

        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(enough)


async def test_a_call_goes_on_after_its_process_stood_still_and_hears_the_caller_when_he_speaks(
    system: SystemProcess,
) -> None:
    assert system.organization is not None
    spoken = await speech.synthesize([QUESTION])
    with system.api(system.organization["privateKey"]) as api:
        request = {"assistant": ASSISTANT, "transport": {"provider": "vapi.websocket"}}
        made = api.post("/call", json=request).json()
        async with connect(made["transport"]["websocketCallUrl"]) as socket, asyncio.TaskGroup() as tasks:
            speaker = Speaker(socket)
            sending, reading = tasks.create_task(speaker.send()), tasks.create_task(speaker.read())
            began = monotonic()
            await speaker.told(1, type="speech-update", role="assistant", status="stopped")
            system.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            system.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.0)
            asked = monotonic()
            speaker.say(spoken[QUESTION])
            await speaker.told(1, type="speech-update", role="user", status="started")
            heard_after_s = monotonic() - asked
            await speaker.told(2, type="speech-update", role="assistant", status="stopped")
            await socket.send(json.dumps({"type": "end-call"}))
            lasted_s = monotonic() - began
            sending.cancel()
            await reading
        call = made
        async with asyncio.timeout(30):
            while call["status"] != "ended":
                call = (await asyncio.to_thread(api.get, f"/call/{made['id']}")).json()
    assert heard_after_s < SOON_S
    assert (call["status"], call["endedReason"]) == ("ended", "manually-canceled")
    said = [message["message"] for message in call["messages"] if message["role"] == "bot"]
    assert any("eight until six" in text for text in said)
    minutes = next(cost["minutes"] for cost in call["costs"] if cost["type"] == "transport")
    assert minutes * 60 == pytest.approx(lasted_s, abs=3.0)
