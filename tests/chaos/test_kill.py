"""kill -9 in the middle of a call: what was acknowledged is there after the restart, and the call has an end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.identifiers import now, random_id
from streams.log.embedded import EmbeddedLog
from tests.end_to_end.system_process import TALKATIVE, SystemProcess, on_the_line, place_call, running

pytestmark = pytest.mark.timeout(300)  # whole systems are started, which a busy machine does slowly

END_SECONDS = 5.0
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


def test_a_killed_system_loses_nothing_acknowledged_and_ends_the_call_that_ran(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as first:
        assert first.organization is not None
        key = first.organization["privateKey"]
        call_id, shown = _killed_while_speaking(first, key)
    assert {"call.created", "call.claimed", "call.started"} <= {event["type"] for event in shown}

    with running(data_dir) as second:
        assert _ended_after_restart(second, call_id) < END_SECONDS
        with second.operator() as operator, second.api(key) as api:
            kept = _events(operator, call_id)
            call = api.get(f"/call/{call_id}").json()
        # The same again from the restarted system: recovering from one kill must not spoil the next.
        again_id, again_shown = _killed_while_speaking(second, key)

    assert kept[: len(shown)] == shown
    assert [event["type"] for event in kept].count("call.ended") == 1
    assert (call["status"], call["endedReason"]) == ("ended", WORKER_DIED)

    with running(data_dir) as third:
        assert _ended_after_restart(third, again_id) < END_SECONDS
        with third.operator() as operator:
            assert _events(operator, again_id)[: len(again_shown)] == again_shown
            assert _events(operator, call_id)[: len(kept)] == kept
        assert third.terminate() == 0
    log = EmbeddedLog.open(data_dir / "log.db", clock=now, new_id=random_id)
    try:
        assert log.verify().broken is None
    finally:
        log.close()
