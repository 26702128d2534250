"""Pacing, and what was heard: the sink is the clock."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio.framing import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, SILENCE
from media.audio.playout import Heard, Playout
from media.providers.scripted import tone

LEAD_MS = 80
TEXT = "We are open from nine to five."


@dataclass
class Sink:
    frames: list[tuple[bytes, float]] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    ends: int = 0
    clears: list[float] = field(default_factory=list)
    now: float = 0.0

    def send_frame(self, frame: bytes, sounds_at_ms: float) -> None:
        self.frames.append((frame, sounds_at_ms))
        self.sent_at.append(self.now)

    def end_of_speech(self) -> None:
        self.ends += 1

    def clear(self, now_ms: float) -> None:
        self.clears.append(now_ms)


@dataclass
class Bench:
    """A playout whose clock the test turns."""

    sink: Sink = field(default_factory=Sink)
    started: list[int] = field(default_factory=list)
    finished: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.playout = Playout(
            self.sink, lead_ms=LEAD_MS, on_started=self.started.append, on_finished=self.finished.append
        )

    @property
    def now(self) -> float:
        return self.sink.now

    def to(self, now_ms: float, step_ms: float = FRAME_MS) -> None:
        """Let the 20 ms clock tick until then."""
        while self.sink.now + step_ms <= now_ms:
            self.sink.now += step_ms
            self.playout.pump(self.sink.now)

    def stall(self, ms: float) -> None:
        """Nothing runs for so long."""
        self.sink.now += ms

    def say(
        self, utterance: int, text: str = TEXT, *, ms: float = 3_000, last: bool = True, words: bool = True
    ) -> None:
        """One chunk, wholly synthesised."""
        self.playout.expect(utterance, 0, text, text, last=last)
        if words:
            found = list(re.finditer(r"\S+", text))
            for index, word in enumerate(found):
                self.playout.word(utterance, 0, word.end(), index * ms / len(found))
        self.playout.queue(utterance, 0, tone(ms))
        self.playout.complete(utterance, 0)

    def stop(self, utterance: int) -> None:
        self.playout.stop(utterance, self.now)


def test_nothing_sounds_before_the_gate_opens_and_the_first_frame_goes_at_once() -> None:
    bench = Bench()
    bench.say(1)
    bench.to(500)
    assert bench.sink.frames == []
    bench.playout.release(1, bench.now)
    assert bench.started == [1]
    assert bench.sink.frames[0][1] == bench.now


def test_frames_are_never_further_ahead_than_the_lead_and_never_late() -> None:
    bench = Bench()
    bench.say(1, ms=2_000)
    bench.playout.release(1, bench.now)
    bench.to(3_000)
    places = [at_ms for _, at_ms in bench.sink.frames]
    assert places == [index * FRAME_MS for index in range(100)]
    assert all(0 <= at - sent <= LEAD_MS for (_, at), sent in zip(bench.sink.frames, bench.sink.sent_at, strict=True))


def test_the_end_is_told_when_the_last_frame_has_sounded_not_when_it_was_sent() -> None:
    bench = Bench()
    bench.say(1, ms=1_000)
    bench.playout.release(1, bench.now)
    bench.to(980)
    assert len(bench.sink.frames) == 50
    assert bench.finished == []
    bench.to(1_000)
    assert bench.finished == [Heard(1, 1_000.0, (len(TEXT),), stopped=False)]
    assert bench.sink.ends == 1


def test_after_a_stall_the_clock_moves_on_instead_of_bursting() -> None:
    bench = Bench()
    bench.say(1, ms=2_000)
    bench.playout.release(1, bench.now)
    bench.to(200)
    sent = len(bench.sink.frames)
    bench.stall(500)
    bench.playout.pump(bench.now)
    assert len(bench.sink.frames) - sent <= LEAD_MS // FRAME_MS
    bench.to(5_000)
    places = [at_ms for _, at_ms in bench.sink.frames]
    gaps = [later - earlier for earlier, later in itertools.pairwise(places)]
    assert sorted(set(gaps)) == [20.0, 440.0]
    assert bench.finished[0].heard_ms == 2_000


def test_audio_that_comes_late_leaves_a_gap_and_does_not_count_as_heard() -> None:
    bench = Bench()
    bench.playout.expect(1, 0, TEXT, TEXT, last=True)
    bench.playout.queue(1, 0, tone(200))
    bench.playout.release(1, bench.now)
    bench.to(600)
    bench.playout.queue(1, 0, tone(400))
    bench.playout.complete(1, 0)
    bench.playout.pump(bench.now)
    bench.to(700)
    bench.stop(1)
    assert bench.finished[0].heard_ms == 300.0


def test_stopping_counts_what_sounded_and_not_what_was_sent_ahead() -> None:
    bench = Bench()
    bench.say(1, ms=2_100)
    bench.playout.release(1, bench.now)
    bench.to(1_000)
    bench.stop(1)
    assert bench.finished == [Heard(1, 1_000.0, (len("We are open"),), stopped=True)]
    assert bench.sink.clears == [1_000.0]
    sent = len(bench.sink.frames)
    bench.to(2_000)
    assert len(bench.sink.frames) == sent


@given(st.integers(0, 104))
def test_at_any_frame_the_words_heard_are_the_words_that_sounded(frame: int) -> None:
    bench = Bench()
    bench.say(1, ms=2_100)
    bench.playout.release(1, bench.now)
    bench.to(frame * FRAME_MS)
    bench.stop(1)
    heard = TEXT[: bench.finished[0].heard_chars[0]]
    # Seven words of 300 ms; one counts from its middle on.
    assert heard == " ".join(TEXT.split()[: int((frame * FRAME_MS + 150) // 300)])


def test_chunks_before_the_cut_count_whole_and_chunks_after_it_not_at_all() -> None:
    bench = Bench()
    for chunk, text in enumerate(("One two. ", "Three four. ", "Five six.")):
        bench.playout.expect(1, chunk, text, text, last=chunk == 2)
        bench.playout.queue(1, chunk, tone(1_000))
        bench.playout.complete(1, chunk)
    bench.playout.release(1, bench.now)
    bench.to(1_500)
    bench.stop(1)
    first, second, third = bench.finished[0].heard_chars
    assert first == len("One two. ")
    assert "Three four. "[:second] == "Three"
    assert third == 0


def test_utterances_wait_for_each_other_in_the_order_of_their_release() -> None:
    bench = Bench()
    bench.say(1, ms=400)
    bench.say(2, ms=400)
    bench.playout.release(2, bench.now)
    bench.playout.release(1, bench.now)
    bench.to(2_000)
    assert bench.started == [2, 1]
    assert [heard.utterance_id for heard in bench.finished] == [2, 1]
    assert [at for _, at in bench.sink.frames] == [index * 20.0 for index in range(40)]


def test_an_utterance_stopped_before_its_first_frame_is_answered_for_too() -> None:
    bench = Bench()
    bench.playout.expect(1, 0, TEXT, TEXT, last=True)
    bench.playout.release(1, bench.now)
    bench.to(100)
    bench.stop(1)
    assert bench.finished == [Heard(1, 0.0, (0,), stopped=True)]


def test_one_that_was_never_released_is_dropped_without_a_word() -> None:
    bench = Bench()
    bench.say(1)
    bench.stop(1)
    bench.playout.release(2, bench.now)
    assert bench.finished == []
    assert bench.sink.frames == []


def test_an_utterance_without_any_sound_still_ends() -> None:
    bench = Bench()
    bench.playout.expect(1, 0, "…", "", last=True)
    bench.playout.complete(1, 0)
    bench.playout.release(1, bench.now)
    assert bench.finished == [Heard(1, 0.0, (1,), stopped=False)]


def test_the_last_frame_is_filled_up_and_its_silence_is_not_speech() -> None:
    bench = Bench()
    bench.say(1, ms=30)
    bench.playout.release(1, bench.now)
    bench.to(200)
    assert [len(frame) for frame, _ in bench.sink.frames] == [FRAME_BYTES, FRAME_BYTES]
    assert bench.sink.frames[1][0].endswith(bytes(FRAME_BYTES // 2))
    assert bench.finished[0].heard_ms == 30.0


def test_muted_speech_passes_in_silence_at_its_own_pace() -> None:
    bench = Bench()
    bench.say(1, ms=500)
    bench.playout.muted = True
    bench.playout.release(1, bench.now)
    bench.to(1_000)
    assert {frame for frame, _ in bench.sink.frames} == {SILENCE}
    assert bench.finished[0].heard_ms == 500.0


def test_a_chunk_can_be_taken_back_only_while_none_of_it_was_sent() -> None:
    bench = Bench()
    bench.playout.expect(1, 0, TEXT, TEXT, last=True)
    bench.playout.queue(1, 0, tone(400))
    assert bench.playout.discard(1, 0)
    assert bench.playout.waiting_ms(1) == 0
    bench.playout.queue(1, 0, tone(400))
    bench.playout.release(1, bench.now)
    assert not bench.playout.discard(1, 0)


def test_an_end_that_starts_the_next_one_and_a_start_that_stops_itself_are_survived() -> None:
    sink = Sink()
    log: list[str] = []

    def on_started(utterance: int) -> None:
        log.append(f"started {utterance}")
        if utterance == 2:
            playout.stop(2, sink.now)

    def on_finished(heard: Heard) -> None:
        log.append(f"finished {heard.utterance_id} {heard.stopped}")
        if heard.utterance_id == 1:
            playout.release(2, sink.now)

    playout = Playout(sink, lead_ms=LEAD_MS, on_started=on_started, on_finished=on_finished)
    for utterance in (1, 2):
        playout.expect(utterance, 0, "word", "word", last=True)
        playout.queue(utterance, 0, tone(100))
        playout.complete(utterance, 0)
    playout.release(1, 0.0)
    for tick in range(20):
        sink.now = tick * 20.0
        playout.pump(sink.now)
    assert log == ["started 1", "finished 1 False", "started 2", "finished 2 True"]
    assert playout.idle


@pytest.mark.parametrize("pieces", [[1], [7, 640, 3], [639, 2], [10_000]])
def test_pieces_of_any_even_size_make_the_same_stream(pieces: list[int]) -> None:
    bench = Bench()
    sound = tone(300)
    bench.playout.expect(1, 0, TEXT, TEXT, last=True)
    start = 0
    while start < len(sound):
        for size in pieces:
            bench.playout.queue(1, 0, sound[start : start + size * 2])
            start += size * 2
    bench.playout.complete(1, 0)
    bench.playout.release(1, bench.now)
    bench.to(500)
    assert b"".join(frame for frame, _ in bench.sink.frames) == sound
    assert len(sound) == 300 * BYTES_PER_MS
