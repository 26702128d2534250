"""Starts and stops of speech, and when they are dated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio.framing import FRAME_BYTES, FRAME_MS
from media.audio.voice_activity import Started, Stopped, VoiceActivity, peak_detector, webrtc_detector
from media.providers.scripted import tone

LOUD = tone(FRAME_MS)
QUIET = bytes(FRAME_BYTES)


def activity(start_frames: int = 4, hangover_ms: int = 200) -> VoiceActivity:
    return VoiceActivity(peak_detector(1_000), gate_peak=400, start_frames=start_frames, hangover_ms=hangover_ms)


def run(voice: VoiceActivity, pattern: str) -> list[Started | Stopped]:
    """``pattern`` has a character per frame: ``x`` is voiced."""
    changes = []
    for index, mark in enumerate(pattern):
        change = voice.push(LOUD if mark == "x" else QUIET, (index + 1) * FRAME_MS)
        if change is not None:
            changes.append(change)
    return changes


def test_a_start_needs_four_frames_and_is_dated_at_the_first() -> None:
    assert run(activity(), "..xxxx") == [Started(at_ms=40.0)]


@pytest.mark.parametrize("pattern", ["xxx.xxx.xxx.", "x.x.x.x.x.x.", "............"])
def test_shorter_bursts_are_no_speech(pattern: str) -> None:
    assert run(activity(), pattern) == []


def test_a_stop_needs_the_hangover_and_is_dated_at_the_last_voiced_frame() -> None:
    assert run(activity(), "xxxxxx" + "." * 10) == [Started(0.0), Stopped(120.0)]


def test_a_pause_below_the_hangover_does_not_stop_speech() -> None:
    assert run(activity(), "xxxx" + "." * 9 + "x" + "." * 9) == [Started(0.0)]


@given(st.text(alphabet="x.", max_size=200))
def test_starts_and_stops_take_turns_in_order_of_time(pattern: str) -> None:
    changes = run(activity(), pattern)
    assert all(isinstance(change, Started) for change in changes[::2])
    assert all(isinstance(change, Stopped) for change in changes[1::2])
    instants = [change.at_ms for change in changes]
    assert instants == sorted(instants)


def test_noise_below_the_gate_is_silence_whatever_the_detector_says() -> None:
    voice = VoiceActivity(lambda frame: True, gate_peak=400, start_frames=1, hangover_ms=200)
    hum = np.full(FRAME_BYTES // 2, 399, np.int16).tobytes()
    assert voice.push(hum, 20.0) is None
    assert voice.push(np.full(FRAME_BYTES // 2, -400, np.int16).tobytes(), 40.0) == Started(20.0)


def test_the_webrtc_detector_tells_a_voice_like_sound_from_silence() -> None:
    pytest.importorskip("pocketsphinx")
    detector = webrtc_detector()
    time = np.arange(16_000) / 16_000
    # A pulse train with formant-like resonances: rich in harmonics as a vowel is.
    vowel = sum(np.sin(2 * np.pi * 120 * k * time) * np.exp(-(((120 * k - 600) / 500) ** 2)) for k in range(1, 30))
    frames = (vowel / np.abs(vowel).max() * 9_000).astype(np.int16).reshape(-1, FRAME_BYTES // 2)
    voiced = sum(detector(frame.tobytes()) for frame in frames)
    assert voiced > len(frames) * 0.8
    trailing = [detector(QUIET) for _ in range(60)]
    assert not any(trailing[20:])
