"""Calls over WebRTC between two real peers on this machine: sound and messages, refusals, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.sdp import SessionDescription

from domain.live_calls import CallRejected, CallSocket
from domain.web_calls import OfferRefused, TooManyPeers
from media.audio.framing import FRAME_BYTES
from media.providers.scripted import tone
from media.transports.webrtc.calls import WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings
from tests.patience import PATIENCE_S
from tests.unit.api.installation import ScriptedLiveCalls
from tests.unit.media.transports.webrtc_browser import LOOPBACK, Browser, browser


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's choice of addresses is of the whole process: put back what was."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)


class Served:
    """A media tier that says everything back, sound and messages, until the browser leaves or says bye."""

    def __init__(self) -> None:
        self.calls = ScriptedLiveCalls(on_serve=self._serve)
        self.heard = bytearray()
        self._news = asyncio.Event()
        self.begun = asyncio.Event()
        self.left = asyncio.Event()
        self.refusal: CallRejected | None = None

    async def has_heard(self, frames: int) -> int:
        """Wait for so many frames of the browser; how many there are."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard) < frames * FRAME_BYTES:
                self._news.clear()
                await self._news.wait()
        return len(self.heard) // FRAME_BYTES

    async def _serve(self, call_id: str, socket: CallSocket) -> None:
        if self.refusal is not None:
            raise self.refusal

        def take(audio: bytes) -> bool:
            self.heard.extend(audio)
            self._news.set()
            return socket.send_now(audio)

        socket.deliver(take)
        self.begun.set()
        while (message := await socket.receive()) is not None:
            assert isinstance(message, str)
            await socket.send_text(message)
            if json.loads(message)["type"] == "bye":
                break
        self.left.set()


@asynccontextmanager
async def serving(served: Served, **settings: Any) -> AsyncIterator[WebRtcCalls]:
    async with WebRtcCalls(served.calls, WebRtcSettings(addresses=[LOOPBACK], **settings)) as calls:
        yield calls


async def over(call_id: str) -> None:
    """Wait until nothing of a call's peer runs any more."""
    mine = [task for task in asyncio.all_tasks() if task.get_name() == f"webrtc-{call_id}"]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*mine)


async def connected(calls: WebRtcCalls, person: Browser, call_id: str = "a") -> None:
    await person.accept(await calls.answer(call_id, await person.offer()))


def loudness(audio: bytes) -> float:
    return float(np.abs(np.frombuffer(audio, "<i2").astype(np.float64)).mean())


async def test_sound_and_messages_go_both_ways() -> None:
    served = Served()
    async with serving(served) as calls, browser() as person:
        await connected(calls, person)
        async with asyncio.timeout(PATIENCE_S):
            await served.begun.wait()
        person.tell({"type": "say", "content": "Grüße"})
        told = await person.is_told("say")
        before = len(served.heard)
        person.speech.push(tone(800))
        await person.has_heard(before + 40 * FRAME_BYTES)

        assert told == {"type": "say", "content": "Grüße"}
        assert loudness(bytes(served.heard)) > 100
        assert loudness(bytes(person.heard)) > 50


async def test_a_lost_packet_is_made_up_for_and_what_follows_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served()
    real, seen = RTCRtpReceiver._handle_rtp_packet, []

    async with serving(served) as calls, browser() as person:
        (browsers,) = (transceiver.receiver for transceiver in person.connection.getTransceivers())

        async def losing(self: RTCRtpReceiver, packet: Any, arrival_time_ms: int) -> None:
            if self is not browsers:
                seen.append(packet.sequence_number)
            if self is browsers or len(seen) != 20:
                await real(self, packet, arrival_time_ms)

        monkeypatch.setattr(RTCRtpReceiver, "_handle_rtp_packet", losing)
        await connected(calls, person)
        # The first packets may have come before the call began.
        before = await served.has_heard(30), len(seen)
        after = await served.has_heard(60), len(seen)
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "webrtc-a")
        person.tell({"type": "bye"})
        await over("a")

    assert task.done()
    assert len(served.heard) % FRAME_BYTES == 0
    assert before[1] > 20
    assert abs((after[0] - before[0]) - (after[1] - before[1])) <= 1


async def test_as_many_browsers_as_can_be_afforded_are_asked_for_short_packets() -> None:
    served = Served()
    async with serving(served, quick_peers=1) as calls, browser() as first, browser() as second:
        answers = [await calls.answer(name, await person.offer()) for name, person in (("a", first), ("b", second))]
        for person, answer in zip((first, second), answers, strict=True):
            await person.accept(answer)
        await served.begun.wait()
    audio = [SessionDescription.parse(answer).media[0] for answer in answers]
    assert [section.kind for section in audio] == ["audio", "audio"]
    assert ["a=ptime:10\r\n" in answer for answer in answers] == [True, False]


async def test_the_end_of_the_call_reaches_the_browser_behind_the_last_message() -> None:
    served = Served()
    async with serving(served) as calls, browser() as person:
        await connected(calls, person)
        person.tell({"type": "bye"})
        await person.is_told("bye")
        await over("a")
        async with asyncio.timeout(PATIENCE_S):
            await person.closed.wait()

        assert calls.peers == 0


