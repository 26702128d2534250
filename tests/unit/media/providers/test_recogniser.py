"""The local recogniser on synthetic callers, with nothing to go by but the assistant's own configuration."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from media.providers.errors import ProviderError
from media.providers.local.caller import FRAME_BYTES, SyntheticCaller, silence
from media.providers.local.language.spoken import spoken_words
from media.providers.local.recogniser import MAX_STREAMS, LocalRecogniser
from media.providers.local.worker import WorkerProcess
from media.providers.speech_to_text import Final
from tests.patience import PATIENCE_S
from tests.unit.media.providers.speech import hear, needs_speech, word_errors

pytestmark = [needs_speech, pytest.mark.asyncio(loop_scope="package")]

DENTIST: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "infra/demo/assistant.json").read_text(encoding="utf-8")
)

CALLERS_SAY = (
    "hello i would like to book an appointment for tuesday morning",
    "yes please",
    "what are your opening hours",
    "thank you goodbye",
    "i'd like to make an appointment for a check up",
    "do you have anything free on monday morning",
    "is wednesday at three o'clock possible",
    "no on friday instead",
    "how much is a check up",
    "what does a cleaning cost",
    "do you accept my insurance",
    "where can i park",
    "where can i park my car",
    "is there a bus stop near you",
    "can i bring my children",
    "are you open on saturday",
    "can i pay in cash",
    "how do i cancel my appointment",
    "i am in pain",
    "can you repeat that please",
    "i want to book a cleaning for next monday",
    "tomorrow morning please",
    "no that is all thank you",
    "could you tell me your opening hours please",
    "could i come in on thursday afternoon",
)
NOT_ABOUT_THE_DENTIST = (
    "my grandmother planted seven apple trees in the garden",
    "quantum computers may break modern encryption",
    "the senate voted against the proposal last night",
    "whales communicate across enormous distances",
    "the volcano erupted without any warning",
    "the quick brown fox jumps over the lazy dog",
    "the old ship sailed through heavy fog",
    "astronauts trained under water in houston",
    "wolves hunt together in the forest",
    "how tall is mount everest",
    "switch off the lights in the kitchen",
    "her novel was translated into forty languages",
)
WORD_ACCURACY_FLOOR = 0.92
"""Seen: 0.97 to 0.99."""


async def test_ordinary_sentences_of_callers_are_understood(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    errors = words = 0
    misheard = []
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        for sentence in CALLERS_SAY:
            final, _ = await hear(stream, await caller.say(sentence))
            wrong = word_errors(sentence, spoken_words(final.text))
            errors += wrong
            words += len(sentence.split())
            if wrong:
                misheard.append((sentence, final.text))
    assert 1 - errors / words >= WORD_ACCURACY_FLOOR, misheard


async def test_what_the_assistant_is_not_about_is_heard_but_not_understood(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    flagged = 0
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        for sentence in NOT_ABOUT_THE_DENTIST:
            final, _ = await hear(stream, await caller.say(sentence))
            flagged += final.text == ""
            assert final.confidence is not None
            assert (final.text == "") == (final.confidence < 0.5)
    assert flagged >= len(NOT_ABOUT_THE_DENTIST) - 1


async def test_codes_are_heard_where_a_tool_asks_for_one(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    code = {"type": "string", "description": "The code of the card."}
    function = {"name": "blockCard", "parameters": {"type": "object", "properties": {"code": code}}}
    assistant = {"model": {"messages": [], "tools": [{"type": "function", "function": function}]}}
    said = ("four seven one one", "zero eight one", "one two three four five six", "three three eight zero two one")
    heard = []
    async with LocalRecogniser(recogniser_worker, assistant).connect() as stream:
        for words in said:
            final, _ = await hear(stream, await caller.say(words))
            heard.append(spoken_words(final.text))
    assert heard == list(said)


async def test_partials_come_while_the_caller_speaks_and_the_final_has_word_times(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    sentence = "what are your opening hours"
    pcm = await caller.say(sentence)
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        final, partials = await hear(stream, pcm)
    assert final.text == "What are your opening hours?"
    assert len(partials) >= 2
    assert partials[0].text != sentence
    assert [word.text for word in final.words] == sentence.split()
    times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    spoken_from, spoken_until = 400, 400 + len(pcm) / 32
    assert spoken_from - 250 <= times[0] <= times[-1] <= spoken_until + 350
    assert all(0 <= (word.confidence or 0) <= 1 for word in final.words)


async def test_a_pause_within_a_sentence_does_not_cut_it(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    pcm = await caller.say("i want to book a cleaning") + silence(320) + await caller.say("for next monday")
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        final, _ = await hear(stream, pcm)
    assert word_errors("i want to book a cleaning for next monday", spoken_words(final.text)) <= 2


async def test_the_same_words_are_heard_the_same_way_however_late_their_final_is_asked_for(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    said = await caller.say("i want to book a cleaning") + silence(320) + await caller.say("for next monday")
    heard = []
    for before_ms, after_ms in ((400, 260), (900, 1_600)):
        async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
            audio = silence(before_ms) + said + silence(after_ms)
            for at in range(0, len(audio), FRAME_BYTES):
                stream.feed(audio[at : at + FRAME_BYTES])
            stream.finalize()
            final = await anext(fact async for fact in stream if isinstance(fact, Final))
            times = [(word.text, word.start_ms - before_ms, word.end_ms - before_ms) for word in final.words]
            heard.append((final.text, final.confidence, times))
    assert heard[0][0].startswith("I want to book")
    assert heard[0] == heard[1]


async def test_a_sentence_broken_off_stays_without_a_mark_and_is_continued(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        begun, _ = await hear(stream, await caller.say("hello i would like to book"))
        rest, _ = await hear(stream, await caller.say("a cleaning please"))
    assert (begun.text, rest.text) == ("Hello I would like to book", "a cleaning please.")


async def test_finalize_is_always_answered(recogniser_worker: WorkerProcess) -> None:
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        final, partials = await hear(stream, silence(500))
    assert final.text == ""
    assert partials == []


async def test_a_long_silence_gives_the_final_unasked(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    audio = silence(200) + await caller.say("yes please") + silence(2_400)
    async with LocalRecogniser(recogniser_worker, DENTIST).connect() as stream:
        for at in range(0, len(audio), FRAME_BYTES):
            stream.feed(audio[at : at + FRAME_BYTES])
        finals = (fact async for fact in stream if isinstance(fact, Final))
        final = await asyncio.wait_for(anext(finals), PATIENCE_S)
    assert final.text == "Yes please."


async def test_calls_of_different_assistants_share_a_worker(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    shop = {"model": {"messages": [{"role": "system", "content": "Refunds: A refund takes thirty days."}]}}
    hours, refund = await caller.say("what are your opening hours"), await caller.say("i have a question about refunds")
    async with (
        LocalRecogniser(recogniser_worker, DENTIST).connect() as first,
        LocalRecogniser(recogniser_worker, shop).connect() as second,
    ):
        (about_hours, _), (about_refund, _) = await asyncio.gather(hear(first, hours), hear(second, refund))
    assert about_hours.text == "What are your opening hours?"
    assert "refund" in about_refund.text


async def test_a_configuration_that_makes_no_sense_does_not_keep_a_call_from_starting(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    nonsense: dict[str, Any] = {"model": {"messages": "none", "tools": [{"function": 3}, None]}, "firstMessage": 7}
    async with LocalRecogniser(recogniser_worker, nonsense).connect() as stream:
        final, _ = await hear(stream, await caller.say("yes please"))
    assert final.text == "Yes please."


async def test_a_killed_worker_fails_its_calls_and_is_replaced(caller: SyntheticCaller) -> None:
    worker = WorkerProcess("media.providers.local.recogniser_worker", "vapi", "transcriber")
    await worker.start()
    try:
        recogniser = LocalRecogniser(worker, DENTIST)
        async with recogniser.connect() as stream:
            killed = worker.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(ProviderError) as caught:
                await asyncio.wait_for(anext(aiter(stream)), PATIENCE_S)
        assert (caught.value.stage, caught.value.category, caught.value.permanent) == ("transcriber", "failed", False)
        async with recogniser.connect() as again:
            final, _ = await hear(again, await caller.say("what are your opening hours"))
        assert final.text == "What are your opening hours?"
        assert worker.pid not in (None, killed)
    finally:
        await worker.close()
    assert worker.pid is None


async def test_a_full_worker_refuses_the_next_call(recogniser_worker: WorkerProcess) -> None:
    recogniser = LocalRecogniser(recogniser_worker, {})
    async with AsyncExitStack() as calls:
        for _ in range(MAX_STREAMS):
            await calls.enter_async_context(recogniser.connect())
        with pytest.raises(ProviderError) as caught:
            await calls.enter_async_context(recogniser.connect())
    assert caught.value.category == "overloaded"
    assert recogniser_worker.load == 0
