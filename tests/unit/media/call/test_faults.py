"""What may go wrong around a call: refusals, outages, faults of our own, dead processes. Every call gets its end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, cast

import pytest

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.call.events import ArtifactStored, CallEnded, CallStarted, Warned
from domain.call.state import Ended, Queued
from domain.event import Event
from domain.live_calls import CallNotLive, CallRejected
from domain.log.ports import LogUnavailable
from media.audio.recording import Recording
from media.call.aftermath import store_recording
from media.call.conversation import MachineConversation
from media.call.journal import Journal
from media.call.leases import FileLeases
from media.call.outbox import Outbox
from media.call.reaper import WORKER_DIED, Reaper
from media.call.salvage import Salvage
from media.call.session import FAULT_REASON, OVERLOAD_REASON
from media.call.start_line import StartLine
from media.call.ticker import UNWATCHED, Ticker, Work
from media.machine.inputs import SpeechStarted
from media.providers.errors import ProviderError
from streams.log.embedded import EmbeddedLog
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import InMemorySocket, Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import Caller, assistant, dial, of, providers


def heard_by(caller: Caller) -> bool:
    return len(caller.audio) > 0


async def refused(rig: Rig, call_id: str, socket: InMemorySocket | None = None) -> CallRejected:
    with pytest.raises(CallRejected) as rejected:
        await rig.tier.serve(call_id, socket or InMemorySocket())
    return rejected.value


async def test_one_call_too_many_is_told_to_try_later_and_stays_queued(tmp_path: Path) -> None:
    async with media_rig(tmp_path, max_calls=1) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        waiting = await rig.create(assistant())
        rejected = await refused(rig, waiting)
        assert rejected.code == 1013
        assert "try again" in rejected.reason
        assert isinstance(rig.call(waiting), Queued)
        await caller.hang_up()
        second = Caller(rig, waiting)
        await second.until_said(1)
        await second.hang_up()


BEARABLE: tuple[tuple[type, str, object], ...] = (
    (Ticker, "sustained_lag_ms", 0.0),
    (Ticker, "work", UNWATCHED),
    (StartLine, "wait_ms", 0.0),
    (Outbox, "log_wait_ms", 0.0),
)


@pytest.mark.parametrize(
    ("where", "measure", "too_much", "bearable"),
    [
        (Ticker, "sustained_lag_ms", 51.0, 49.0),
        (Ticker, "work", Work(1.0, 0.9, 0.9, 100.0, 0), Work(1.0, 0.8, 0.8, 100.0, 0)),
        (StartLine, "wait_ms", 501.0, 499.0),
        (Outbox, "log_wait_ms", 1_001.0, 999.0),
    ],
)
async def test_a_process_that_lags_or_is_busy_takes_no_more_calls_and_keeps_those_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: type, measure: str, too_much: object, bearable: object
) -> None:
    bounds: dict[str, Any] = {"max_lag_ms": 50, "max_busy": 0.85, "max_start_wait_ms": 500, "max_log_wait_ms": 1_000}
    async with media_rig(tmp_path, **bounds) as rig:
        for bearable_part, name, value in BEARABLE:
            monkeypatch.setattr(bearable_part, name, value)
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        waiting = await rig.create(assistant())
        monkeypatch.setattr(where, measure, too_much)
        assert rig.tier.room() == 0
        rejected = await refused(rig, waiting)
        assert rejected.code == 1013
        assert "try again later" in rejected.reason
        assert isinstance(rig.call(waiting), Queued)
        assert caller.closed is None
        monkeypatch.setattr(where, measure, bearable)
        assert rig.tier.room() > 0
        second = Caller(rig, waiting)
        await second.until_said(1)
        await second.hang_up()
        await caller.hang_up()


async def test_a_second_connection_to_a_running_call_is_refused(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        assert (await refused(rig, caller.call_id)).code == 1008
        assert caller.closed is None
        await caller.hang_up()
        ended = await refused(rig, caller.call_id)
        assert ended.code == 1008
        assert "manually-canceled" in ended.reason


async def test_a_call_nobody_created_is_refused(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        assert (await refused(rig, "00000000-0000-4000-8000-00000000dead")).code == 1008


async def test_a_provider_that_is_not_configured_refuses_the_call_with_the_documented_reason(tmp_path: Path) -> None:
    refusal = ProviderError("deepgram", "transcriber", "not-configured", "no key: set DEEPGRAM_API_KEY")
    async with media_rig(tmp_path, ScriptedProviders(refusal=refusal)) as rig:
        call_id = await rig.create(assistant(transcriber={"provider": "deepgram"}))
        socket = InMemorySocket()
        rejected = await refused(rig, call_id, socket)
        state = rig.call(call_id)
        assert isinstance(state, Ended)
        assert "deepgram" in state.end.reason
        assert state.end.message is not None
        assert "DEEPGRAM_API_KEY" in state.end.message
        assert rejected.reason == state.end.reason
        assert socket.messages == [{"type": "status-update", "status": "ended", "endedReason": state.end.reason}]
        assert rig.types(call_id) == ["call.created", "call.claimed", "call.ended"]


@pytest.mark.parametrize(
    ("config", "transport", "reason"),
    [
        ({"firstMessageMode": "sings"}, None, "assistant-not-valid"),
        ({}, {"audioFormat": {"format": "opus"}}, "call.start.error-get-transport"),
    ],
)
async def test_what_cannot_start_ends_with_a_reason(
    tmp_path: Path, config: dict[str, Any], transport: dict[str, Any] | None, reason: str
) -> None:
    async with media_rig(tmp_path) as rig:
        call_id = await rig.create(assistant(**config), transport)
        await refused(rig, call_id)
        state = rig.call(call_id)
        assert isinstance(state, Ended)
        assert state.end.reason == reason


async def test_draining_ends_running_calls_records_everything_and_takes_no_more(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        callers = [await dial(rig, assistant(firstMessage="A rather long greeting, " * 8)) for _ in range(3)]
        for caller in callers:
            await caller.until(partial(heard_by, caller))
        await rig.tier.drain(PATIENCE_S)
        assert rig.tier.active() == 0
        for caller in callers:
            events = await caller.ended()
            assert [event.reason for event in of(events, CallEnded)] == ["worker-shutdown"]
            assert {event.track for event in of(events, ArtifactStored)} >= {"stereo", "log"}
        late = await rig.create(assistant())
        assert (await refused(rig, late)).code == 1012


async def test_leaving_the_tier_ends_calls_that_still_run(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
    assert caller.closed == (1000, "worker-shutdown")
    log = EmbeddedLog.open(tmp_path / "log.db", clock=lambda: datetime.now(UTC), new_id=str)
    events = [positioned.recorded.event for positioned in log.history(caller.call_id)]
    log.close()
    assert of(events, CallEnded)[0].reason == "worker-shutdown"


async def test_the_platform_ends_a_call_and_knows_when_that_is_recorded(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        await rig.tier.end(caller.call_id, "manually-canceled")
        assert of(rig.events(caller.call_id), CallEnded)[0].reason == "manually-canceled"
        await caller.ended()
        with pytest.raises(CallNotLive):
            await rig.tier.end(caller.call_id, "manually-canceled")
        with pytest.raises(CallNotLive):
            await rig.tier.control(caller.call_id, {"type": "end-call"})


async def test_a_connection_task_that_is_cancelled_does_not_take_the_record_with_it(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        caller.serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller.serving
        await rig.tier.drain(PATIENCE_S)
        assert of(rig.events(caller.call_id), CallEnded)[0].reason == "customer-ended-call"


class Outage:
    """The log with a switch: while it is off nothing is taken."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self.off = False
        self.refused = asyncio.Event()

    async def execute(self, *arguments: Any, **more: Any) -> Any:
        self._check()
        return await self._log.execute(*arguments, **more)

    async def record(self, *arguments: Any, **more: Any) -> Any:
        self._check()
        return await self._log.record(*arguments, **more)

    def _check(self) -> None:
        if self.off:
            self.refused.set()
            raise LogUnavailable("no space left on device", full=True)


