"""The room under the assistant's voice."""

from __future__ import annotations

import numpy as np

from media.audio.ambience import LOOP_S, Ambience, office
from media.audio.framing import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE_HZ


def heard(room: Ambience, seconds: int) -> np.typing.NDArray[np.float64]:
    frames = [room.frame() for _ in range(seconds * SAMPLE_RATE_HZ // FRAME_SAMPLES)]
    return np.concatenate(frames).astype(np.float64)


def test_an_office_is_quiet_but_not_silent() -> None:
    sound = heard(office(), LOOP_S)
    level_db = 20 * np.log10(np.sqrt(np.mean(sound**2)) / 32_768)
    assert -52 < level_db < -40
    assert np.abs(sound).max() < 3_000


def test_it_goes_on_without_a_seam() -> None:
    sound = heard(office(), 2 * LOOP_S)
    seam = LOOP_S * SAMPLE_RATE_HZ
    steps = np.abs(np.diff(sound))
    assert steps[seam - 1] <= np.percentile(steps, 99.9)
    assert np.array_equal(sound[:seam], sound[seam:])


def test_every_call_hears_it_from_its_beginning() -> None:
    first, second = office(), office()
    first.frame()
    assert np.array_equal(second.frame(), office().frame())


def test_speech_stays_on_top_and_never_wraps() -> None:
    loud = np.full(FRAME_SAMPLES, 32_767, np.int16).tobytes()
    mixed = np.frombuffer(office().under(loud), np.int16)
    assert mixed.min() > 30_000
    assert len(office().under(bytes(FRAME_BYTES))) == FRAME_BYTES