async def test_a_call_that_is_refused_says_why() -> None:
    served = Served()
    served.refusal = CallRejected(1013, "100 calls are running here; try again later")
    async with serving(served) as calls, browser() as person:
        await connected(calls, person)
        told = await person.is_told("error")
        await over("a")

        assert (told["code"], told["message"]) == (1013, "100 calls are running here; try again later")
        assert calls.peers == 0


async def test_a_binary_message_is_sent_away_with_the_reason() -> None:
    served = Served()
    async with serving(served) as calls, browser() as person:
        await connected(calls, person)
        person.channel.send(b"\x00\x01")
        told = await person.is_told("error")
        await over("a")

        assert told["code"] == 1003
        assert served.left.is_set()


async def test_a_browser_that_hangs_up_is_noticed() -> None:
    served = Served()
    async with serving(served) as calls, browser() as person:
        await connected(calls, person)
        await person.close()
        await over("a")

        assert served.left.is_set()
        assert calls.peers == 0


async def test_a_browser_that_falls_silent_without_a_word_is_noticed() -> None:
    served = Served()
    async with serving(served, media_lost_s=0.4) as calls, browser() as person:
        await connected(calls, person)
        async with asyncio.timeout(PATIENCE_S):
            await served.begun.wait()
        person.speech.stop()
        await over("a")

        assert served.left.is_set()


async def test_a_process_that_stood_still_does_not_take_its_callers_for_gone() -> None:
    served = Served()
    async with serving(served, media_lost_s=0.4) as calls, browser() as person:
        await connected(calls, person)
        async with asyncio.timeout(PATIENCE_S):
            await served.begun.wait()
        time.sleep(0.6)  # noqa: ASYNC251 - it is to stand still
        person.tell({"type": "say"})
        await person.is_told("say")

        assert not served.left.is_set()


async def test_an_answer_that_nobody_takes_up_leaves_nothing_behind() -> None:
    served = Served()
    async with serving(served, connect_s=1.5) as calls, browser() as person:
        await calls.answer("a", await person.offer())
        assert calls.peers == 1
        await over("a")

        assert calls.peers == 0
        assert not served.begun.is_set()


async def test_only_one_browser_holds_a_call_and_only_so_many_fit() -> None:
    served = Served()
    async with serving(served, max_peers=1) as calls, browser() as first, browser() as second:
        await connected(calls, first)

        with pytest.raises(OfferRefused, match="another browser"):
            await calls.answer("a", await second.offer())
        with pytest.raises(TooManyPeers, match="1 browsers are connected here"):
            await calls.answer("b", second.connection.localDescription.sdp)


async def test_a_server_that_stops_leaves_its_browsers() -> None:
    served = Served()
    async with browser() as person:
        async with serving(served) as calls:
            await connected(calls, person)
        async with asyncio.timeout(PATIENCE_S):
            await person.closed.wait()
        with pytest.raises(TooManyPeers, match="shutting down"):
            await calls.answer("b", person.connection.localDescription.sdp)


def threads_of_calls() -> set[threading.Thread]:
    """Without those of the loop's own pool, on which names are looked up."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


async def test_calls_that_are_over_leave_no_threads_and_no_tasks() -> None:
    served = Served()
    async with serving(served) as calls:
        threads, tasks = threads_of_calls(), len(asyncio.all_tasks())
        for number in range(4):
            async with browser() as person:
                await connected(calls, person, f"call-{number}")
                person.tell({"type": "bye"})
                await over(f"call-{number}")

        assert calls.peers == 0
        assert threads_of_calls() == threads
        assert len(asyncio.all_tasks()) <= tasks + 1


async def offer_of(build: Callable[[RTCPeerConnection], None]) -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        build(connection)
        await connection.setLocalDescription(await connection.createOffer())
        return connection.localDescription.sdp
    finally:
        await connection.close()


def audio_only(connection: RTCPeerConnection) -> None:
    connection.addTransceiver("audio")


def with_video(connection: RTCPeerConnection) -> None:
    connection.addTransceiver("audio")
    connection.addTransceiver("video")
    connection.createDataChannel("client-messages")


def whole(connection: RTCPeerConnection) -> None:
    connection.addTransceiver("audio")
    connection.createDataChannel("client-messages")


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (audio_only, "it has audio"),
        (with_video, "it has application, audio, video"),
    ],
)
async def test_an_offer_of_less_or_more_is_refused(build: Callable[[RTCPeerConnection], None], says: str) -> None:
    async with serving(Served()) as calls:
        with pytest.raises(OfferRefused, match=says):
            await calls.answer("a", await offer_of(build))
        assert calls.peers == 0


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda sdp: "hello",
        lambda sdp: sdp.replace("opus/48000/2", "speex/16000"),
        lambda sdp: sdp.replace("a=fingerprint", "a=finger"),
        lambda sdp: sdp.replace("a=ice-ufrag", "a=ice"),
        lambda sdp: sdp[: len(sdp) // 2],
    ],
    ids=["no SDP", "another codec", "no fingerprint", "no credentials", "cut"],
)
async def test_an_offer_that_cannot_be_agreed_to_is_refused(spoilt: Callable[[str], str]) -> None:
    offer = spoilt(await offer_of(whole))
    async with serving(Served()) as calls:
        with pytest.raises(OfferRefused):
            await calls.answer("a", offer)
        assert calls.peers == 0
