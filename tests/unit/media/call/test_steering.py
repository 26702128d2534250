"""Live control of a running call: every action does what it says, and is on the log with who asked for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import (
    CallControlled,
    CallEnded,
    ListenerJoined,
    MessageCommitted,
    TransferEnded,
    TransferRequested,
)
from domain.live_calls import CallNotLive
from infra.replaying import checked
from media.machine.recorded import recorded_call
from media.machine.transfers import NO_CARRIER
from tests.unit.media.call.rig import InMemorySocket, Rig, media_rig
from tests.unit.media.call.test_calls import Caller, assistant, dial, of, providers

GREETING = "Hello, how may I help you today?"


async def on_the_line(rig: Rig, **config: Any) -> Caller:
    caller = await dial(rig, assistant(firstMessage=GREETING, **config))
    await caller.until_said(1)
    return caller


def controls(events: list[Any]) -> list[tuple[str, str, str]]:
    return [(event.action, event.what, event.by) for event in of(events, CallControlled)]


async def test_every_action_of_the_control_url_is_an_event(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await on_the_line(rig)

        async def tell(**message: Any) -> None:
            await rig.tier.control(caller.call_id, message)

        await tell(type="say", content="By the way.")
        await caller.until_said(2)
        await tell(type="add-message", message={"role": "user", "content": "Anything new?"})
        await caller.until_said(3)
        await tell(type="control", control="say-first-message")
        await caller.until_said(4)
        for control in ("mute-assistant", "unmute-assistant", "mute-customer", "unmute-customer"):
            await tell(type="control", control=control)
        await tell(type="nobody-knows-this")
        await tell(type="end-call")
        events = await caller.ended()

    assert controls(events) == [
        ("say", "", "operator"),
        ("add-message", "", "operator"),
        ("control", "say-first-message", "operator"),
        *(("control", f"{verb}-{who}", "operator") for who in ("assistant", "customer") for verb in ("mute", "unmute")),
        ("end-call", "", "operator"),
    ]
    said = [(event.role, event.text) for event in of(events, MessageCommitted)]
    assert said == [
        ("assistant", GREETING),
        ("assistant", "By the way."),
        ("user", "Anything new?"),
        ("assistant", "Very well."),
        ("assistant", GREETING),
    ]
    assert [event.reason for event in of(events, CallEnded)] == ["manually-canceled"]


async def test_what_the_caller_asks_for_is_told_from_what_an_operator_does(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await on_the_line(rig)
        caller.control(type="hangup")
        events = await caller.ended()

    assert controls(events) == [("hangup", "", "caller")]
    assert [event.reason for event in of(events, CallEnded)] == ["manually-canceled"]


async def test_hand_offs_and_transfers_by_control_are_followed_or_said_to_have_failed(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await on_the_line(rig)
        clerk = {"name": "Clerk", "firstMessage": "Clerk speaking.", "model": {"messages": []}}
        await rig.tier.control(
            caller.call_id, {"type": "handoff", "destination": {"type": "assistant", "assistant": clerk}}
        )
        await caller.until_said(2)
        number = {"type": "number", "number": "+14155550100"}
        await rig.tier.control(caller.call_id, {"type": "transfer", "destination": number})
        events = await caller.hang_up()

    assert [action for action, _, by in controls(events) if by == "operator"] == ["handoff", "transfer"]
    assert "Clerk speaking." in [event.text for event in of(events, MessageCommitted)]
    assert [event.destination["number"] for event in of(events, TransferRequested)] == ["+14155550100"]
    assert [(event.status, event.detail) for event in of(events, TransferEnded)] == [("failed", NO_CARRIER)]


async def test_what_was_done_to_a_call_does_not_change_that_its_replay_is_exact(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await on_the_line(rig)
        await rig.tier.control(caller.call_id, {"type": "say", "content": "By the way."})
        await rig.tier.control(caller.call_id, {"type": "control", "control": "mute-customer"})
        await caller.until_said(2)
        events = await caller.hang_up()
        recorded = recorded_call(events, rig.fragments.read(caller.call_id))

    assert checked(recorded).exact


async def test_who_listens_in_is_on_the_log(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller, listener = await on_the_line(rig), InMemorySocket()
        listening = asyncio.create_task(rig.tier.listen(caller.call_id, listener))
        await listener.until_message(type="listen-started")
        events = await caller.hang_up()
        await listening

    assert len(of(events, ListenerJoined)) == 1


async def test_a_call_that_is_over_is_not_steered_and_not_heard(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await on_the_line(rig)
        events = await caller.hang_up()

        with pytest.raises(CallNotLive):
            await rig.tier.control(caller.call_id, {"type": "say", "content": "Hello?"})
        with pytest.raises(CallNotLive):
            await rig.tier.listen(caller.call_id, InMemorySocket())
        assert rig.events(caller.call_id) == events
