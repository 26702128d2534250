"""API and calls in processes of their own over one log: what clients see is one system."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.sync.client import connect

from media.call.reaper import WORKER_DIED
from tests.end_to_end.installation import (
    WITHIN_SECONDS,
    Installation,
    at,
    claim,
    ended_reason,
    heard_until_closed,
    moved,
    status,
)
from tests.end_to_end.system_process import TALKATIVE, SystemProcess, on_the_line, place_call, running

pytestmark = pytest.mark.timeout(300)  # whole systems are started, which a busy machine does slowly

WORKERS = 2


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
