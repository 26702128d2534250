"""Noise and background voices leave the sound, the caller stays in it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from media.audio.denoising import BackgroundGate, NoiseSuppressor, SuppressionUnavailable, in_turn
from media.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ

Samples = npt.NDArray[np.float64]


def talking(seconds: float, peak: float, *, pauses: bool = True) -> Samples:
    """Something like speech: a buzz at four syllables a second, with a pause in every second one."""
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 140 * harmonic * time) / harmonic for harmonic in range(1, 8))
    syllables = np.sin(2 * np.pi * 2 * time) ** 2
    sound: Samples = buzz * syllables * peak / 2
    return np.where(time % 2 < 1.2, sound, 0.0) if pauses else sound


def cleaned(step: Any, sound: Samples) -> Samples:
    pcm = np.clip(sound, -32_768, 32_767).astype(np.int16)
    frames = [pcm[start : start + FRAME_SAMPLES].tobytes() for start in range(0, len(pcm), FRAME_SAMPLES)]
    return np.frombuffer(b"".join(step(frame) for frame in frames), np.int16).astype(np.float64)


def rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def gate(**changes: Any) -> BackgroundGate:
    plan = {"static_db": -35.0, "offset_db": -15.0, "window_ms": 3_000.0, "percentile": 85.0, "detects_media": True}
    return BackgroundGate(**{**plan, **changes})


def at(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE_HZ)


def test_steady_noise_goes_and_speech_stays() -> None:
    chance = np.random.default_rng(1)
    speech = talking(8, 8_000)
    sound = speech + chance.normal(0, 400, len(speech))
    out = cleaned(NoiseSuppressor(), sound)
    pause, words = slice(at(5.4), at(5.9)), slice(at(6.1), at(7.1))
    assert rms(out[pause]) < rms(sound[pause]) / 4
    assert rms(out[words]) > rms(sound[words]) * 0.7


def test_the_gate_shuts_out_somebody_in_the_background_while_the_caller_pauses() -> None:
    caller, other = talking(8, 9_000), talking(8, 600, pauses=False)
    out = cleaned(gate(), caller + other)
    pause, words = slice(at(5.6), at(5.95)), slice(at(6.1), at(7.1))
    assert rms(out[pause]) < rms(other[pause]) / 10
    assert rms(out[words]) > rms(caller[words]) * 0.9


def test_the_ends_of_words_are_not_cut_off() -> None:
    sound = np.concatenate((talking(4, 9_000), talking(1, 9_000, pauses=False) * np.linspace(1, 0.02, SAMPLE_RATE_HZ)))
    out = cleaned(gate(), sound)
    loud, soft = slice(at(4), at(4.7)), slice(at(4.7), at(4.85))
    assert rms(out[loud]) > rms(sound[loud]) * 0.99
    assert rms(out[soft]) > rms(sound[soft]) * 0.9


def test_before_there_is_a_baseline_the_static_threshold_decides() -> None:
    step = gate(static_db=-20.0)
    quiet = talking(0.3, 300, pauses=False)
    assert step.threshold_db == -20.0
    assert rms(cleaned(step, quiet)) < rms(quiet) / 5


def test_sound_that_never_pauses_brings_the_gate_nearer() -> None:
    music = np.sin(2 * np.pi * 440 * np.arange(at(4)) / SAMPLE_RATE_HZ) * 4_000
    listening, deaf = gate(), gate(detects_media=False)
    cleaned(listening, music)
    cleaned(deaf, music)
    assert listening.threshold_db == pytest.approx(deaf.threshold_db + 7.5)


def test_the_threshold_follows_the_caller() -> None:
    step = gate(window_ms=1_000)
    cleaned(step, talking(3, 12_000, pauses=False))
    near = step.threshold_db
    cleaned(step, talking(3, 1_200, pauses=False))
    assert near - step.threshold_db == pytest.approx(20.0, abs=1.5)


def test_steps_follow_each_other() -> None:
    assert in_turn(()) is None
    both = in_turn((lambda frame: frame + b"1", lambda frame: frame + b"2"))
    assert both is not None
    assert both(b"") == b"12"


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtc_noise_gain", None)
    with pytest.raises(SuppressionUnavailable, match=r"callfold\[denoise\]"):
        NoiseSuppressor()
