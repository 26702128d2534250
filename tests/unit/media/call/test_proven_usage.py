"""What a call is billed whose process is gone: what the log proves, once."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall, RenameCall
from domain.call.events import AssistantActivated, CallEnded, CallStarted, MessageCommitted, UsageMetered
from domain.call.state import Ended
from domain.event import Event
from media.call.leases import FileLeases
from media.call.reaper import WORKER_DIED, Reaper
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import ORG, Rig, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of
from tests.unit.media.call.test_faults import DEAD_OWNER

RILEY = {
    "transcriber": {"provider": "deepgram", "model": "nova-3"},
    "voice": {"provider": "cartesia", "voiceId": "sonia"},
}
SAM = {"transcriber": {"provider": "openai", "model": "gpt-4o-transcribe"}, "voice": {"provider": "openai"}}


def said(text: str, seconds: float) -> MessageCommitted:
    return MessageCommitted(
        message_id=text, role="assistant", text=text, started_ms=0, ended_ms=seconds * 1_000, turn=0
    )


async def left(rig: Rig, facts: list[tuple[Event, float]], beat_after_s: float) -> str:
    """A call of a process that is gone, which was last heard of ``beat_after_s`` after the call's beginning."""
    origin = datetime.now(UTC) - timedelta(hours=2)
    call_id = await rig.create(assistant())
    lease = rig.root / "live" / "leases" / f"{DEAD_OWNER}.lease"
    lease.touch()
    beat_s = origin.timestamp() + beat_after_s
    os.utime(lease, (beat_s, beat_s))
    await rig.log.execute(CALL, call_id, ClaimCall(owner=DEAD_OWNER, lease_seconds=5.0))
    times = [origin + timedelta(seconds=seconds) for _, seconds in facts]
    started = CallStarted(clock_origin=origin, at_ms=2_000.0, assistant=RILEY)
    await rig.log.record(call_id, [started, *(event for event, _ in facts)], [origin, *times])
    return call_id


def reaper(rig: Rig) -> Reaper:
    return Reaper(
        rig.log,
        rig.log,
        FileLeases(rig.root / "live" / "leases", 5.0),
        lambda: (),
        clock=lambda: datetime.now(UTC),
        connect_within_s=60,
        every_s=60,
    )


def billed(rig: Rig, call_id: str) -> dict[tuple[str, str], dict[str, float]]:
    state = rig.call(call_id)
    assert isinstance(state, Ended)
    return {(reading.meter, reading.provider): reading.quantities for reading in state.usage}


async def test_the_minutes_up_to_the_last_recorded_fact_and_the_words_that_were_said(tmp_path: Path) -> None:
    async with media_rig(tmp_path, served=False, replays=False) as rig:
        call_id = await left(rig, [(said("Hello.", 5.0), 5.0), (said("Goodbye.", 62.0), 62.0)], beat_after_s=64)
        assert await reaper(rig).look() == 1
        assert await reaper(rig).look() == 0
        minutes = {"minutes": pytest.approx(1.0)}
        assert billed(rig, call_id) == {
            ("transport", "vapi.websocket"): minutes,
            ("transcriber", "deepgram"): minutes,
            ("voice", "cartesia"): {"characters": 14.0},
            ("vapi", "vapi"): minutes,
        }
        events = rig.events(call_id)
        assert [event.TYPE for event in events[-5:]] == ["call.usage_metered"] * 4 + ["call.ended"]
        assert of(events, CallEnded)[0].at_ms == pytest.approx(64_000)


async def test_assistants_who_had_handed_over_are_not_billed_again(tmp_path: Path) -> None:
    before = [
        UsageMetered(
            meter="transcriber", provider="deepgram", model="nova-3", quantities={"minutes": 0.5}, price_table="p"
        ),
        UsageMetered(
            meter="voice", provider="cartesia", model="sonia", quantities={"characters": 6.0}, price_table="p"
        ),
    ]
    over = AssistantActivated(by="handoff", assistant=SAM, context="all", at_ms=32_000.0)
    facts: list[tuple[Event, float]] = [(said("Hello.", 5.0), 5.0)]
    facts += [(event, 32.0) for event in (*before, over)]
    facts += [(said("I am Sam.", 62.0), 62.0)]
    async with media_rig(tmp_path, served=False, replays=False) as rig:
        call_id = await left(rig, facts, beat_after_s=70)
        assert await reaper(rig).look() == 1
        bill = billed(rig, call_id)
    assert bill["transcriber", "deepgram"] == {"minutes": 0.5}
    assert bill["voice", "cartesia"] == {"characters": 6.0}
    assert bill["transcriber", "openai"] == {"minutes": pytest.approx(0.5)}
    assert bill["voice", "openai"] == {"characters": 9.0}
    assert bill["transport", "vapi.websocket"] == {"minutes": pytest.approx(1.0)}


async def test_what_others_do_to_the_call_afterwards_costs_nothing(tmp_path: Path) -> None:
    async with media_rig(tmp_path, served=False, replays=False) as rig:
        call_id = await left(rig, [(said("Hello.", 5.0), 5.0)], beat_after_s=8)
        await rig.log.execute(CALL, call_id, RenameCall(org_id=ORG, name="renamed, hours later"))
        assert await reaper(rig).look() == 1
        assert billed(rig, call_id)["transport", "vapi.websocket"] == {"minutes": pytest.approx(0.1)}


async def test_a_call_that_was_metered_before_its_process_went_is_not_metered_again(tmp_path: Path) -> None:
    metered = UsageMetered(
        meter="transport", provider="vapi.websocket", model="", quantities={"minutes": 3.0}, price_table="p"
    )
    async with media_rig(tmp_path, served=False, replays=False) as rig:
        call_id = await left(rig, [(metered, 182.0)], beat_after_s=182)
        assert await reaper(rig).look() == 1
        assert billed(rig, call_id) == {("transport", "vapi.websocket"): {"minutes": 3.0}}


@pytest.mark.parametrize("metered", [True, False])
async def test_a_process_that_was_taken_for_dead_meters_only_what_nobody_has_metered(
    tmp_path: Path, metered: bool
) -> None:
    usage: tuple[Any, ...] = ()
    if metered:
        usage = (
            UsageMetered(
                meter="transport", provider="vapi.websocket", model="", quantities={"minutes": 3.0}, price_table="p"
            ),
        )
    async with media_rig(tmp_path, replays=False) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await rig.log.execute(CALL, caller.call_id, EndCall(reason=WORKER_DIED, usage=usage))
        async with asyncio.timeout(PATIENCE_S):
            events = await caller.hang_up()
    meters = [event.meter for event in of(events, UsageMetered) if event.meter != "model"]
    assert sorted(meters) == (["transport"] if metered else ["transcriber", "transport", "vapi", "voice"])