async def test_an_outage_of_the_log_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    switches: list[Outage] = []

    def commands(log: EmbeddedLog) -> Outage:
        switches.append(Outage(log))
        return switches[0]

    async with media_rig(tmp_path, providers("first", "second"), commands=commands, log_retry_s=0.02) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        switches[0].off = True
        await caller.speak()
        await caller.until_said(2)
        async with asyncio.timeout(PATIENCE_S):
            await switches[0].refused.wait()
        before = rig.types(caller.call_id)
        caller.control(type="end-call")
        async with asyncio.timeout(PATIENCE_S):
            await caller.closed_event.wait()
        assert rig.types(caller.call_id) == before
        assert not caller.serving.done()
        switches[0].off = False
        events = await caller.ended()
        kinds = [event.TYPE for event in events]
        assert kinds[: len(before)] == before
        assert kinds.index("call.turn_decided") < kinds.index("call.ended") < kinds.index("call.artifact_stored")
        assert kinds.count("call.ended") == 1
        assert len({positioned.recorded.id for positioned in rig.log.history(caller.call_id)}) == len(kinds)


async def test_a_call_whose_events_pile_up_is_ended_and_they_are_kept(tmp_path: Path) -> None:
    switches: list[Outage] = []

    def commands(log: EmbeddedLog) -> Outage:
        switches.append(Outage(log))
        return switches[0]

    async with media_rig(tmp_path, commands=commands, log_retry_s=0.02, journal_cap=6) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        switches[0].off = True
        for number in range(10):
            caller.say(f"not json {number}")
        async with asyncio.timeout(PATIENCE_S):
            await caller.closed_event.wait()
        switches[0].off = False
        events = await caller.ended()
    assert of(events, CallEnded)[0].reason == OVERLOAD_REASON
    assert len([warning for warning in of(events, Warned) if warning.code == "control-not-json"]) >= 7


