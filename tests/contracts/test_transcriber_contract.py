"""What every transcriber keeps, over the simulated vendors and the scripted one of the tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from media.providers.ended_reason import ended_reason
from media.providers.errors import ProviderError
from media.providers.scripted import ScriptedSpeechToText, tone
from media.providers.speech_to_text import (
    EndOfTurn,
    Final,
    Partial,
    SpeechToText,
    TranscriptFact,
    TranscriptionStream,
)
from tests.contracts.provider_cases import SECONDS, TRANSCRIBERS, Case, registry_of
from tests.simulators.vendor_server import KEY, Fault, Garbage, HangUp, Refuse, Reset, VendorServer

SAID = ("I would like a table.", "For seven people please.")
_SPOKEN = tone(800) + bytes(640 * 30)

every_case = pytest.mark.parametrize("case", TRANSCRIBERS, ids=str)


@asynccontextmanager
async def transcriber(
    case: Case, *faults: Fault, key: str = KEY, **more: Any
) -> AsyncIterator[tuple[SpeechToText, VendorServer]]:
    async with (
        case.server(SAID, faults=faults) as server,
        registry_of({case.provider: server.base_url}, key) as registry,
    ):
        yield registry.transcriber({"transcriber": case.section(server.base_url) | more}), server


def speak(stream: TranscriptionStream) -> None:
    for at in range(0, len(_SPOKEN), 640):
        stream.feed(_SPOKEN[at : at + 640])
    stream.finalize()


async def one_turn(stream: TranscriptionStream, *, native: bool) -> list[TranscriptFact]:
    """Facts up to the final with words, or the end of turn where the vendor decides it."""
    facts: list[TranscriptFact] = []
    async with asyncio.timeout(SECONDS):
        async for fact in stream:
            facts.append(fact)
            if isinstance(fact, EndOfTurn) or (isinstance(fact, Final) and fact.text and not native):
                break
    return facts


async def listen(hearing: SpeechToText) -> None:
    async with asyncio.timeout(SECONDS), hearing.connect() as stream:
        speak(stream)
        async for _ in stream:
            continue


async def failure(hearing: SpeechToText) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await listen(hearing)
    return caught.value


async def hears_turns(hearing: SpeechToText) -> None:
    async with hearing.connect() as stream:
        for text in SAID:
            speak(stream)
            facts = await one_turn(stream, native=hearing.traits.native_end_of_turn)
            finals = [fact for fact in facts if isinstance(fact, Final) and fact.text]
            partials = [index for index, fact in enumerate(facts) if isinstance(fact, Partial)]
            assert [final.text for final in finals] == [text]
            assert partials
            assert partials[-1] < facts.index(finals[0])
            if hearing.traits.word_times:
                times = [time for word in finals[0].words for time in (word.start_ms, word.end_ms)]
                assert len(times) == 2 * len(text.split())
                assert times == sorted(times)


@every_case
async def test_each_turn_gives_partials_and_then_one_final(case: Case) -> None:
    async with transcriber(case) as (hearing, server):
        await hears_turns(hearing)
        assert server.connections == 1


async def test_the_scripted_transcriber_keeps_the_same() -> None:
    await hears_turns(ScriptedSpeechToText(SAID))


@every_case
async def test_leaving_closes_the_connection_and_leaves_nothing_running(case: Case) -> None:
    before = asyncio.all_tasks()
    async with transcriber(case) as (hearing, server):
        serving = asyncio.all_tasks()
        async with hearing.connect() as stream:
            speak(stream)
            await server.until(lambda: server.open == 1)
        await server.until(lambda: server.open == 0)
        ours = {task for task in asyncio.all_tasks() - serving if "media/providers" in str(task.get_coro())}
        assert ours == set()
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


@every_case
@pytest.mark.parametrize(
    ("fault", "category"),
    [
        (Refuse(401), "unauthorized"),
        (Refuse(403), "forbidden"),
        (Refuse(429, retry_after=7), "quota"),
        (Refuse(503), "overloaded"),
        (Reset(after=3), "failed"),
        (HangUp(after=3), "failed"),
    ],
    ids=str,
)
async def test_what_breaks_is_told_by_its_category_and_ends_the_call_by_the_published_reason(
    case: Case, fault: Fault, category: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with transcriber(case, fault) as (hearing, _):
        error = await failure(hearing)
    assert (error.provider, error.stage, error.category) == (case.provider, "transcriber", category)
    assert error.retry_after_s == (fault.retry_after if isinstance(fault, Refuse) else None)
    assert case.provider in ended_reason(error)
    assert ended_reason(error).startswith("pipeline-error-")
    assert KEY not in str(error) + caplog.text
    assert not any(text in str(error) + caplog.text for text in SAID)


@every_case
async def test_after_a_failure_the_next_connection_hears(case: Case) -> None:
    async with transcriber(case, Reset(after=2)) as (hearing, server):
        assert (await failure(hearing)).category == "failed"
        async with hearing.connect() as stream:
            speak(stream)
            facts = await one_turn(stream, native=hearing.traits.native_end_of_turn)
        assert any(isinstance(fact, Final) and fact.text in SAID for fact in facts)
        assert server.connections == 2


@every_case
async def test_garbage_is_passed_over_or_breaks_the_connection_and_nothing_else(case: Case) -> None:
    async with transcriber(case, Garbage()) as (hearing, _), hearing.connect() as stream:
        speak(stream)
        outcome = await asyncio.gather(
            one_turn(stream, native=hearing.traits.native_end_of_turn), return_exceptions=True
        )
        heard = outcome[0]
    if isinstance(heard, BaseException):
        assert isinstance(heard, ProviderError)
        assert heard.category == "failed"
    else:
        assert any(isinstance(fact, Final) and fact.text == SAID[0] for fact in heard)
