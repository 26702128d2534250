"""A call over a real WebSocket to a real system that hears with Deepgram, thinks with OpenAI and speaks with Cartesia,
each simulated on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from media.providers.scripted import tone
from tests.end_to_end.system_process import TRANSPORT, SystemProcess, running
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.openai_platform_server import OpenAiPlatformServer
from tests.simulators.vendor_server import KEY

pytestmark = [
    pytest.mark.timeout(900),  # a whole system is started, which a busy machine does slowly
    pytest.mark.long,  # what it adds to tests/unit/media/call/test_vendor_calls.py is processes and sockets
]

ASKS = "Is there a table for two?"
SAYS = "There is one at eight."
FRAME = 640
ASSISTANT = {
    "firstMessage": "Good evening.",
    "transcriber": {"provider": "deepgram", "model": "nova-3"},
    "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Be brief."}]},
    "voice": {"provider": "cartesia", "voiceId": "v1"},
}


class Caller:
    """Speaks in real time and keeps what is said to it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._speech: list[bytes] = []
        self.heard_bytes = 0
        self.said: list[tuple[str, str]] = []
        self._changed = asyncio.Condition()

    def say(self, voiced_ms: int) -> None:
        pcm = tone(voiced_ms)
        self._speech += [pcm[at : at + FRAME] for at in range(0, len(pcm), FRAME)]

    async def speak(self) -> None:
        while True:
            await self._socket.send(self._speech.pop(0) if self._speech else bytes(FRAME))
            await asyncio.sleep(0.02)

    async def listen(self) -> None:
        async for message in self._socket:
            if isinstance(message, bytes):
                self.heard_bytes += len(message)
                continue
            told = json.loads(message)
            if told.get("type") == "transcript" and told.get("transcriptType") == "final":
                async with self._changed:
                    self.said.append((told["role"], told["transcript"]))
                    self._changed.notify_all()

    async def until_said(self, count: int) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.said) >= count)


async def test_a_call_through_three_vendors_is_heard_answered_and_recorded(tmp_path: Path) -> None:
    async with (
        DeepgramServer([ASKS]) as deepgram,
        OpenAiPlatformServer(says=SAYS) as openai,
        CartesiaServer() as cartesia,
    ):
        environment = {
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_BASE_URL": deepgram.base_url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "CARTESIA_API_KEY": KEY,
            "CARTESIA_BASE_URL": cartesia.base_url,
        }
        system = running(tmp_path / "data", **environment)
        started = await asyncio.to_thread(system.__enter__)
        try:
            call, caller = await _held(started)
            logged = await _stopped(started)
        finally:
            await asyncio.to_thread(system.__exit__, None, None, None)

    assert caller.said == [("assistant", "Good evening."), ("user", ASKS), ("assistant", SAYS)]
    assert caller.heard_bytes > FRAME * 10
    assert [message["role"] for message in call["messages"]] == ["bot", "user", "bot"]
    assert (deepgram.connections, openai.connections, cartesia.connections) == (1, 1, 1)
    assert KEY not in logged
    assert KEY not in json.dumps(call)
    assert ASKS not in logged


async def _held(system: SystemProcess) -> tuple[dict[str, Any], Caller]:
    assert system.organization is not None
    headers = {"authorization": f"Bearer {system.organization['privateKey']}"}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, trust_env=False, timeout=60) as api:
        created = await api.post("/call", json={"assistant": ASSISTANT, "transport": TRANSPORT})
        assert created.status_code == 201, created.text
        url = created.json()["transport"]["websocketCallUrl"]
        async with connect(url, compression=None, proxy=None) as socket:
            caller = Caller(socket)
            tasks = [asyncio.create_task(caller.listen()), asyncio.create_task(caller.speak())]
            await caller.until_said(1)
            caller.say(800)
            await caller.until_said(3)
            await socket.send(json.dumps({"type": "end-call"}))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await tasks[0]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(_until_ended, system, created.json()["id"])
        call: dict[str, Any] = (await api.get(f"/call/{created.json()['id']}")).json()
        return call, caller


def _until_ended(system: SystemProcess, call_id: str) -> None:
    parameters = {"follow": "true", "after": "0:0", "originator": call_id, "types": "call.ended"}
    with system.operator() as operator, operator.stream("GET", "/operator/events", params=parameters) as answer:
        assert any(line.startswith("data: ") for line in answer.iter_lines())


async def _stopped(system: SystemProcess) -> str:
    await asyncio.to_thread(system.terminate)
    return await asyncio.to_thread(system.standard_error)