async def test_when_more_waits_than_the_spool_may_hold_all_calls_end_none_begins_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    switches: list[Outage] = []

    def commands(log: EmbeddedLog) -> Outage:
        switches.append(Outage(log))
        return switches[0]

    async with media_rig(tmp_path, commands=commands, log_retry_s=0.02, event_spool_bytes=1_000) as rig:
        callers = [await dial(rig) for _ in range(2)]
        for caller in callers:
            await caller.until_said(1)
        waiting = await rig.create(assistant())
        switches[0].off = True
        for number in range(10):
            callers[0].say(f"not json {number}")
        async with asyncio.timeout(PATIENCE_S):
            for caller in callers:
                await caller.closed_event.wait()
        assert "too many events wait" in (await refused(rig, waiting)).reason
        switches[0].off = False
        for caller in callers:
            assert of(await caller.ended(), CallEnded)[0].reason == OVERLOAD_REASON
        warnings = of(rig.events(callers[0].call_id), Warned)
        assert len([warning for warning in warnings if warning.code == "control-not-json"]) == 10


async def test_a_log_that_does_not_come_back_keeps_no_process_from_ending_and_the_next_one_brings_it_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    switches: list[Outage] = []

    def commands(log: EmbeddedLog) -> Outage:
        switches.append(Outage(log))
        return switches[0]

    # The last events are on disk and not on the log.
    settings: dict[str, Any] = {"closing_grace_s": 0.05, "replays": False}
    async with asyncio.timeout(PATIENCE_S), media_rig(tmp_path, commands=commands, **settings) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        switches[0].off = True
    await asyncio.gather(caller.serving, return_exceptions=True)
    assert caller.closed == (1000, "worker-shutdown")
    assert not any(record.message == "journal.events_lost" for record in caplog.records)
    async with media_rig(tmp_path, reap_every_s=0.05) as rig:
        async with asyncio.timeout(PATIENCE_S):
            async for batch in rig.log.follow(type(rig.head())(0, 0), frozenset({"call.ended"})):
                if any(item.recorded.originator_id == caller.call_id for item in batch):
                    break
        events = rig.events(caller.call_id)
        assert [event.reason for event in of(events, CallEnded)] == ["worker-shutdown"]
        assert len({positioned.recorded.id for positioned in rig.log.history(caller.call_id)}) == len(events)


