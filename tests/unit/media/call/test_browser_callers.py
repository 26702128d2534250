"""Callers in browsers on a real media tier: what they say and hear, what is metered, and how they leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import aioice.ice
import pytest

from domain.call.events import CallEnded, UsageMetered
from domain.event import Event
from domain.log.position import Position
from domain.web_calls import TooManyPeers
from media.call.reaper import NEVER_CONNECTED
from media.transports.webrtc.calls import NO_CUSTOMER_AUDIO, WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import assistant, providers
from tests.unit.media.transports.webrtc_browser import LOOPBACK, Browser, browser

WEBRTC = {"provider": "callfold.webrtc"}


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's choice of addresses is of the whole process: put back what was."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)


@asynccontextmanager
async def web_rig(
    folder: Path, scripted: ScriptedProviders | None = None, *, media_lost_s: float = 5.0, **settings: Any
) -> AsyncIterator[tuple[Rig, WebRtcCalls]]:
    async with media_rig(folder, scripted or providers(), **settings) as rig:
        peers = WebRtcSettings(addresses=[LOOPBACK], media_lost_s=media_lost_s)
        async with WebRtcCalls(rig.tier, peers) as calls, asyncio.timeout(PATIENCE_S):
            yield rig, calls


async def call_in(rig: Rig, calls: WebRtcCalls, person: Browser, **wait: float) -> str:
    """A connected browser's call."""
    call_id = await rig.create(assistant(), WEBRTC)
    await person.accept(await calls.answer(call_id, await person.offer(), **wait))
    return call_id


async def ended(rig: Rig, call_id: str) -> list[Event]:
    """The call's events, once its end is among them."""
    async for batch in rig.log.follow(Position.parse("0:0"), frozenset({CallEnded.TYPE})):
        if any(positioned.recorded.originator_id == call_id for positioned in batch):
            break
    return rig.events(call_id)


def reason(events: list[Event]) -> str:
    (end,) = (event for event in events if isinstance(event, CallEnded))
    return end.reason


async def test_a_browsers_call_is_steered_over_its_data_channel_and_metered_as_what_it_is(tmp_path: Path) -> None:
    async with web_rig(tmp_path) as (rig, calls), browser() as person:
        call_id = await call_in(rig, calls, person)
        await person.is_told("speech-update")
        person.tell({"type": "say", "content": "Something else."})
        await person.has_been_told(lambda told: told.get("transcript") == "Something else.")
        person.tell({"type": "end-call"})
        events = await ended(rig, call_id)

    assert reason(events) == "manually-canceled"
    transport = [event for event in events if isinstance(event, UsageMetered) and event.meter == "transport"]
    assert [event.provider for event in transport] == ["callfold.webrtc"]
    assert transport[0].quantities["minutes"] > 0


async def test_a_browser_that_vanishes_ends_its_call_soon(tmp_path: Path) -> None:
    async with web_rig(tmp_path, media_lost_s=0.5) as (rig, calls), browser() as person:
        call_id = await call_in(rig, calls, person)
        await person.is_told("speech-update")
        vanished = monotonic()
        person.speech.stop()
        events = await ended(rig, call_id)
        took = monotonic() - vanished

    assert reason(events) == "customer-ended-call"
    assert took >= 0.4, "its last sound was on the way for a moment"


async def test_a_browser_that_connects_and_is_never_heard_is_told_from_one_that_left(tmp_path: Path) -> None:
    async with web_rig(tmp_path) as (rig, calls), browser() as person:
        person.speech.stop()
        call_id = await call_in(rig, calls, person, join_s=0.3)
        assert reason(await ended(rig, call_id)) == NO_CUSTOMER_AUDIO


async def test_a_browser_that_never_connects_leaves_a_call_that_ends_like_any_other_without_a_caller(
    tmp_path: Path,
) -> None:
    async with web_rig(tmp_path, connect_within_s=0.5, reap_every_s=0.1) as (rig, calls), browser() as person:
        call_id = await rig.create(assistant(), WEBRTC)
        await calls.answer(call_id, await person.offer())
        assert reason(await ended(rig, call_id)) == NEVER_CONNECTED


async def test_no_browser_is_answered_for_whom_there_is_no_room_for_a_call(tmp_path: Path) -> None:
    async with web_rig(tmp_path, max_calls=1) as (rig, calls), browser() as first, browser() as second:
        await calls.answer(await rig.create(assistant(), WEBRTC), await first.offer())

        with pytest.raises(TooManyPeers, match="no more calls"):
            await calls.answer(await rig.create(assistant(), WEBRTC), await second.offer())
