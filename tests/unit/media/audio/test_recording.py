"""The recording: both sides where they sounded, over any call, through crashes."""

from __future__ import annotations

import random
import wave
from contextlib import suppress
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from media.audio import recording as recording_module
from media.audio.framing import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from media.audio.recording import Recording, derive_tracks, recover

Samples = npt.NDArray[np.int16]


def marked(value: int) -> bytes:
    return np.full(FRAME_SAMPLES, value, np.int16).tobytes()


def read(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        assert file.getframerate() == 16_000
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())


def begins_ms(channel: Samples, value: int) -> float:
    """Where a mark first stands, in ms."""
    places = np.flatnonzero(channel == value)
    assert len(places), f"mark {value} is not in the recording"
    return float(places[0]) / 16


def test_each_side_stands_where_it_sounded_with_the_customer_on_the_left(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(100):
        recording.customer(marked(100 + index), 1_000 + (index + 1) * FRAME_MS)
        recording.assistant(marked(-100 - index), 1_500 + index * FRAME_MS)
    assert recording.finish(4_000) == 4_000
    stereo = read(recording.path)
    assert stereo.shape == (64_000, 2)
    assert begins_ms(stereo[:, 0], 100) == pytest.approx(1_000, abs=0.1)
    assert begins_ms(stereo[:, 0], 199) == pytest.approx(2_980, abs=0.1)
    assert begins_ms(stereo[:, 1], -100) == pytest.approx(1_500, abs=0.1)
    assert not stereo[: 16 * 1_000].any()


def test_a_recording_begins_where_the_seconds_of_its_call_do(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav", begins_ms=2_500)
    for index in range(100):
        recording.customer(marked(100 + index), 3_000 + (index + 1) * FRAME_MS)
        recording.assistant(marked(-100 - index), 3_500 + index * FRAME_MS)
    recording.write(recording.advance(6_000))
    recording.cut_assistant(5_000)
    assert recording.finish(6_500) == 4_000
    stereo = read(recording.path)
    assert begins_ms(stereo[:, 0], 100) == pytest.approx(500, abs=0.1)
    assert begins_ms(stereo[:, 1], -100) == pytest.approx(1_000, abs=0.1)
    assert begins_ms(stereo[:, 1], -174) == pytest.approx(2_480, abs=0.1)
    assert not stereo[16 * 2_500 :, 1].any()


@pytest.mark.parametrize("clock_error", [-0.002, -0.0003, 0.0])
def test_a_client_whose_clock_is_slow_never_drifts_more_than_a_frame(tmp_path: Path, clock_error: float) -> None:
    jitter = random.Random(7)
    recording = Recording(tmp_path / "call.wav")
    spoken: dict[int, float] = {}
    for index in range(6_000):
        true_end_ms = (index + 1) * FRAME_MS / (1 + clock_error)
        arrived_ms = true_end_ms + jitter.random() * 12
        value = index % 30_000 + 1
        spoken[value] = true_end_ms - FRAME_MS
        recording.customer(marked(value), arrived_ms)
        if index % 50 == 49:
            recording.write(recording.advance(arrived_ms))
    recording.finish(6_000 * FRAME_MS * 1.01)
    left = read(recording.path)[:, 0]
    errors = [begins_ms(left, value) - spoken[value] for value in range(1, 6_000, 97)]
    assert max(abs(error) for error in errors) <= 20


def test_a_burst_after_a_stalled_network_closes_up_again(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(50):
        arrived = (index + 1) * FRAME_MS if index < 10 or index >= 30 else 30 * FRAME_MS
        recording.customer(marked(index + 1), arrived)
    recording.finish(1_000)
    left = read(recording.path)[:, 0]
    assert [begins_ms(left, value) for value in (1, 11, 30, 50)] == [0, 200, 580, 980]


@pytest.mark.parametrize("first", [1, 7, 19])
def test_a_burst_in_the_midst_of_which_a_second_is_written_closes_up_all_the_same(tmp_path: Path, first: int) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(120):
        arrived = (index + 1) * FRAME_MS if index < 10 or index >= 30 else 30 * FRAME_MS + index / 10
        recording.customer(marked(index + 1), arrived)
        if index in (10 + first, 60 + first):
            recording.write(recording.advance(arrived))
    recording.finish(120 * FRAME_MS)
    left = read(recording.path)[:, 0]
    assert [begins_ms(left, value) for value in range(1, 121)] == pytest.approx(
        [index * FRAME_MS for index in range(120)], abs=5
    )


def test_a_stretch_the_client_did_not_send_is_silence_of_that_length(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(10):
        recording.customer(marked(index + 1), (index + 1) * FRAME_MS)
    for index in range(10, 20):
        recording.customer(marked(index + 1), 700 + (index + 1) * FRAME_MS)
    recording.finish(2_000)
    left = read(recording.path)[:, 0]
    assert begins_ms(left, 10) == 180
    assert begins_ms(left, 11) == 900
    assert not left[16 * 200 : 16 * 900].any()


def test_what_was_sent_ahead_and_cut_is_taken_back(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(10):
        recording.assistant(marked(5), index * FRAME_MS)
    recording.cut_assistant(130)
    recording.finish(1_000)
    right = read(recording.path)[:, 1]
    assert np.flatnonzero(right)[-1] == 130 * 16 - 1


def test_a_crash_leaves_a_file_that_can_be_made_whole(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    recording = Recording(path)
    for index in range(250):
        recording.customer(marked(7), (index + 1) * FRAME_MS)
        if index % 50 == 49:
            recording.write(recording.advance((index + 1) * FRAME_MS))
    recording.abandon()
    with path.open("ab") as file:
        file.write(b"\x01\x02\x03")  # a torn write
    length_ms = recover(path)
    stereo = read(path)
    assert length_ms == len(stereo) / 16 >= 3_000
    assert (stereo[:, 0] == 7).all()


def test_what_the_disk_did_not_take_is_silent_and_the_rest_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = False
    write = recording_module._write_at

    def write_unless_full(file: FileIO, data: bytes, offset: int) -> None:
        if full:
            raise OSError(28, "No space left on device")
        write(file, data, offset)

    monkeypatch.setattr(recording_module, "_write_at", write_unless_full)
    recording = Recording(tmp_path / "call.wav")
    for index in range(500):
        recording.customer(marked(index + 1), (index + 1) * FRAME_MS)
        if index % 50 == 49:
            full = 200 <= index < 350
            with suppress(OSError):
                recording.write(recording.advance((index + 1) * FRAME_MS))
    assert recording.finish(10_000) == 10_000
    ((start_ms, end_ms),) = recording.gaps_ms
    assert (start_ms, end_ms) == (2_500, 5_500)
    left = read(recording.path)[:, 0]
    assert begins_ms(left, 125) == 124 * FRAME_MS
    assert not left[16 * 2_500 : 16 * 5_500].any()
    assert begins_ms(left, 276) == 275 * FRAME_MS
    assert begins_ms(left, 500) == 499 * FRAME_MS


def test_recovering_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(b"not a recording")
    with pytest.raises(ValueError, match=r"notes\.wav"):
        recover(path)


def test_tracks_are_derived_sample_for_sample(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for index in range(50):
        recording.customer(marked(20_000), (index + 1) * FRAME_MS)
        recording.assistant(marked(20_000 if index % 2 else -300), index * FRAME_MS)
    recording.finish(1_000)
    tracks = derive_tracks(recording.path, tmp_path)
    stereo = read(recording.path)
    assert (read(tracks["customer"])[:, 0] == stereo[:, 0]).all()
    assert (read(tracks["assistant"])[:, 0] == stereo[:, 1]).all()
    mono = read(tracks["mono"])[:, 0]
    assert set(np.unique(mono)) == {19_700, 32_767}


def test_memory_stays_bounded_however_long_the_call(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    for second in range(600):
        now_ms = (second + 1) * 1_000.0
        for index in range(0, 50, 10):
            recording.customer(marked(1), second * 1_000 + (index + 1) * FRAME_MS)
        recording.write(recording.advance(now_ms))
    assert recording.path.stat().st_size >= 590 * 64_000
    assert recording._tail.nbytes < 64_000 * 5
    recording.finish(600_000)
    assert recording.path.stat().st_size == 44 + 600 * 64_000


def test_an_abandoned_recording_takes_nothing_more(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    recording.abandon()
    recording.customer(bytes(FRAME_BYTES), 20)
    recording.assistant(bytes(FRAME_BYTES), 20)
    assert recording.advance(10_000) == b""
    assert recording.abandoned