async def test_without_the_log_no_call_is_taken(tmp_path: Path) -> None:
    def commands(log: EmbeddedLog) -> Outage:
        outage = Outage(log)
        outage.off = True
        return outage

    async with media_rig(tmp_path, commands=commands) as rig:
        call_id = await rig.create(assistant())
        assert (await refused(rig, call_id)).code == 1013
        assert isinstance(rig.call(call_id), Queued)


async def test_a_defect_in_one_conversation_ends_that_call_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound_step = MachineConversation.step

    def faulty(self: MachineConversation, happened: Any, now_ms: float) -> Any:
        if isinstance(happened, SpeechStarted):
            raise ZeroDivisionError("a defect")
        return sound_step(self, happened, now_ms)

    monkeypatch.setattr(MachineConversation, "step", faulty)
    async with media_rig(tmp_path, replays=False) as rig:  # a defect is none the second time
        other = await dial(rig)
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak()
        events = await caller.ended()
        assert of(events, CallEnded)[0].reason == FAULT_REASON
        assert caller.closed == (1011, "internal error")
        await other.until_said(1)
        assert of(await other.hang_up(), CallEnded)[0].reason == "manually-canceled"


async def test_a_disk_that_takes_no_sound_costs_the_sound_and_not_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space_for_sound(file: FileIO, data: bytes, offset: int) -> None:
        if offset:
            raise OSError(28, "No space left on device")
        file.write(data)

    monkeypatch.setattr("media.audio.recording._write_at", no_space_for_sound)
    monkeypatch.setattr("media.call.recorder.PERIOD_S", 0.05)
    async with media_rig(tmp_path, providers("hello")) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak(1_600)
        await caller.until_said(2)
        events = await caller.hang_up()
    warnings = of(events, Warned)
    assert [warning.code for warning in warnings] == ["recording-stopped", "recording-incomplete"]
    assert "No space left" in warnings[0].detail
    assert "0.0 to" in warnings[1].detail
    assert of(events, CallEnded)[0].reason == "manually-canceled"
    assert {event.track for event in of(events, ArtifactStored)} == {"stereo", "mono", "customer", "assistant", "log"}


async def test_tracks_that_cannot_be_derived_are_named_and_the_stereo_recording_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("media.audio.recording._write_tracks", no_room)
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        events = await caller.hang_up()
    assert [event.track for event in of(events, ArtifactStored)] == ["stereo", "log"]
    (warning,) = of(events, Warned)
    assert warning.code == "artifact-not-stored"
    assert "mono, customer, assistant" in warning.detail
    assert "No space left" in warning.detail


async def test_recording_can_be_switched_off(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig, assistant(artifactPlan={"recordingEnabled": False}))
        await caller.until_said(1)
        events = await caller.hang_up()
    assert [event.track for event in of(events, ArtifactStored)] == ["log"]


DEAD_OWNER = "11111111-2222-3333-4444-555555555555.1.1"


