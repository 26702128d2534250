"""API and calls in processes of their own over one data folder: what clients see is one system."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import aioice.ice
import httpx
import pytest

from infra import storage, storage_on_kafka
from infra.watch import REAP_SECONDS
from media.call.reaper import WORKER_DIED
from tests.end_to_end.installation import (
    WITHIN_SECONDS,
    Installation,
    Node,
    at,
    end_call,
    ended_reason,
    heard_until_closed,
    moved,
    status,
)
from tests.end_to_end.system_process import (
    A_SECOND_AND_A_BIT,
    ANSWER_SECONDS,
    TALKATIVE,
    SystemProcess,
    connected,
    on_the_line,
    place_call,
    running,
)
from tests.unit.media.transports.webrtc_browser import LOOPBACK, browser

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly


PLACES = 3
"""Calls that each worker takes at once."""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    """Two workers that take calls from one port, ``PLACES`` each."""
    folder = tmp_path_factory.mktemp("roles") / "data"
    limits = {"CALLFOLD_MAX_CALLS": str(PLACES), "CALLFOLD_WEBRTC_ADDRESSES": LOOPBACK}
    with running(folder, "--workers", "2", role="media", **limits) as supervisor:
        yield supervisor


@pytest.fixture(scope="module")
def installation(media: SystemProcess) -> Iterator[Installation]:
    with running(media.folder.root, role="api", CALLFOLD_MEDIA_URL=media.url) as api:
        first, second = (Node(worker.url, worker.pid) for worker in media.folder.beside())
        yield Installation(api, first, second)


@pytest.fixture
def api(installation: Installation) -> Iterator[httpx.Client]:
    with installation.client() as client:
        yield client


def test_a_call_created_at_the_api_is_held_where_its_urls_say(
    installation: Installation, media: SystemProcess, api: httpx.Client
) -> None:
    call = place_call(api, TALKATIVE)

    assert call["transport"]["websocketCallUrl"].startswith(media.url.replace("http", "ws"))
    with on_the_line(call) as line:
        assert status(api, call) == ("in-progress", None)
        assert end_call(call, media.url).status_code == 200
        code, _ = line.wait_for_hang_up()
    assert code == 1000
    assert ended_reason(installation, call) == "manually-canceled"


@pytest.mark.parametrize("where", ["api", "second"])
def test_control_and_listening_reach_the_owner_from_every_process(
    installation: Installation, api: httpx.Client, where: str
) -> None:
    elsewhere: str = getattr(installation, where).url
    call = place_call(api, TALKATIVE)

    with (
        on_the_line(moved(call, installation.first)) as line,
        connected(at(call["monitor"]["listenUrl"], elsewhere)) as listener,
    ):
        assert "16000" in str(listener.recv(timeout=ANSWER_SECONDS))
        assert isinstance(listener.recv(timeout=ANSWER_SECONDS), bytes)
        told = end_call(call, elsewhere)
        assert (told.status_code, told.json()) == (200, {"success": True})
        line.wait_for_hang_up()
        heard_until_closed(listener)
        assert listener.close_code == 1000
    assert ended_reason(installation, call) == "manually-canceled"
    assert end_call(call, elsewhere).status_code == 404


def test_a_call_deleted_at_the_api_is_ended_by_its_owner_first(installation: Installation, api: httpx.Client) -> None:
    call = place_call(api, TALKATIVE)

    with on_the_line(moved(call, installation.second)) as line:
        deleted = api.delete(f"/call/{call['id']}")
        line.wait_for_hang_up()

    assert deleted.status_code == 200, deleted.text
    assert (deleted.json()["status"], deleted.json()["endedReason"]) == ("ended", "call-deleted")
    assert api.get(f"/call/{call['id']}").status_code == 404


def test_callers_are_given_to_workers_with_room_and_turned_away_only_where_none_has_any(
    installation: Installation, api: httpx.Client
) -> None:
    with ExitStack() as lines:
        calls = [place_call(api, TALKATIVE) for _ in range(2 * PLACES)]
        held = [lines.enter_context(on_the_line(call)) for call in calls]
        assert {status(api, call) for call in calls} == {("in-progress", None)}
        with connected(place_call(api, TALKATIVE)["transport"]["websocketCallUrl"]) as one_more:
            heard_until_closed(one_more)
            assert (one_more.close_code, "calls are running here" in str(one_more.close_reason)) == (1013, True)
        for call in calls:
            assert end_call(call, installation.api.url).status_code == 200
        for line in held:
            line.wait_for_hang_up()


async def speak_from_a_browser(address: str, connected: Callable[[], None]) -> int:
    """Offer a call at this address, hear the assistant, do what ``connected`` does, and stay until the other side
    hangs up; the status of a second offer."""
    async with browser() as person, httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as client:
        answered = await client.post(address, json={"type": "offer", "sdp": await person.offer()})
        assert answered.status_code == 200, answered.text
        await person.accept(answered.json()["sdp"])
        await person.has_heard(A_SECOND_AND_A_BIT)
        again = await client.post(address, json={"type": "offer", "sdp": "v=0"})
        await asyncio.to_thread(connected)
        await asyncio.wait_for(person.closed.wait(), ANSWER_SECONDS)
    return again.status_code


@pytest.mark.parametrize("where", ["media", "api"])
def test_a_browser_speaks_with_a_worker_wherever_its_offer_came_in(
    installation: Installation,
    media: SystemProcess,
    api: httpx.Client,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [LOOPBACK])
    created = api.post("/call", json={"assistant": TALKATIVE, "transport": {"provider": "callfold.webrtc"}})
    assert created.status_code == 201, created.text
    call = created.json()

    def end_it() -> None:
        assert status(api, call) == ("in-progress", None)
        assert end_call(call, installation.api.url).status_code == 200

    address = at(call["webCallUrl"], media.url if where == "media" else installation.api.url)
    assert asyncio.run(speak_from_a_browser(address, end_it)) == 409
    assert ended_reason(installation, call) == "manually-canceled"

    found = api.get(f"/call/{call['id']}").json()
    assert (found["status"], found["endedReason"]) == ("ended", "manually-canceled")
    assert [cost["provider"] for cost in found["costs"] if cost["type"] == "transport"] == ["callfold.webrtc"]


def test_the_api_process_serves_no_sound_and_says_so(installation: Installation, api: httpx.Client) -> None:
    call = place_call(api, TALKATIVE)

    with connected(at(call["transport"]["websocketCallUrl"], installation.api.url)) as socket:
        assert heard_until_closed(socket) == 0

    assert socket.close_code == 1013
    assert "callfold media" in str(socket.close_reason)
    assert status(api, call)[0] == "queued"


def test_leases_and_reapers_looks_leave_the_calls_of_a_silent_process_five_seconds() -> None:
    on_kafka = storage_on_kafka.LEASE_SECONDS
    # There time is counted by heartbeats, four in a lease.
    assert max(storage.LEASE_SECONDS, on_kafka + on_kafka / 4) + REAP_SECONDS <= WITHIN_SECONDS


def test_a_killed_process_ends_its_calls_and_nobody_elses_and_is_started_again(
    installation: Installation, media: SystemProcess, api: httpx.Client
) -> None:
    theirs, others = place_call(api, TALKATIVE), place_call(api, TALKATIVE)

    with ExitStack() as lines:
        other_line = lines.enter_context(on_the_line(moved(others, installation.first)))
        line = lines.enter_context(on_the_line(moved(theirs, installation.second)))
        os.kill(installation.second.pid, signal.SIGKILL)
        killed = time.monotonic()
        reason = ended_reason(installation, theirs)
        took = time.monotonic() - killed
        line.wait_for_hang_up()
        assert reason == WORKER_DIED
        assert took < WITHIN_SECONDS
        assert status(api, others) == ("in-progress", None)
        assert end_call(others, installation.first.url).status_code == 200
        other_line.wait_for_hang_up()

    assert ended_reason(installation, others) == "manually-canceled"
    assert place_call(api, TALKATIVE)["status"] == "queued"
    media.wait_for_lines("system.ready", 4)  # two workers, their supervisor, and the worker that was started again
    assert len(media.folder.beside()) == 2


def test_a_stop_ends_the_calls_of_every_worker_with_a_recorded_reason(
    installation: Installation, media: SystemProcess, api: httpx.Client
) -> None:
    call = place_call(api, TALKATIVE)

    with on_the_line(call) as line:
        assert media.terminate() == 0
        line.wait_for_hang_up()

    assert status(api, call) == ("ended", "worker-shutdown")
    assert media.folder.beside() == []
