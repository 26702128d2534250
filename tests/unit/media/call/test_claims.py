"""A call between its claim and its first sound: others already see who serves it, and may already ask for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from domain.call.events import CallClaimed, CallEnded
from domain.live_calls import CallNotLive, CallRejected
from media.providers.errors import ProviderError
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import InMemorySocket, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import assistant


async def test_a_call_that_is_just_being_claimed_can_be_ended(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig, asyncio.timeout(PATIENCE_S):
        call_id = await rig.create(assistant())
        serving = asyncio.create_task(rig.tier.serve(call_id, InMemorySocket()))
        await asyncio.sleep(0)  # its first step takes the call
        assert rig.tier.active() == 1
        await rig.tier.end(call_id, "call-deleted")
        await serving
        assert [event.reason for event in rig.events(call_id) if isinstance(event, CallEnded)] == ["call-deleted"]


async def test_a_call_that_cannot_begin_is_not_live_for_those_who_wait(tmp_path: Path) -> None:
    refusing = ScriptedProviders(refusal=ProviderError("nobody", "model", "not-configured"))
    async with media_rig(tmp_path, refusing) as rig, asyncio.timeout(PATIENCE_S):
        call_id = await rig.create(assistant())
        serving = asyncio.create_task(rig.tier.serve(call_id, InMemorySocket()))
        await asyncio.sleep(0)  # its first step takes the call
        assert rig.tier.active() == 1
        with pytest.raises(CallNotLive):
            await rig.tier.control(call_id, {"type": "say", "content": "Hello."})
        with pytest.raises(CallRejected):
            await serving


async def test_the_claim_says_where_the_owner_is_reached(tmp_path: Path) -> None:
    async with media_rig(tmp_path, address="http://media-1:8081") as rig, asyncio.timeout(PATIENCE_S):
        call_id = await rig.create(assistant())
        serving = asyncio.create_task(rig.tier.serve(call_id, InMemorySocket()))
        await asyncio.sleep(0)  # its first step takes the call
        assert rig.tier.active() == 1
        await rig.tier.end(call_id, "call-deleted")
        await serving
        (claimed,) = [event for event in rig.events(call_id) if isinstance(event, CallClaimed)]
        assert claimed.address == "http://media-1:8081"
