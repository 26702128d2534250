"""kill -9 in the middle of a call: what was acknowledged is there after the restart, and the call has an end."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.identifiers import now, random_id
from streams.log.embedded import EmbeddedLog
from tests.end_to_end.system_process import TALKATIVE, SystemProcess, on_the_line, place_call, running

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly

END_SECONDS = 120.0
"""Long, for busy machines: on an idle one it takes less than a second. That it is soon is asserted of processes that go
on living (``tests/end_to_end/installation.py``); a start that is starved of processor time proves nothing about it."""
WORKER_DIED = "call.in-progress.error-vapifault-worker-died"


def _events(operator: httpx.Client, call_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = operator.get("/operator/events", params={"originator": call_id}).json()
    return events


def _killed_while_speaking(system: SystemProcess, key: str) -> tuple[str, list[dict[str, Any]]]:
    """The call that was running, and its events that a client had been shown before."""
    with system.api(key) as api, system.operator() as operator:
        call = place_call(api, TALKATIVE)
        with on_the_line(call) as line:
            shown = _events(operator, call["id"])
            system.kill()
            code, _ = line.wait_for_hang_up()
    assert code != 1000
    return call["id"], shown


def _ended_after_restart(system: SystemProcess, call_id: str) -> float:
    """Seconds from the restarted system's first answer to the call's terminal event."""
    started = time.monotonic()
    with system.operator() as operator:
        request = {"originator": call_id, "types": "call.ended", "follow": "true"}
        with operator.stream("GET", "/operator/events", params=request, timeout=2 * END_SECONDS) as stream:
            next(line for line in stream.iter_lines() if line.startswith("data: "))
    return time.monotonic() - started


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_a_killed_system_loses_nothing_acknowledged_and_ends_the_call_that_ran(tmp_path: Path, kills: int) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as system:
        assert system.organization is not None
        key = system.organization["privateKey"]
        call_id, shown = _killed_while_speaking(system, key)
    assert {"call.created", "call.claimed", "call.started"} <= {event["type"] for event in shown}
    histories = {call_id: shown}

    for remaining in reversed(range(kills)):
        with running(data_dir) as system:
            assert _ended_after_restart(system, call_id) < END_SECONDS
            with system.operator() as operator, system.api(key) as api:
                for each, known in histories.items():
                    kept = _events(operator, each)
                    assert kept[: len(known)] == known
                    assert [event["type"] for event in kept].count("call.ended") == 1
                    histories[each] = kept
                call = api.get(f"/call/{call_id}").json()
                assert (call["status"], call["endedReason"]) == ("ended", WORKER_DIED)
            if remaining:  # recovering from one kill must not spoil the next
                call_id, shown = _killed_while_speaking(system, key)
                histories[call_id] = shown
            else:
                assert system.terminate() == 0

    with closing(EmbeddedLog.open(data_dir / "log.db", clock=now, new_id=random_id)) as log:
        assert log.verify().broken is None
