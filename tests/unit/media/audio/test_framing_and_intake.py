"""Cutting audio into frames, and taking it at the speed of speech."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio.framing import FRAME_BYTES, FRAME_MS, Framer
from media.audio.intake import Intake


@given(st.lists(st.binary(max_size=3 * FRAME_BYTES), max_size=20))
def test_frames_are_the_stream_cut_into_equal_pieces(pieces: list[bytes]) -> None:
    framer = Framer()
    frames = [frame for piece in pieces for frame in framer.push(piece)]
    stream = b"".join(pieces)
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    assert b"".join(frames) == stream[: len(stream) // FRAME_BYTES * FRAME_BYTES]


def frame(number: int) -> bytes:
    return number.to_bytes(4, "little") * (FRAME_BYTES // 4)


def drain(intake: Intake, now_ms: float) -> list[bytes]:
    taken = []
    while (frame := intake.take(now_ms)) is not None:
        taken.append(frame)
    return taken


def test_a_client_in_real_time_is_heard_without_delay() -> None:
    intake = Intake(lead_ms=120, cap_ms=60_000)
    for number in range(500):
        now_ms = number * FRAME_MS + (7 if number % 3 else 0)
        assert intake.push(frame(number))
        assert drain(intake, now_ms) == [frame(number)]


def test_a_client_that_sends_a_file_at_once_is_heard_at_the_speed_of_speech() -> None:
    intake = Intake(lead_ms=120, cap_ms=60_000)
    for number in range(1_000):
        assert intake.push(frame(number))
    taken = 0
    for tick in range(500):
        now_ms = tick * FRAME_MS
        taken += len(drain(intake, now_ms))
        assert taken * FRAME_MS <= now_ms + 120 + FRAME_MS
    assert taken >= 499


def test_a_hundred_milliseconds_in_one_message_are_taken_at_once() -> None:
    intake = Intake(lead_ms=120, cap_ms=60_000)
    for batch in range(20):
        for number in range(5):
            intake.push(frame(number))
        assert len(drain(intake, batch * 100.0)) == 5


def test_what_a_stalled_network_owes_is_taken_at_once() -> None:
    intake = Intake(lead_ms=40, cap_ms=60_000)
    intake.push(frame(0))
    drain(intake, 0.0)
    for number in range(1, 46):
        intake.push(frame(number))
    assert len(drain(intake, 900.0)) == 45


def test_what_the_client_said_while_the_call_was_put_together_is_taken_at_once() -> None:
    intake = Intake(lead_ms=40, cap_ms=60_000, opened_ms=-200.0)
    for number in range(25):
        intake.push(frame(number))
    assert len(drain(intake, 300.0)) == 25
    for number in range(50):
        intake.push(frame(number))
        assert drain(intake, 300.0 + (number + 1) * FRAME_MS) == [frame(number)]


@pytest.mark.parametrize("late_ms", [900, 3_000, 20_000])
def test_a_call_that_is_put_together_late_does_not_stay_late(late_ms: int) -> None:
    intake = Intake(lead_ms=40, cap_ms=60_000, opened_ms=-float(late_ms))
    said = [frame(number % 200) for number in range(late_ms // FRAME_MS)]
    for each in said:
        intake.push(each)
    heard: list[bytes] = []
    now_ms = 0.0
    while intake.waiting:
        taken = drain(intake, now_ms)
        assert len(taken) <= 1_100 // FRAME_MS
        heard += taken
        now_ms += FRAME_MS
        said.append(frame(len(said) % 200))
        intake.push(said[-1])
        heard += drain(intake, now_ms)
    assert heard == said
    assert now_ms <= FRAME_MS * (2 + late_ms / 500)


def test_a_long_pause_of_the_client_is_no_credit_for_later() -> None:
    intake = Intake(lead_ms=40, cap_ms=60_000)
    intake.push(frame(0))
    for tick in range(500):
        drain(intake, float(tick * FRAME_MS))
    for number in range(500):
        intake.push(frame(number))
    assert len(drain(intake, 10_000.0)) <= (1_000 + 40) // FRAME_MS + 1


@pytest.mark.parametrize("still_ms", [900, 3_000, 10_000])
def test_a_process_that_stood_still_is_soon_no_further_behind_than_before(still_ms: int) -> None:
    intake = Intake(lead_ms=40, cap_ms=60_000)
    now_ms, sent, heard = 0.0, 0, 0
    for _ in range(50):
        intake.push(frame(sent))
        sent, heard, now_ms = sent + 1, heard + len(drain(intake, now_ms)), now_ms + FRAME_MS
    assert heard == sent
    for _ in range(still_ms // FRAME_MS):
        intake.push(frame(sent))
        sent, now_ms = sent + 1, now_ms + FRAME_MS
    for _ in range(still_ms // 500 + 2):
        taken = len(drain(intake, now_ms))
        assert taken <= 1_100 // FRAME_MS, "others wait for the loop"
        intake.push(frame(sent))
        sent, heard, now_ms = sent + 1, heard + taken, now_ms + FRAME_MS
        heard += len(drain(intake, now_ms))
    assert sent - heard <= 1


def test_more_than_the_cap_ahead_is_refused() -> None:
    intake = Intake(lead_ms=40, cap_ms=1_000)
    accepted = sum(intake.push(frame(number)) for number in range(100))
    assert accepted == 50
    assert intake.waiting == 50
