"""A process that cannot serve another call well says so at once, and takes calls again when it can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from domain.call.commands import ClaimCall
from domain.live_calls import CallRejected
from media.call import start_line
from streams.log.embedded import EmbeddedLog
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import Caller, assistant
from tests.unit.media.call.test_faults import refused


class SlowClaims:
    """A log that keeps claims waiting."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self.answers = asyncio.Event()
        self.asked = asyncio.Event()

    async def execute(self, aggregate: Any, originator_id: str, command: Any, **more: Any) -> Any:
        if isinstance(command, ClaimCall):
            self.asked.set()
            await self.answers.wait()
        return await self._log.execute(aggregate, originator_id, command, **more)

    async def record(self, *arguments: Any, **more: Any) -> Any:
        return await self._log.record(*arguments, **more)


async def test_while_a_call_waits_too_long_to_begin_others_are_refused_and_then_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs: list[SlowClaims] = []

    def commands(log: EmbeddedLog) -> SlowClaims:
        logs.append(SlowClaims(log))
        return logs[0]

    async with media_rig(tmp_path, commands=commands, max_start_wait_ms=60_000) as rig:
        first_id, second_id = await rig.create(assistant()), await rig.create(assistant())
        first = Caller(rig, first_id)
        await logs[0].asked.wait()
        assert rig.tier.room() > 0
        monkeypatch.setattr(start_line, "monotonic", lambda: monotonic() + 61.0)
        assert rig.tier.room() == 0
        rejected = await refused(rig, second_id)
        assert rejected.code == 1013
        assert "begin" in rejected.reason
        monkeypatch.setattr(start_line, "monotonic", monotonic)
        logs[0].answers.set()
        await first.until_said(1)
        assert rig.tier.room() > 0
        second = Caller(rig, second_id)
        await second.until_said(1)
        await second.hang_up()
        await first.hang_up()


async def test_a_process_lets_in_at_once_no_more_than_it_is_known_to_carry(tmp_path: Path) -> None:
    async with media_rig(tmp_path, max_busy=0.8, call_share=0.2) as rig:
        assert rig.tier.room() == 4
        ids = [await rig.create(assistant()) for _ in range(6)]
        callers = [Caller(rig, call_id) for call_id in ids]
        for caller in callers[4:]:
            with pytest.raises(CallRejected, match="try again later") as rejected:
                await caller.serving
            assert rejected.value.code == 1013
        for caller in callers[:4]:
            await caller.until_said(1)
            await caller.hang_up()
        # How many may come now depends on what these have cost the machine; none of them is counted any more.
        assert rig.tier.active() == 0
