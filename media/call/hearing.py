"""The caller's direction, frame by frame: intake, mute, recording, denoising, voice activity, transcriber. Plain calls
only."""

from __future__ import annotations

from collections.abc import Callable

from media.audio.beep import BeepDetector
from media.audio.denoising import Denoise
from media.audio.framing import SILENCE
from media.audio.intake import Intake
from media.audio.recording import Recording
from media.audio.voice_activity import Started, Stopped, VoiceActivity
from media.call.listeners import Listeners
from media.call.transcriber_runner import TranscriberRunner
from media.machine.inputs import BeepHeard, Input, SpeechStarted, SpeechStopped


class Hearing:
    """``pump`` handles every frame that is due. Nothing in it blocks or awaits."""

    def __init__(
        self,
        intake: Intake,
        activity: VoiceActivity,
        transcriber: TranscriberRunner,
        recording: Recording | None,
        listeners: Listeners,
        feed: Callable[[Input], None],
        *,
        beeps: BeepDetector | None = None,
        denoise: Denoise | None = None,
    ) -> None:
        self._intake = intake
        self._activity = activity
        self._transcriber = transcriber
        self._recording = recording
        self._listeners = listeners
        self._feed = feed
        self._beeps = beeps
        self.denoise = denoise
        """What cleans frames for voice activity and transcriber; recording and listeners get them as they came."""
        self.muted = False

    def pump(self, now_ms: float) -> None:
        while (frame := self._intake.take(now_ms)) is not None:
            self._hear(SILENCE if self.muted else frame, now_ms)

    def _hear(self, frame: bytes, now_ms: float) -> None:
        if self._recording is not None:
            self._recording.customer(frame, now_ms)
        self._listeners.customer(frame)
        if self._beeps is not None and self._beeps.push(frame):
            self._feed(BeepHeard(at_ms=now_ms))
        if self.denoise is not None:
            frame = self.denoise(frame)
        self._transcriber.hear(frame)
        match self._activity.push(frame, now_ms):
            case Started(at_ms=at_ms):
                self._feed(SpeechStarted(at_ms=at_ms))
            case Stopped(at_ms=at_ms):
                self._feed(SpeechStopped(at_ms=at_ms))
            case None:
                pass
