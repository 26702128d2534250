"""Beeps of answering machines are told from speech, music and silence."""

from __future__ import annotations

import numpy as np
import pytest

from media.audio.beep import BeepDetector

RATE, FRAME = 16_000, 320


def beeps(samples: np.typing.NDArray[np.float64]) -> int:
    detector = BeepDetector()
    pcm = np.concatenate([samples, np.zeros(FRAME * 3)]).astype(np.int16)
    return sum(detector.push(pcm[at : at + FRAME].tobytes()) for at in range(0, len(pcm) - FRAME + 1, FRAME))


def tone(hertz: float, ms: int, peak: float = 8_000) -> np.typing.NDArray[np.float64]:
    return np.sin(2 * np.pi * hertz * np.arange(RATE * ms // 1000) / RATE) * peak


@pytest.mark.parametrize("hertz", [440, 850, 1_000, 1_400, 2_000])
def test_a_tone_of_some_tenths_of_a_second_is_one_beep(hertz: float) -> None:
    assert beeps(tone(hertz, 400)) == 1


def test_a_beep_is_heard_through_the_noise_of_a_line() -> None:
    noise = np.random.default_rng(1).normal(0, 300, RATE * 400 // 1000)
    assert beeps(tone(1_000, 400) + noise) == 1


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(tone(1_000, 100), id="too short"),
        pytest.param(tone(1_000, 4_000), id="goes on"),
        pytest.param(tone(200, 400), id="a hum"),
        pytest.param(tone(1_000, 400, peak=100), id="too quiet"),
        pytest.param(tone(697, 400) + tone(1_209, 400), id="a key of the phone"),
        pytest.param(np.concatenate([tone(hertz, 40) for hertz in range(500, 1_500, 100)]), id="a sweep"),
        pytest.param(np.random.default_rng(2).normal(0, 3_000, RATE), id="noise"),
        pytest.param(np.zeros(RATE), id="silence"),
    ],
)
def test_what_is_no_beep_is_none(sound: np.typing.NDArray[np.float64]) -> None:
    assert beeps(sound) == 0
