"""Given the log, the runner and the tables together, when something is recorded, then analysts can see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from domain.call.events import CallClaimed, CallCreated, CallEnded, CallStarted, MessageCommitted
from domain.log.position import Position
from projections.analytics.engine import ClickHouseAnalytics
from projections.folds import PROCESSORS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from streams.log.embedded import EmbeddedLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    ids = count(1)
    opened = EmbeddedLog.open(tmp_path / "log.db", clock=lambda: NOW, new_id=lambda: f"id-{next(ids)}")
    yield opened
    opened.close()


@pytest.fixture
async def runner(store: AnalyticsStore, log: EmbeddedLog, tmp_path: Path) -> AsyncIterator[EmbeddedRunner]:
    letters = DeadLetters(tmp_path / "dead.db")
    pipeline = Pipeline("projections", PROCESSORS, ClickHouseSink(store), window_seconds=0.02)
    hosted = EmbeddedRunner(log, [pipeline], letters, clock=lambda: NOW)
    await hosted.start()
    yield hosted
    await hosted.stop()
    letters.close()


async def test_a_call_is_counted_as_soon_as_its_position_is_reached(
    store: AnalyticsStore, log: EmbeddedLog, runner: EmbeddedRunner
) -> None:
    analytics = ClickHouseAnalytics(store, clock=lambda: NOW + timedelta(minutes=5))

    async def recorded(*events: CallCreated | CallClaimed | CallStarted | MessageCommitted | CallEnded) -> Position:
        appended = await log.record("call-1", events, [NOW] * len(events))
        async with asyncio.timeout(60):
            await runner.reached(appended.position)
        return appended.position

    async def statuses() -> list[tuple[object, ...]]:
        return list((await analytics.sql("SELECT call_id, status, ended_reason FROM calls", org_id="org-a")).rows)

    try:
        await recorded(CallCreated(org_id="org-a", type="webCall", request={}, transport={}))
        assert await statuses() == [("call-1", "queued", None)]
        await recorded(
            CallClaimed(owner="node-1", lease_seconds=5.0),
            CallStarted(clock_origin=NOW, at_ms=0.0, assistant={}),
            MessageCommitted(message_id="m1", role="user", text="Hello", started_ms=0, ended_ms=900, turn=1),
        )
        assert await statuses() == [("call-1", "in-progress", None)]
        assert (await analytics.sql("SELECT text FROM messages")).rows == (("Hello",),)
        last = await recorded(CallEnded(reason="customer-ended-call", at_ms=90_000.0))
        assert await statuses() == [("call-1", "ended", "customer-ended-call")]
        operations = [{"operation": "sum", "column": "duration"}, {"operation": "count", "column": "id"}]
        [result] = await analytics.run("org-a", [{"table": "call", "name": "Calls", "operations": operations}])
        assert result["result"] == [{"sumDuration": 90.0, "countId": 1}]
        assert runner.status()["projections"].position == last == log.head()
    finally:
        analytics.close()
