"""The pipe between parent and workers, and the supervision of a worker that does not behave."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.providers.errors import ProviderError
from media.providers.local import worker as worker_module
from media.providers.local.messages import (
    MAX_FRAME_BYTES,
    Deframer,
    FinalText,
    FromWorker,
    HeardAudio,
    PartialText,
    RecognisedWord,
    Speak,
    SpokenAudio,
    ToWorker,
    frame,
)
from media.providers.local.worker import WorkerProcess

MESSAGES = st.lists(
    st.one_of(
        st.builds(HeardAudio, stream=st.integers(0, 2**31), pcm=st.binary(max_size=700)),
        st.builds(
            Speak, st.integers(0, 9), st.text(max_size=40), st.just("en"), st.integers(80, 330), st.integers(0, 99)
        ),
    ),
    max_size=8,
)


@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 64), min_size=1, max_size=8))
def test_messages_survive_any_cutting_of_the_stream(messages: list[ToWorker], cuts: list[int]) -> None:
    data = b"".join(map(frame, messages))
    deframer, decoder, received, at, turn = Deframer(), msgspec.msgpack.Decoder(ToWorker), [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        received += [decoder.decode(body) for body in deframer.feed(data[at : at + size])]
        at, turn = at + size, turn + 1
    assert received == messages


def test_answers_round_trip() -> None:
    words = (RecognisedWord("yes", 10.0, 220.0, 0.5),)
    for message in (PartialText(1, "ye"), FinalText(1, "yes", 0.9, words, answers=True), SpokenAudio(2, b"\0\1")):
        (body,) = Deframer().feed(frame(message))
        assert msgspec.msgpack.decode(body, type=FromWorker) == message


def test_a_frame_beyond_the_limit_is_not_waited_for() -> None:
    with pytest.raises(ValueError, match="exceeds the limit"):
        list(Deframer().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


async def test_a_program_that_speaks_something_else_never_becomes_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "START_TIMEOUT_S", 0.5)
    worker = WorkerProcess("this", "vapi", "voice")  # prints prose and leaves
    with pytest.raises(ProviderError) as caught:
        await worker.start()
    assert caught.value.category == "failed"
    await worker.close()
    assert worker.pid is None


async def test_a_worker_that_was_not_started_is_refused() -> None:
    with pytest.raises(ProviderError) as caught:
        await WorkerProcess("this", "vapi", "voice").open(lambda _message: None)
    assert "not started" in caught.value.detail


async def test_closing_twice_is_harmless_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    worker = WorkerProcess("this", "vapi", "voice")
    await worker.close()
    await worker.close()
    assert asyncio.all_tasks() == before