async def test_calls_of_a_dead_process_are_ended_and_their_recordings_saved(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    async with media_rig(tmp_path, reap_every_s=0.05) as rig:
        call_id = await rig.create(assistant())
        recording = Recording(tmp_path / "live" / f"{call_id}.wav")
        recording.assistant(bytes(640), 0.0)
        recording.write(recording.advance(3_000.0))
        recording.abandon()
        await rig.log.execute(CALL, call_id, ClaimCall(owner=DEAD_OWNER, lease_seconds=5.0))
        async with asyncio.timeout(PATIENCE_S):
            async for batch in rig.log.follow(rig.head(), frozenset({"call.artifact_stored"})):
                if any(item.recorded.originator_id == call_id for item in batch):
                    break
        events = rig.events(call_id)
        assert of(events, CallEnded)[0].reason == WORKER_DIED
        stereo = of(events, ArtifactStored)[0]
        assert stereo.track == "stereo"
        assert stereo.duration_ms == 1_500


class SlowJournal:
    """A journal whose log takes what it is given when it is told to."""

    def __init__(self) -> None:
        self.facts: list[tuple[Event, datetime]] = []
        self.asked, self.log_is_there = asyncio.Event(), asyncio.Event()

    def append(self, event: Event, time: datetime) -> None:
        self.facts.append((event, time))

    async def flushed(self) -> None:
        self.asked.set()
        await self.log_is_there.wait()


async def test_what_a_dead_process_had_put_into_the_store_and_not_on_the_log_is_brought_there_once(
    tmp_path: Path,
) -> None:
    live = tmp_path / "of-the-dead"
    live.mkdir()
    async with media_rig(tmp_path, served=False) as rig:
        call_id = await rig.create(assistant())
        await rig.log.execute(CALL, call_id, ClaimCall(owner=DEAD_OWNER, lease_seconds=5.0))
        await rig.log.execute(CALL, call_id, EndCall(reason="manually-canceled"))
        recording = Recording(live / f"{call_id}.wav")
        recording.assistant(bytes(640), 0.0)
        before = store_recording(rig.artifacts, call_id, recording.path, recording.finish(1_000.0))
        journal = SlowJournal()
        with ThreadPoolExecutor(1) as thread:
            salvage = Salvage(
                live,
                rig.log,
                FileLeases(live / "leases", 5.0),
                rig.artifacts,
                thread,
                lambda: datetime.now(UTC),
                serving=lambda: (),
                open_journal=lambda _: cast(Journal, journal),
            )
            looking = asyncio.create_task(salvage.look())
            await journal.asked.wait()
            assert before.sources == list(live.glob("*.wav")) == [recording.path]
            await rig.log.record(call_id, *zip(*journal.facts, strict=True))
            looking.cancel()  # as the process is that dies here
            assert await salvage.look() == 0
        assert list(live.glob("*.wav")) == []
        assert of(rig.events(call_id), ArtifactStored) == before.stored


async def test_calls_of_living_processes_and_finished_ones_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looks_at_nothing(_: Reaper) -> None: ...

    monkeypatch.setattr(Reaper, "run", looks_at_nothing)  # of the rig's own, which would look too
    async with media_rig(tmp_path) as rig:
        running = await dial(rig)
        await running.until(lambda: len(running.audio) > 0)
        elsewhere = await rig.create(assistant())
        neighbour = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
        try:
            leases = FileLeases(tmp_path / "live" / "leases", 600.0)
            owner = leases.owner.split(".")[0] + f".{neighbour.pid}." + start_of(neighbour.pid)
            (tmp_path / "live" / "leases" / f"{owner}.lease").touch()
            await rig.log.execute(CALL, elsewhere, ClaimCall(owner=owner, lease_seconds=5.0))
            done = await rig.create(assistant())
            await rig.log.execute(CALL, done, EndCall(reason="call-deleted"))
            reaper = Reaper(
                rig.log,
                rig.log,
                leases,
                lambda: {running.call_id},
                nothing_to_save,
                left_behind=nothing_to_save,
                clock=lambda: datetime.now(UTC),
                connect_within_s=60,
                every_s=60,
            )
            assert await reaper.look() == 0
        finally:
            await neighbour.communicate(b"\n")
        assert await reaper.look() == 1
        assert of(rig.events(elsewhere), CallEnded)[0].reason == WORKER_DIED
        assert await reaper.look() == 0
        await running.hang_up()


@pytest.mark.parametrize(("heard_after_s", "lasted_s"), [(90, 90), (None, 20)])
async def test_a_call_of_a_dead_process_is_no_longer_than_that_one_is_known_to_have_served_it(
    tmp_path: Path, heard_after_s: int | None, lasted_s: int
) -> None:
    async with media_rig(tmp_path, served=False, replays=False) as rig:
        origin = datetime.now(UTC) - timedelta(hours=2)
        call_id = await rig.create(assistant())
        leases = FileLeases(tmp_path / "live" / "leases", 5.0)
        if heard_after_s is not None:
            beat_s = origin.timestamp() + heard_after_s
            lease = tmp_path / "live" / "leases" / f"{DEAD_OWNER}.lease"
            lease.touch()
            os.utime(lease, (beat_s, beat_s))
        await rig.log.execute(CALL, call_id, ClaimCall(owner=DEAD_OWNER, lease_seconds=5.0))
        started = CallStarted(
            clock_origin=origin, at_ms=5.0, assistant={}, assistant_version=None, variable_values={}, assistant_id=None
        )
        warned = Warned(code="last-sign-of-life", detail="", at_ms=20_000.0)
        await rig.log.record(call_id, [started, warned], [origin, origin + timedelta(seconds=20)])
        reaper = Reaper(
            rig.log,
            rig.log,
            leases,
            lambda: (),
            clock=lambda: datetime.now(UTC),
            connect_within_s=60,
            every_s=60,
        )
        assert await reaper.look() == 1
        (ended,) = of(rig.events(call_id), CallEnded)
    assert ended.at_ms == pytest.approx(lasted_s * 1_000, abs=1_000)


async def test_a_call_that_nobody_connects_to_is_ended_and_one_that_was_just_made_waits(tmp_path: Path) -> None:
    async with media_rig(tmp_path, reap_every_s=60) as rig:
        running = await dial(rig)
        await running.until(lambda: len(running.audio) > 0)
        before = datetime.now(UTC)
        abandoned = await rig.create(assistant())
        later_s, set_by_s = 30, 0
        reaper = Reaper(
            rig.log,
            rig.log,
            FileLeases(tmp_path / "live" / "leases", 5.0),
            lambda: {running.call_id},
            nothing_to_save,
            left_behind=nothing_to_save,
            clock=lambda: before + timedelta(seconds=later_s + set_by_s),
            monotonic=lambda: later_s,
            connect_within_s=60,
            every_s=60,
        )
        assert await reaper.expire() == 0
        set_by_s = 3_600
        assert await reaper.expire() == 0
        later_s, set_by_s = 70, -3_600
        assert await reaper.expire() == 1
        (end,) = of(rig.events(abandoned), CallEnded)
        assert end.reason == "call.in-progress.error-vapifault-transport-never-connected"
        assert await reaper.expire() == 0
        assert (await refused(rig, abandoned)).code == 1008
        assert not of(rig.events(running.call_id), CallEnded)
        await running.hang_up()


async def nothing_to_save() -> int:
    return 0


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


async def test_a_reused_process_id_and_a_silent_process_are_not_taken_for_the_owner(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path, lease_s=600.0)
    boot, pid, start = leases.owner.split(".")
    assert leases.alive(leases.owner)
    reused = f"{boot}.{pid}.{int(start) + 1}"
    (tmp_path / f"{reused}.lease").touch()
    assert not leases.alive(reused)
    silent = f"{boot}.1.{start_of(1)}"
    assert not leases.alive(silent)
    lease = tmp_path / f"{silent}.lease"
    lease.touch()
    assert leases.alive(silent)
    os.utime(lease, (0, 0))
    assert not FileLeases(tmp_path, lease_s=600.0).alive(silent)
    assert not leases.alive("../../etc/passwd")


@pytest.mark.parametrize("jump_s", [3_600.0, -3_600.0])
async def test_a_wall_clock_that_is_set_makes_nobody_look_dead_or_alive(tmp_path: Path, jump_s: float) -> None:
    neighbour = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    jumped_s, passed_s = 0.0, 0.0
    try:
        began_s = time.time()
        leases = FileLeases(tmp_path, 5.0, wall=lambda: began_s + jumped_s + passed_s, monotonic=lambda: passed_s)
        owner = leases.owner.split(".")[0] + f".{neighbour.pid}." + start_of(neighbour.pid)
        beat = tmp_path / f"{owner}.lease"
        beat.touch()
        os.utime(beat, (began_s, began_s))
        leases.beat()
        assert leases.alive(owner)
        jumped_s, passed_s = jump_s, 1.0
        assert leases.alive(owner)
        assert leases.current()
        os.utime(beat, (began_s + jumped_s + passed_s,) * 2)
        assert leases.alive(owner)
        passed_s = 5.5
        assert leases.alive(owner)
        passed_s = 6.5
        assert not leases.alive(owner)
        assert not leases.current()
    finally:
        await neighbour.communicate(b"\n")


async def test_a_call_started_event_holds_the_resolved_assistant(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig, assistant(firstMessage="Hello {{nobody}}."))
        await caller.until_said(1)
        events = await caller.hang_up()
    assert of(events, CallStarted)[0].assistant["firstMessage"] == "Hello ."
    assert [warning.code for warning in of(events, Warned)] == ["template-unknown-variable"]
