"""What every voice keeps, over the simulated vendors and the scripted one of the tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from media.providers.ended_reason import ended_reason
from media.providers.errors import ProviderError
from media.providers.scripted import ScriptedTextToSpeech
from media.providers.speech_to_text import Final, Partial
from media.providers.text_to_speech import AudioChunk, TextToSpeech, WordTime
from tests.contracts.provider_cases import SECONDS, VOICES, Case, registry_of
from tests.simulators.vendor_server import KEY, Fault, HalfOpen, Refuse, Reset, VendorServer
from tests.unit.media.providers.speech import needs_speech

TEXT = "Your table is booked for seven."
SHORT = "Good."
MS_PER_CHARACTER = 20
BYTES_PER_MS = 32

every_case = pytest.mark.parametrize("case", VOICES, ids=str)


@asynccontextmanager
async def voice(case: Case, *faults: Fault) -> AsyncIterator[tuple[TextToSpeech, VendorServer]]:
    async with case.server(faults=faults) as server, registry_of({case.provider: server.base_url}) as registry:
        yield registry.voice({"voice": case.section(server.base_url)}), server


async def say(speaking: TextToSpeech, text: str) -> tuple[float, list[WordTime]]:
    """Milliseconds of audio, and the word times."""
    pcm, words = 0, []
    async with asyncio.timeout(SECONDS), aclosing(speaking.synthesize(text)) as facts:
        async for fact in facts:
            if isinstance(fact, AudioChunk):
                assert len(fact.pcm) % 2 == 0
                pcm += len(fact.pcm)
            else:
                words.append(fact)
    return pcm / BYTES_PER_MS, words


async def speaks_all_of_it(speaking: TextToSpeech) -> None:
    for text in (TEXT, SHORT, TEXT):
        length_ms, words = await say(speaking, text)
        assert length_ms == pytest.approx(len(text) * MS_PER_CHARACTER, abs=5)
        if speaking.traits.word_times:
            assert [text[word.start_char : word.end_char] for word in words] == text.split()
            assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)
            assert words[-1].start_ms < length_ms
        else:
            assert words == []


@every_case
async def test_each_text_is_spoken_whole_over_one_connection(case: Case) -> None:
    async with voice(case) as (speaking, server):
        await speaks_all_of_it(speaking)
        assert server.connections == 1


async def test_the_scripted_voice_keeps_the_same() -> None:
    await speaks_all_of_it(ScriptedTextToSpeech(ms_per_character=MS_PER_CHARACTER))


@needs_speech
@pytest.mark.long
async def test_the_local_voice_and_recogniser_keep_the_same() -> None:
    said = "yes please"
    async with registry_of({}, local_speech=True) as registry:
        await registry.start()
        speaking, hearing = registry.voice({}), registry.transcriber({})
        pcm = b""
        words: list[WordTime] = []
        async for fact in speaking.synthesize(said):
            if isinstance(fact, AudioChunk):
                pcm += fact.pcm
            else:
                words.append(fact)
        assert [said[word.start_char : word.end_char] for word in words] == said.split()
        assert 0 <= words[0].start_ms < words[1].start_ms < len(pcm) / BYTES_PER_MS
        async with asyncio.timeout(SECONDS), hearing.connect() as stream:
            heard = bytes(640 * 20) + pcm + bytes(640 * 20)
            for at in range(0, len(heard) - 639, 640):
                stream.feed(heard[at : at + 640])
            stream.finalize()
            facts = []
            async for heard_fact in stream:
                facts.append(heard_fact)
                if isinstance(heard_fact, Final):
                    break
    assert all(isinstance(earlier, Partial) for earlier in facts[:-1])


@every_case
async def test_a_text_given_up_is_heard_no_more_and_the_next_is_spoken_alone(case: Case) -> None:
    async with voice(case) as (speaking, _):
        loop, took_s = asyncio.get_running_loop(), list[float]()
        for _ in range(3):
            async with asyncio.timeout(SECONDS):
                facts = speaking.synthesize(TEXT * 20)
                async for fact in facts:
                    if isinstance(fact, AudioChunk):
                        break
                began = loop.time()
                await facts.aclose()
                took_s.append(loop.time() - began)
        # A busy machine may hold up one of them, or two.
        assert min(took_s) < 1.0
        length_ms, _ = await say(speaking, SHORT)
        assert length_ms == pytest.approx(len(SHORT) * MS_PER_CHARACTER, abs=5)


@every_case
async def test_texts_at_the_same_time_do_not_mix(case: Case) -> None:
    async with voice(case) as (speaking, _):
        spoken = await asyncio.gather(*(say(speaking, "x" * length) for length in (10, 40, 25)))
    assert [round(length_ms / MS_PER_CHARACTER) for length_ms, _ in spoken] == [10, 40, 25]


@every_case
async def test_a_vendor_that_says_nothing_can_be_given_up_at_any_moment(case: Case) -> None:
    async with voice(case, HalfOpen()) as (speaking, server):
        speech = speaking.synthesize(TEXT)
        waiting = asyncio.ensure_future(anext(speech))
        await server.until(lambda: len(server.received) > 0)
        waiting.cancel()
        async with asyncio.timeout(SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await waiting


@every_case
@pytest.mark.parametrize(
    ("fault", "category"),
    [
        (Refuse(401), "unauthorized"),
        (Refuse(403), "forbidden"),
        (Refuse(429, retry_after=7), "quota"),
        (Refuse(500), "server"),
        (Reset(after=1), "failed"),
    ],
    ids=str,
)
async def test_what_breaks_is_told_by_its_category_and_ends_the_call_by_the_published_reason(
    case: Case, fault: Fault, category: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with voice(case, fault) as (speaking, _):
        with pytest.raises(ProviderError) as caught:
            await say(speaking, TEXT)
        error = caught.value
        assert (error.provider, error.stage, error.category) == (case.provider, "voice", category)
        assert error.retry_after_s == (fault.retry_after if isinstance(fault, Refuse) else None)
        assert ended_reason(error) == f"pipeline-error-{case.provider.removesuffix('-voice')}-voice-failed"
        assert KEY not in str(error) + caplog.text
        assert TEXT not in str(error) + caplog.text
        length_ms, _ = await say(speaking, SHORT)
        assert length_ms > 0


@pytest.mark.parametrize("case", [case for case in VOICES if case.name in ("cartesia", "deepgram")], ids=str)
async def test_a_kept_connection_that_broke_meanwhile_is_replaced_unheard(case: Case) -> None:
    async with voice(case, Reset(after=2 if case.name == "cartesia" else 3)) as (speaking, server):
        await say(speaking, SHORT)
        length_ms, _ = await say(speaking, TEXT)
        assert length_ms == pytest.approx(len(TEXT) * MS_PER_CHARACTER, abs=5)
        assert server.connections == 2
