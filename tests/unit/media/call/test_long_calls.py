"""An hour of conversation, pumped as fast as it goes: nothing grows, nothing drifts, nobody falls behind."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.audio.formats import AudioFormat
from media.audio.framing import FRAME_MS, FRAME_SAMPLES, SILENCE
from media.audio.intake import Intake
from media.audio.playout import Playout
from media.audio.recording import Recording
from media.audio.voice_activity import VoiceActivity, peak_detector
from media.call.hearing import Hearing
from media.call.listeners import Listeners
from media.call.speaking import Speaking
from media.call.transcriber_runner import TranscriberRunner
from media.call.turnstile import Turnstile
from media.machine.inputs import Input, SpeechStarted, SpeechStopped
from media.providers.scripted import tone
from media.transports.websocket import WebSocketTransport
from tests.unit.media.call.rig import InMemorySocket

_HOUR_FRAMES = 3_600_000 // FRAME_MS
_SECOND_FRAMES = 1_000 // FRAME_MS
_TURN_FRAMES = 250
"""Five seconds: one in which the caller speaks, then two of an answer."""
_VOICED = tone(FRAME_MS)
_ANSWER = tone(2_000)


class DirectSocket(InMemorySocket):
    """Hands messages over and takes them at once, as the server's short way does."""

    take: Callable[[bytes], bool]
    sent = 0

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        self.take = take

    def send_now(self, data: bytes | str) -> bool:
        self.sent += 1
        return True


class Sound:
    """Everything of one call that a frame passes through, on a clock that the test turns. It is the receiver too."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = 0.0
        self.inputs: list[Input] = []
        self.socket = DirectSocket()
        intake = Intake(lead_ms=120, cap_ms=60_000)
        self.transport = WebSocketTransport(
            self.socket,
            AudioFormat(),
            self,
            intake=intake,
            parting=Turnstile().passed,
            max_message_bytes=1 << 20,
            send_cap_ms=5_000,
        )
        self.recording = Recording(folder / "call.wav")
        listeners = Listeners(1_000)
        self.playout = Playout(
            Speaking(self.transport, self.recording, listeners),
            lead_ms=80,
            on_started=lambda _: None,
            on_finished=lambda _: None,
        )
        activity = VoiceActivity(peak_detector(1_000), gate_peak=400, start_frames=4, hangover_ms=240)
        transcriber = TranscriberRunner((), self.inputs.append, ended_reason=str, warn=self.warned)
        self.hearing = Hearing(intake, activity, transcriber, self.recording, listeners, self.inputs.append)

    def audio_arrived(self) -> None:
        self.hearing.pump(self.now_ms)

    def control_arrived(self, message: dict[str, Any]) -> None:
        raise AssertionError("nothing is controlled here")

    def warned(self, code: str, detail: str) -> None:
        raise AssertionError(f"{code}: {detail}")

    def transport_closed(self, detail: str) -> None:
        raise AssertionError(detail)

    def turn(self, number: int) -> None:
        for frame in range(_TURN_FRAMES):
            self.now_ms += FRAME_MS
            self.socket.take(_VOICED if frame < _SECOND_FRAMES else SILENCE)
            if frame == 2 * _SECOND_FRAMES:
                self.playout.expect(number, 0, "An answer.", "An answer.", last=True)
                self.playout.queue(number, 0, _ANSWER)
                self.playout.complete(number, 0)
                self.playout.release(number, self.now_ms)
            self.playout.pump(self.now_ms)
            if frame % _SECOND_FRAMES == 0:
                self.recording.advance(self.now_ms)


@pytest.mark.long
async def test_an_hour_of_frames_leaves_nothing_in_memory(tmp_path: Path) -> None:
    sound = Sound(tmp_path)
    sound.socket.deliver(sound.transport.take_directly)
    turns = _HOUR_FRAMES // _TURN_FRAMES
    for number in range(turns // 10):
        sound.turn(number)
    tracemalloc.start()
    try:
        for number in range(turns // 10, turns // 5):
            sound.turn(number)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(turns // 5, turns):
            sound.turn(number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    starts = [happened for happened in sound.inputs if isinstance(happened, SpeechStarted)]
    stops = [happened for happened in sound.inputs if isinstance(happened, SpeechStopped)]
    assert len(starts) == len(stops) == turns
    assert sound.socket.sent == turns * 100
    # The inputs that the test keeps are a part of it.
    assert after - before < 500_000
    assert sound.playout.idle


@pytest.mark.parametrize("clock_error", [-0.0003, 0.0001, 0.0003])
def test_over_an_hour_the_recording_drifts_no_frame_and_the_caller_is_heard_at_once(
    tmp_path: Path, clock_error: float
) -> None:
    jitter = random.Random(3)
    recording, intake = Recording(tmp_path / "call.wav"), Intake(lead_ms=120, cap_ms=60_000)
    spoken_ms: dict[int, float] = {}
    drift_ms: list[float] = []
    written = 0
    for index in range(_HOUR_FRAMES):
        end_ms = (index + 1) * FRAME_MS / (1 + clock_error)
        now_ms = end_ms + jitter.random() * 12
        frame = SILENCE
        if index % 1_000 == 500:
            mark = index // 1_000 + 1
            spoken_ms[mark] = end_ms - FRAME_MS
            frame = np.full(FRAME_SAMPLES, mark, np.int16).tobytes()
        intake.push(frame)
        while (heard := intake.take(now_ms)) is not None:
            recording.customer(heard, now_ms)
        assert intake.waiting == 0
        if index % _SECOND_FRAMES == _SECOND_FRAMES - 1:
            left = np.frombuffer(recording.advance(now_ms), np.int16).reshape(-1, 2)[:, 0]
            first_marks = np.flatnonzero(left)[:1].tolist()
            drift_ms.extend((written + place) / 16 - spoken_ms[int(left[place])] for place in first_marks)
            written += len(left)
    assert len(drift_ms) >= _HOUR_FRAMES // 1_000 - 1
    assert max(abs(drift) for drift in drift_ms) <= FRAME_MS
