"""Callers in browsers whose network is lost: for a while, and for good."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from domain.call.events import ArtifactStored, CallEnded, CallStarted
from domain.event import Event
from domain.log.position import Position
from media.artifacts.local import LocalArtifactStore
from media.providers.scripted import tone
from media.transports.webrtc.settings import WebRtcSettings
from tests.patience import PATIENCE_S
from tests.simulators.udp_path import UdpPath
from tests.unit.media.call.rig import Rig
from tests.unit.media.call.test_browser_callers import WEBRTC, _addresses, ended, reason, web_rig
from tests.unit.media.call.test_calls import assistant, of, providers, texts
from tests.unit.media.transports.webrtc_browser import Browser, browser

__all__ = ["_addresses"]

LOST_S = WebRtcSettings().media_lost_s


@asynccontextmanager
async def on_a_path() -> AsyncIterator[UdpPath]:
    path = UdpPath()
    try:
        yield path
    finally:
        path.close()


async def customer_track(rig: Rig, call_id: str) -> tuple[float, np.ndarray]:
    """How long the recording is, and whether the caller is heard in each tenth of a second."""
    async for batch in rig.log.follow(Position(0, 0), frozenset({ArtifactStored.TYPE})):
        stored = [positioned.recorded.event for positioned in batch]
        if any(isinstance(event, ArtifactStored) and event.track == "log" for event in stored):
            break
    (track,) = [event for event in of(rig.events(call_id), ArtifactStored) if event.track == "customer"]
    assert isinstance(rig.artifacts, LocalArtifactStore)
    with rig.artifacts.open(track.location) as file, wave.open(file, "rb") as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    tenths = np.abs(samples[: len(samples) // 1_600 * 1_600].astype(int)).reshape(-1, 1_600).max(axis=1) > 500
    return len(samples) / 16_000, tenths


def lasted_s(events: list[Event]) -> float:
    (start,), (end,) = of(events, CallStarted), of(events, CallEnded)
    return float(end.at_ms - start.at_ms) / 1_000


async def answered(person: Browser, count: int) -> None:
    def enough(_: object) -> bool:
        finals = [m for m in person.messages if m.get("type") == "transcript" and m.get("role") == "assistant"]
        return len([m for m in finals if m.get("transcriptType") == "final"]) >= count

    await person.has_been_told(enough)


@pytest.mark.parametrize(
    "lost_s",
    [2.0, *(pytest.param(seconds, marks=pytest.mark.long) for seconds in (0.5, 3.0, 5.0))],
)
async def test_a_call_goes_on_after_its_network_was_away_and_its_recording_keeps_time(
    tmp_path: Path, lost_s: float
) -> None:
    heard = providers("one", "two")
    async with web_rig(tmp_path, heard, media_lost_s=LOST_S) as (rig, calls), browser() as person, on_a_path() as path:
        call_id = await rig.create(assistant(firstMessage="Hi."), WEBRTC)
        offer = await path.through(await person.offer())
        await person.accept(await path.through(await calls.answer(call_id, offer)))
        await answered(person, 1)
        began = monotonic()
        person.speech.push(tone(600))
        await answered(person, 2)
        early_s = monotonic() - began
        path.cut = True
        await asyncio.sleep(lost_s)
        path.cut = False
        again = monotonic() - began
        person.speech.push(tone(600))
        await answered(person, 3)
        late_s = monotonic() - began - again
        person.tell({"type": "end-call"})
        events = await ended(rig, call_id)
        length_s, voiced = await customer_track(rig, call_id)

    assert reason(events) == "manually-canceled"
    assert texts(events, "user") == ["one", "two"]
    assert length_s == pytest.approx(lasted_s(events), abs=0.1)
    first, second = np.flatnonzero(np.diff(voiced.astype(int), prepend=0) == 1)[[0, -1]] / 10
    # Each is heard before it is answered, however long that takes here.
    assert again - early_s - 0.1 <= second - first <= again + late_s + 0.1
    assert late_s < early_s + 10.0, "what is said afterwards is heard when it is said"


@pytest.mark.parametrize("lost_s", [1.0, pytest.param(LOST_S, marks=pytest.mark.long)])
async def test_a_call_whose_network_stays_away_ends_in_time_and_nothing_is_left(tmp_path: Path, lost_s: float) -> None:
    async with web_rig(tmp_path, media_lost_s=lost_s) as (rig, calls), on_a_path() as path:
        async with browser() as person:
            call_id = await rig.create(assistant(firstMessage="Hi."), WEBRTC)
            offer = await path.through(await person.offer())
            await person.accept(await path.through(await calls.answer(call_id, offer)))
            await answered(person, 1)
            path.cut = True
            began = monotonic()
            events = await ended(rig, call_id)
            took_s = monotonic() - began
            assert reason(events) == "customer-ended-call"
            assert lost_s * 0.8 < took_s < lost_s + 20.0
            length_s, _ = await customer_track(rig, call_id)
            assert length_s == pytest.approx(lasted_s(events), abs=0.1)
            async with asyncio.timeout(PATIENCE_S):
                while calls.peers:
                    await asyncio.gather(
                        *(task for task in asyncio.all_tasks() if task.get_name() == f"webrtc-{call_id}")
                    )
        assert rig.tier.active() == 0
