"""Calls that other processes serve: what is asked of whom, and what is said when nobody answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.app import CALLS_ONLY, create_app
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, CreateCall, EndCall
from domain.live_calls import CallNotLive, CallRejected, CallSocket, LiveCalls, OwnerUnreachable
from infra.http_server import serving
from infra.listening import listen
from infra.remote_calls import RoutedCalls
from tests.patience import PATIENCE_S
from tests.unit.api.installation import SECRET, Installation, ScriptedLiveCalls, install

CALL_ID = "01900000-0000-7000-8000-00000000abcd"
HERE, THERE = "machine.1.1", "machine.2.2"


class Listener:
    """A ``CallSocket`` whose far end goes when told."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.heard: list[bytes | str] = []
        self.heard_something = asyncio.Event()

    def deliver(self, take: Callable[[bytes], bool]) -> None: ...

    def send_now(self, data: bytes | str) -> bool:
        return False

    async def receive(self) -> bytes | str | None:
        await self.gone.wait()
        return None

    async def send_bytes(self, data: bytes) -> None:
        self.heard.append(data)
        self.heard_something.set()

    async def send_text(self, text: str) -> None:
        self.heard.append(text)

    async def close(self, code: int, reason: str) -> None: ...


@pytest.fixture(autouse=True)
def _time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.remote_calls.CONNECT_SECONDS", PATIENCE_S)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    built = install(tmp_path)
    yield built
    built.log.close()


@pytest.fixture
async def owner(installation: Installation) -> AsyncIterator[str]:
    """Another process that serves calls of the same log; its address."""
    with listen("127.0.0.1", 0) as listener:
        app = create_app(replace(installation.dependencies, own_calls=installation.live_calls), CALLS_ONLY)
        async with serving(app, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def routed(
    installation: Installation, own: LiveCalls | None = None, secret: bytes = SECRET
) -> AsyncIterator[RoutedCalls]:
    calls = RoutedCalls(own, HERE, installation.log, installation.log, secret)
    try:
        yield calls
    finally:
        await calls.close()


async def claimed(installation: Installation, owner: str, address: str) -> None:
    await installation.log.execute(
        CALL, CALL_ID, CreateCall(org_id="org", type="vapi.websocketCall", request={}, transport={})
    )
    await installation.log.execute(CALL, CALL_ID, ClaimCall(owner=owner, lease_seconds=5, address=address))


async def test_a_call_of_this_process_is_asked_at_once(installation: Installation) -> None:
    own = ScriptedLiveCalls(running={CALL_ID})
    await claimed(installation, HERE, "http://127.0.0.1:9")
    async with routed(installation, own) as calls:
        await calls.control(CALL_ID, {"type": "say"})
        await calls.end(CALL_ID, "call-deleted")
    assert own.messages == [(CALL_ID, {"type": "say"})]
    assert own.ended == [(CALL_ID, "call-deleted")]


async def test_a_call_of_another_process_is_steered_there(installation: Installation, owner: str) -> None:
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)
    async with routed(installation, ScriptedLiveCalls()) as calls:
        await calls.control(CALL_ID, {"type": "say", "content": "Hello."})
    assert installation.live_calls.messages == [(CALL_ID, {"type": "say", "content": "Hello."})]


async def test_the_end_of_a_call_elsewhere_has_been_seen_here_when_it_is_told(
    installation: Installation, owner: str
) -> None:
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)

    async def end(call_id: str, reason: str) -> None:
        await installation.log.execute(CALL, call_id, EndCall(reason=reason))

    installation.live_calls.on_end = end
    async with routed(installation) as calls:
        await calls.end(CALL_ID, "call-deleted")
    document = installation.log.get("call", CALL_ID)
    assert document is not None
    assert document.state.end.reason == "call-deleted"


async def test_listening_passes_on_what_the_owner_sends(installation: Installation, owner: str) -> None:
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)
    listener = Listener()
    async with routed(installation) as calls:
        await calls.listen(CALL_ID, listener)
    assert listener.heard == ['{"type":"format"}', b"\x00\x00"]


async def test_a_listener_that_goes_ends_the_stream_at_the_owner(installation: Installation, owner: str) -> None:
    left = asyncio.Event()

    async def stream(call_id: str, socket: CallSocket) -> None:
        await socket.send_bytes(b"\x01")
        assert await socket.receive() is None
        left.set()

    installation.live_calls.on_listen = stream
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)
    listener = Listener()
    async with routed(installation) as calls, asyncio.timeout(PATIENCE_S):
        listening = asyncio.create_task(calls.listen(CALL_ID, listener))
        await listener.heard_something.wait()
        listener.gone.set()
        await listening
        await left.wait()
    assert listener.heard == [b"\x01"]


async def test_a_stream_that_breaks_off_at_the_owner_is_not_taken_for_the_end_of_the_call(
    installation: Installation, owner: str
) -> None:
    async def fail(call_id: str, socket: CallSocket) -> None:
        raise RuntimeError("unforeseen")

    installation.live_calls.on_listen = fail
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)
    async with routed(installation) as calls:
        with pytest.raises(OwnerUnreachable, match="broke off"):
            await calls.listen(CALL_ID, Listener())


async def test_a_call_that_has_ended_at_its_owner_is_not_live(installation: Installation, owner: str) -> None:
    await claimed(installation, THERE, owner)
    async with routed(installation) as calls:
        with pytest.raises(CallNotLive):
            await calls.control(CALL_ID, {"type": "say"})
        with pytest.raises(CallNotLive):
            await calls.listen(CALL_ID, Listener())


async def test_nobody_is_asked_about_a_call_that_nobody_claimed(installation: Installation) -> None:
    async with routed(installation) as calls:
        with pytest.raises(CallNotLive):
            await calls.end(CALL_ID, "call-deleted")


@pytest.mark.parametrize("address", ["", "closed"])
async def test_an_owner_that_cannot_be_reached_is_named_with_its_address(
    installation: Installation, address: str
) -> None:
    if address:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    await claimed(installation, THERE, address)
    says = f"{THERE} at {address} does not answer" if address else "CALLFOLD_NODE_HOST"
    async with routed(installation) as calls:
        with pytest.raises(OwnerUnreachable, match=says):
            await calls.control(CALL_ID, {"type": "say"})
        with pytest.raises(OwnerUnreachable, match=says):
            await calls.listen(CALL_ID, Listener())


async def test_an_owner_with_another_secret_is_no_owner_that_answers(installation: Installation, owner: str) -> None:
    installation.live_calls.running.add(CALL_ID)
    await claimed(installation, THERE, owner)
    async with routed(installation, secret=b"the secret of another installation") as calls:
        with pytest.raises(OwnerUnreachable, match=r"401.*CALLFOLD_SECRET"):
            await calls.control(CALL_ID, {"type": "say"})
    assert installation.live_calls.messages == []


async def test_a_process_without_calls_refuses_sound_and_counts_the_calls_it_has_seen(
    installation: Installation,
) -> None:
    await claimed(installation, THERE, "http://127.0.0.1:9")
    async with routed(installation) as calls:
        with pytest.raises(CallRejected, match="callfold media") as refused:
            await calls.serve(CALL_ID, Listener())
        assert calls.active() == 1
    assert refused.value.code == 1013
