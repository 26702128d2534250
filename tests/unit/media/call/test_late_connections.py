"""Connections to a call that is over, at the moment when everything about it is still being put away."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from domain.log.position import Position
from media.artifacts.local import LocalArtifactStore
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial
from tests.unit.media.call.test_faults import refused


async def test_a_connection_that_comes_while_a_call_is_put_away_is_told_that_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, room = LocalArtifactStore.put, threading.Event()

    def slow_put(*arguments: Any) -> Any:
        assert room.wait(PATIENCE_S)
        return put(*arguments)

    monkeypatch.setattr(LocalArtifactStore, "put", slow_put)
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        assert (await refused(rig, caller.call_id)).reason == "another connection serves the call already"
        caller.control(type="end-call")
        await caller.closed_event.wait()
        async for batch in rig.log.follow(Position(0, 0), frozenset({"call.ended"})):
            assert batch
            break
        late = await refused(rig, caller.call_id)
        room.set()
        assert (late.code, late.reason) == (1008, "the call has ended with manually-canceled; create a new call")
        await caller.ended()
