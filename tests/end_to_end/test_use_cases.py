"""The documented use cases as whole calls over real sockets, with the local providers and with simulated vendors, and
``callfold replay`` of every one of them.

In virtual time they are held by ``tests/unit/media/machine/test_use_cases.py``; this adds processes, speech and wires.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from infra.demo.caller import Caller, Line
from infra.demo.speech import synthesize
from media.providers.scripted import tone
from tests.end_to_end.held_calls import (
    HeldCall,
    assert_conversation,
    assert_replays,
    at_vendors,
    simulated_vendors,
    system,
    tool_server,
    until_ended,
)
from tests.end_to_end.system_process import TRANSPORT, SystemProcess
from tests.use_cases import USE_CASES, UseCase

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]

DIGITS = {"4711#": "four seven one one"}
MS_PER_CHARACTER = 60


def lines_of(case: UseCase) -> list[Line]:
    """Keys are read out: the key pad of a telephone is a carrier's business."""
    return [Line(turn.said or DIGITS[turn.keys], answer=turn.answer, rephrased=turn.rephrased) for turn in case.turns]


async def hold(started: SystemProcess, case: UseCase, request: dict[str, Any], speech: dict[str, bytes]) -> HeldCall:
    assert started.organization is not None
    headers = {"authorization": f"Bearer {started.organization['privateKey']}"}
    async with httpx2.AsyncClient(base_url=started.url, headers=headers, trust_env=False, timeout=30) as api:
        created = await api.post("/call", json={**request, "transport": TRANSPORT})
        assert created.status_code == 201, created.text
        caller = Caller(speech, lambda _: None)
        await caller.hold(created.json()["transport"]["websocketCallUrl"], lines_of(case))
        call_id = created.json()["id"]
        await asyncio.to_thread(until_ended, started, call_id)
        body: dict[str, Any] = (await api.get(f"/call/{call_id}")).json()
    return HeldCall(call_id, body)


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_local_providers_hold_a_use_case_and_its_replay_is_exact(tmp_path: Path, case: UseCase) -> None:
    speech = await synthesize(sorted({wording for line in lines_of(case) for wording in line.wordings}))
    with tool_server(dict(case.tools)) as tools_url:
        async with system(tmp_path) as started:
            held = await hold(started, case, case.request(tools_url), speech)
    assert_conversation(case, held)
    await asyncio.to_thread(assert_replays, tmp_path, held.id)


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_simulated_vendors_hold_a_use_case_and_its_replay_is_exact(
    tmp_path: Path, case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Vendors hear one text after the other: a caller who said one twice would be taken for the next.
    monkeypatch.setattr("infra.demo.caller._PUZZLED_SECONDS", 30.0)
    lines = lines_of(case)
    async with AsyncExitStack() as stack:
        environment = await stack.enter_async_context(simulated_vendors([line.text for line in lines]))
        tools_url = stack.enter_context(tool_server(dict(case.tools)))
        started = await stack.enter_async_context(system(tmp_path, **environment))
        speech = {wording: tone(MS_PER_CHARACTER * len(line.text)) for line in lines for wording in line.wordings}
        held = await hold(started, case, at_vendors(case.request(tools_url)), speech)
    assert_conversation(case, held)
    await asyncio.to_thread(assert_replays, tmp_path, held.id)
