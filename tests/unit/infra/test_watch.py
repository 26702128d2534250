"""A process without calls of its own sees to those whose owner died: what happened in them first, then their end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, CreateCall
from domain.call.events import CallEnded, Warned
from domain.log.position import Position
from infra.identifiers import random_id
from infra.storage import Storage
from infra.watch import watching_leases
from media.artifacts.local import LocalArtifactStore
from media.call.leases import FileLeases
from media.call.left_behind import spool_folder
from media.call.reaper import WORKER_DIED
from media.call.spool_file import SpoolFile
from media.call.spool_records import encode_commit
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.patience import PATIENCE_S

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_what_a_dead_process_had_on_disk_comes_before_the_end_of_its_call(tmp_path: Path) -> None:
    log = EmbeddedLog.open(tmp_path / "log.db", clock=lambda: datetime.now(UTC), new_id=random_id)
    fragments = EmbeddedFragmentLog(tmp_path / "media.db")
    live = tmp_path / "live"
    storage = Storage(log, fragments, LocalArtifactStore(tmp_path / "artifacts"), FileLeases(live / "leases", 4.0))
    create = CreateCall(org_id="org", type="vapi.websocketCall", request={}, transport={})
    await log.execute(CALL, "call-1", create)
    await log.execute(CALL, "call-1", ClaimCall(owner="00000000-0000-0000-0000-000000000000.1.1", lease_seconds=4.0))
    spool = SpoolFile(spool_folder(live) / "dead.events.spool")
    spool.append([encode_commit("call-1", "commit-1", [(Warned(code="last", detail="words"), START)])])
    spool.close()
    async with watching_leases(storage, live, connect_within_s=60), asyncio.timeout(PATIENCE_S):
        async for batch in log.follow(Position(0, 0), frozenset({CallEnded.TYPE})):
            assert batch
            break
    events = [positioned.recorded.event for positioned in log.history("call-1")]
    assert [event.TYPE for event in events[2:]] == ["call.warned", "call.ended"]
    assert isinstance(events[-1], CallEnded)
    assert events[-1].reason == WORKER_DIED
    log.close()
    fragments.close()
