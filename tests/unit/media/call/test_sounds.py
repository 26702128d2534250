"""Sounds that assistants name by URL, and noise that they want gone, in whole calls."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from domain.call.events import ArtifactStored, MessageCommitted, Warned
from domain.egress import EgressPolicy
from media.audio.ambience import on_repeat
from media.audio.framing import FRAME_BYTES
from media.call.sounds import SoundShelf, SoundUnavailable
from media.egress.client import guarded_client
from tests.patience import PATIENCE_S
from tests.unit.media.audio.test_sound_file import wav
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers
from tests.unit.media.tools.calling import LOOPBACK


@contextmanager
def sound_server(sound: bytes) -> Iterator[tuple[str, list[str]]]:
    """Answers every path with ``sound`` but ``/missing.wav``; yields its URL and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404 if self.path == "/missing.wav" else 200)
            self.send_header("content-length", str(len(sound)))
            self.end_headers()
            self.wfile.write(sound)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_first_message_can_be_a_sound_file(tmp_path: Path) -> None:
    with sound_server(wav(0.5)) as (url, _):
        async with media_rig(tmp_path, providers()) as rig:
            caller = await dial(rig, assistant(firstMessage=f"{url}/hello.wav"))
            await caller.until_said(1)
            events = await caller.hang_up()
    sound = np.frombuffer(bytes(caller.audio), np.int16)
    assert len(sound) / 16_000 == pytest.approx(0.5, abs=0.03)
    assert int(np.abs(sound).max()) > 7_000
    (message,) = of(events, MessageCommitted)
    assert (message.text, message.source) == ("[recorded message]", "first-message")


async def test_a_background_of_ones_own_sounds_between_speeches_and_softly(tmp_path: Path) -> None:
    with sound_server(wav(0.5)) as (url, asked):
        async with media_rig(tmp_path, providers()) as rig:
            for _ in range(2):
                caller = await dial(rig, assistant(backgroundSound=f"{url}/room"))
                await caller.until_said(1)
                said = len(caller.audio)
                await caller.until(lambda caller=caller, said=said: len(caller.audio) >= said + FRAME_BYTES * 10)
                await caller.hang_up()
    samples = np.frombuffer(bytes(caller.audio[said : said + FRAME_BYTES * 10]), np.int16)
    assert 100 < int(np.abs(samples).max()) < 3_000
    assert asked == ["/room"], "it is fetched once"


async def test_a_sound_that_cannot_be_had_leaves_the_call_as_it_is(tmp_path: Path) -> None:
    with sound_server(b"no sound at all") as (url, _):
        async with media_rig(tmp_path, providers()) as rig:
            caller = await dial(rig, assistant(backgroundSound=f"{url}/room", firstMessage=f"{url}/missing.wav"))
            await caller.speak(200)
            await caller.until_said(1)
            events = await caller.hang_up()
    details = " ".join(event.detail for event in of(events, Warned))
    assert "backgroundSound is not played: it is neither WAV" in details
    assert "its server answers 404" in details
    assert url not in details


async def test_inner_addresses_are_no_source_of_sounds() -> None:
    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S) as client:
        with pytest.raises(SoundUnavailable, match="EgressBlocked"):
            await SoundShelf(1 << 20).fetch("http://127.0.0.1:9/a.wav", client)


async def test_a_shelf_forgets_after_a_while_and_when_it_is_full() -> None:
    now = [0.0]
    with sound_server(wav(0.5)) as (url, asked):
        async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
            shelf = SoundShelf(40_000, now_s=lambda: now[0])
            for path in ("/a", "/a", "/b", "/b", "/c", "/a"):
                await shelf.fetch(url + path, client)
            assert asked == ["/a", "/b", "/c", "/a"]
            now[0] = 601.0
            await shelf.fetch(f"{url}/a", client)
            assert asked[-1] == "/a"
            assert len(asked) == 5


def test_a_loop_is_made_of_whole_frames_and_soft() -> None:
    loop = on_repeat((np.ones(1_000, np.int16) * 20_000).tobytes())
    assert len(loop) == 960
    assert int(loop.max()) == 400
    with pytest.raises(ValueError, match="shorter than 20 ms"):
        on_repeat(bytes(100))


async def test_the_transcriber_hears_the_caller_without_the_noise_and_the_recording_keeps_it(tmp_path: Path) -> None:
    scripted = providers("hello", answers=("Very well.",))
    plan = {"smartDenoisingPlan": {"enabled": True}, "fourierDenoisingPlan": {"enabled": True}}
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig, assistant(firstMessage="", backgroundSpeechDenoisingPlan=plan))
        noise = (np.random.default_rng(1).normal(0, 60, 16_000)).astype(np.int16).tobytes()
        for start in range(0, len(noise), FRAME_BYTES):
            caller.say(noise[start : start + FRAME_BYTES])
        await caller.speak(300)
        await caller.until_said(1)
        events = await caller.hang_up()
        customer = next(event for event in of(events, ArtifactStored) if event.track == "customer")
        with wave.open(str(rig.root / "artifacts" / customer.location), "rb") as file:
            kept = np.frombuffer(file.readframes(12_000), np.int16)
    assert not of(events, Warned)
    assert [event.text for event in of(events, MessageCommitted)] == ["hello", "Very well."]
    assert float(np.std(kept)) == pytest.approx(60, rel=0.2)
