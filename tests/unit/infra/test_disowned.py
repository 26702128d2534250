"""Calls that others have ended: who still holds their conversation hangs up; ends of its own are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, CreateCall, EndCall
from infra.disowned import hanging_up_disowned
from media.call.reaper import WORKER_DIED
from tests.patience import PATIENCE_S
from tests.unit.api.installation import Installation, install


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    built = install(tmp_path)
    yield built
    built.log.close()


async def ended(installation: Installation, call_id: str, at_ms: float | None, reason: str = "") -> None:
    for command in (
        CreateCall(org_id="org", type="vapi.websocketCall", request={}, transport={}),
        ClaimCall(owner="here", lease_seconds=5),
        EndCall(reason=reason or f"ended {call_id}", at_ms=at_ms),
    ):
        await installation.log.execute(CALL, call_id, command)


async def test_a_conversation_is_hung_up_when_somebody_else_has_ended_its_call(installation: Installation) -> None:
    hung_up = asyncio.Event()

    async def end(call_id: str, reason: str) -> None:
        if call_id == "last":
            hung_up.set()

    installation.live_calls.on_end = end
    installation.live_calls.running = {"by others", "by itself", "by a reaper", "last"}
    async with asyncio.timeout(PATIENCE_S), hanging_up_disowned(installation.log, (0,), installation.live_calls):
        await ended(installation, "not here", None)
        await ended(installation, "by itself", 1234.0)
        await ended(installation, "by others", None)
        await ended(installation, "by a reaper", 1234.0, WORKER_DIED)
        await ended(installation, "last", None)
        await hung_up.wait()

    assert sorted(installation.live_calls.ended) == [
        ("by a reaper", WORKER_DIED),
        ("by others", "ended by others"),
        ("last", "ended last"),
    ]
    assert installation.live_calls.running == {"by itself"}


async def test_an_error_of_the_block_stays_that_error(installation: Installation) -> None:
    with pytest.raises(FileNotFoundError, match="of the block"):
        async with hanging_up_disowned(installation.log, (0,), installation.live_calls):
            raise FileNotFoundError("of the block")
