"""API and calls in processes of their own over one log: what clients see is one system."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from media.call.reaper import WORKER_DIED
from tests.end_to_end.system_process import TALKATIVE, SystemProcess, on_the_line, place_call, running

pytestmark = pytest.mark.timeout(300)  # whole systems are started, which a busy machine does slowly

WITHIN_SECONDS = 5.0
"""How long a call may outlive the process that served it."""
WORKERS = 2


@dataclass
class Installation:
    """An API process, a media process to which call URLs point, and a second one of several workers."""

    api: SystemProcess
    first: SystemProcess
    second: SystemProcess

    def client(self) -> httpx.Client:
        assert self.api.organization is not None
        return self.api.api(self.api.organization["privateKey"])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data_dir = tmp_path_factory.mktemp("roles") / "data"
    with ExitStack() as processes:
        first = processes.enter_context(running(data_dir, role="media"))
        second = processes.enter_context(running(data_dir, "--workers", str(WORKERS), role="media"))
        api = processes.enter_context(running(data_dir, role="api", CALLFOLD_MEDIA_URL=first.url))
        yield Installation(api, first, second)


@pytest.fixture
def api(installation: Installation) -> Iterator[httpx.Client]:
    with installation.client() as client:
        yield client


def at(url: str, process: SystemProcess) -> str:
    """The same path at another process."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{process.url.partition('://')[2]}/{rest.partition('/')[2]}"


def moved(call: dict[str, Any], process: SystemProcess) -> dict[str, Any]:
    """The call with its sound at another process."""
    return call | {"transport": {"websocketCallUrl": at(call["transport"]["websocketCallUrl"], process)}}


def status(api: httpx.Client, call: dict[str, Any]) -> tuple[str, str | None]:
    found = api.get(f"/call/{call['id']}").json()
    return found["status"], found.get("endedReason")


def ended_reason(installation: Installation, call: dict[str, Any]) -> str:
    """Waits on the log for the call's end."""
    parameters = {"follow": "true", "after": "0:0", "originator": call["id"], "types": "call.ended"}
    with (
        installation.api.operator() as operator,
        operator.stream("GET", "/operator/events", params=parameters, timeout=30) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                reason: str = json.loads(line.removeprefix("data: "))["data"]["reason"]
                return reason
    raise AssertionError("the stream ended before the call did")


def claim(installation: Installation, call: dict[str, Any]) -> dict[str, Any]:
    """What the owner said when it took the call."""
    parameters = {"originator": call["id"], "types": "call.claimed"}
    with installation.api.operator() as operator:
        (claimed,) = operator.get("/operator/events", params=parameters).json()
    said: dict[str, Any] = claimed["data"]
    return said


def heard_until_closed(socket: ClientConnection) -> int:
    """Messages until the other side closes."""
    heard = 0
    try:
        while True:
            socket.recv(timeout=30)
            heard += 1
    except ConnectionClosed:
        return heard


def test_a_call_created_at_the_api_is_held_at_the_media_process_it_names(
    installation: Installation, api: httpx.Client
) -> None:
    call = place_call(api, TALKATIVE)

    assert call["transport"]["websocketCallUrl"].startswith(installation.first.url.replace("http", "ws"))
    assert call["monitor"]["controlUrl"].startswith(installation.first.url)
    with on_the_line(call) as line:
        assert status(api, call) == ("in-progress", None)
        assert httpx.post(call["monitor"]["controlUrl"], json={"type": "end-call"}).status_code == 200
        code, _ = line.wait_for_hang_up()
    assert code == 1000
    assert ended_reason(installation, call) == "manually-canceled"


@pytest.mark.parametrize("where", ["api", "second"])
def test_control_and_listening_reach_the_owner_from_every_process(
    installation: Installation, api: httpx.Client, where: str
) -> None:
    elsewhere: SystemProcess = getattr(installation, where)
    call = place_call(api, TALKATIVE)

    with (
        on_the_line(call) as line,
        connect(at(call["monitor"]["listenUrl"], elsewhere), compression=None, proxy=None) as listener,
    ):
        assert "16000" in str(listener.recv(timeout=30))
        assert isinstance(listener.recv(timeout=30), bytes)
        told = httpx.post(at(call["monitor"]["controlUrl"], elsewhere), json={"type": "end-call"})
        assert (told.status_code, told.json()) == (200, {"success": True})
        line.wait_for_hang_up()
        heard_until_closed(listener)
        assert listener.close_code == 1000
    assert ended_reason(installation, call) == "manually-canceled"
    late = httpx.post(at(call["monitor"]["controlUrl"], elsewhere), json={"type": "end-call"})
    assert late.status_code == 404


def test_a_call_deleted_at_the_api_is_ended_by_its_owner_first(installation: Installation, api: httpx.Client) -> None:
    call = place_call(api, TALKATIVE)

    with on_the_line(moved(call, installation.second)) as line:
        deleted = api.delete(f"/call/{call['id']}")
        line.wait_for_hang_up()

    assert deleted.status_code == 200, deleted.text
    assert (deleted.json()["status"], deleted.json()["endedReason"]) == ("ended", "call-deleted")
    assert api.get(f"/call/{call['id']}").status_code == 404


def test_the_api_process_serves_no_sound_and_says_so(installation: Installation, api: httpx.Client) -> None:
    call = place_call(api, TALKATIVE)

    with connect(at(call["transport"]["websocketCallUrl"], installation.api), proxy=None) as socket:
        assert heard_until_closed(socket) == 0

    assert socket.close_code == 1013
    assert "callfold media" in str(socket.close_reason)
    assert status(api, call)[0] == "queued"


def test_a_killed_worker_ends_its_calls_and_nobody_elses_and_is_started_again(
    installation: Installation, api: httpx.Client
) -> None:
    theirs, others = place_call(api, TALKATIVE), place_call(api, TALKATIVE)
    workers = {f"{worker.url}": worker.pid for worker in installation.second.folder.beside()}

    with on_the_line(others) as other_line:
        with on_the_line(moved(theirs, installation.second)) as line:
            os.kill(workers[claim(installation, theirs)["address"]], signal.SIGKILL)
            killed = time.monotonic()
            reason = ended_reason(installation, theirs)
            took = time.monotonic() - killed
            line.wait_for_hang_up()
        assert reason == WORKER_DIED
        assert took < WITHIN_SECONDS
        assert status(api, others) == ("in-progress", None)
        assert httpx.post(others["monitor"]["controlUrl"], json={"type": "end-call"}).status_code == 200
        other_line.wait_for_hang_up()

    assert ended_reason(installation, others) == "manually-canceled"
    assert place_call(api, TALKATIVE)["status"] == "queued"
    installation.second.wait_for_lines("system.ready", WORKERS + 2)  # every worker, their supervisor, and the new one
    assert len(installation.second.folder.beside()) == 1 + WORKERS


def test_a_stop_ends_the_calls_of_every_worker_with_a_recorded_reason(
    installation: Installation, api: httpx.Client
) -> None:
    call = place_call(api, TALKATIVE)

    with on_the_line(moved(call, installation.second)) as line:
        assert installation.second.terminate() == 0
        line.wait_for_hang_up()

    assert status(api, call) == ("ended", "worker-shutdown")
    assert [process.url for process in installation.api.folder.beside()] == [installation.first.url]
