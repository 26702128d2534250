"""Listening in: the mix, the announcement, and listeners who cannot keep up."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from domain.live_calls import CallNotLive
from media.audio.framing import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from media.call.client_messages import ClientMessageFilter
from media.call.listeners import Listeners
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import InMemorySocket, media_rig
from tests.unit.media.call.test_calls import assistant, dial


def level(value: int) -> bytes:
    return np.full(FRAME_SAMPLES, value, np.int16).tobytes()


async def listening(listeners: Listeners, socket: InMemorySocket) -> asyncio.Task[None]:
    task = asyncio.create_task(listeners.serve(socket))
    await socket.until(lambda: bool(socket.messages))
    return task


async def test_both_sides_are_mixed_after_an_announcement_of_the_format() -> None:
    listeners, socket = Listeners(1_000), InMemorySocket()
    task = await listening(listeners, socket)
    assert socket.messages[0]["audioFormat"]["sampleRate"] == 16_000
    listeners.tick(0.0)
    for value in (1_000, 30_000):
        listeners.customer(level(value))
        listeners.assistant(level(value))
    listeners.tick(2.0 * FRAME_MS)
    await socket.until(lambda: len(socket.audio) >= 3 * FRAME_BYTES)
    mixed = np.frombuffer(bytes(socket.audio), np.int16).reshape(-1, FRAME_SAMPLES)[:, 0]
    assert list(mixed[-3:]) in ([2_000, 32_767, 0], [0, 2_000, 32_767])
    listeners.close()
    await task
    assert socket.closed == (1000, "the call is over")


async def test_a_listener_who_does_not_read_loses_frames_and_holds_up_nobody() -> None:
    class Stuck(InMemorySocket):
        async def send_bytes(self, data: bytes) -> None:
            await asyncio.Event().wait()

    listeners, stuck, good = Listeners(200), Stuck(), InMemorySocket()
    tasks = [await listening(listeners, stuck), await listening(listeners, good)]
    for tick in range(100):
        listeners.tick(float(tick * FRAME_MS))
        await asyncio.sleep(0)
    await good.until(lambda: len(good.audio) >= 99 * FRAME_BYTES)
    assert listeners.dropped >= 85
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_listener_who_leaves_is_forgotten() -> None:
    listeners, socket = Listeners(200), InMemorySocket()
    task = await listening(listeners, socket)
    socket.vanish()
    async with asyncio.timeout(PATIENCE_S):
        await task
    assert listeners.dropped == 0


async def test_a_running_call_can_be_heard_and_steered_from_outside(tmp_path: Any) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig, assistant(firstMessage="A greeting that lasts for a while."))
        await caller.until(lambda: len(caller.audio) > 0)
        socket = InMemorySocket()
        task = asyncio.create_task(rig.tier.listen(caller.call_id, socket))
        await socket.until(lambda: bool(socket.messages))
        await rig.tier.control(caller.call_id, {"type": "say", "content": "One more thing."})
        await caller.until_said(2)
        await socket.until(lambda: any(socket.audio))
        await rig.tier.control(caller.call_id, {"type": "end-call"})
        await caller.ended()
        await task
        assert caller.finals("assistant")[-1] == "One more thing."
        with pytest.raises(CallNotLive):
            await rig.tier.listen(caller.call_id, InMemorySocket())


@pytest.mark.parametrize(
    ("wanted", "message", "sent"),
    [
        ({"transcript"}, {"type": "transcript", "transcriptType": "partial"}, "transcript"),
        (set(), {"type": "transcript", "transcriptType": "final"}, None),
        (
            {'transcript[transcriptType="final"]'},
            {"type": "transcript", "transcriptType": "final"},
            'transcript[transcriptType="final"]',
        ),
        ({'transcript[transcriptType="final"]'}, {"type": "transcript", "transcriptType": "partial"}, None),
        ({"language-changed"}, {"type": "language-change-detected"}, "language-change-detected"),
        ({"hang"}, {"type": "status-update"}, None),
    ],
)
def test_client_messages_pass_as_they_were_asked_for(
    wanted: set[str], message: dict[str, str], sent: str | None
) -> None:
    passed = ClientMessageFilter(wanted).pass_through(message)
    assert (passed["type"] if passed is not None else None) == sent
