"""The local voice: audio, word times, cancellation, and the death of its process."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest

from media.providers.errors import ProviderError
from media.providers.local import voice as voice_module
from media.providers.local.voice import MAX_CHARACTERS, LocalVoice
from media.providers.local.voices import VoiceSettings, voice_settings
from media.providers.local.worker import WorkerProcess
from media.providers.text_to_speech import AudioChunk, VoiceFact, WordTime
from tests.patience import PATIENCE_S
from tests.unit.media.providers.speech import needs_speech

pytestmark = [needs_speech, pytest.mark.asyncio(loop_scope="package")]

TEXT = "We are open on Monday, and on Saturday until noon."


async def speak(worker: WorkerProcess, text: str, settings: VoiceSettings | None = None) -> list[VoiceFact]:
    async with aclosing(LocalVoice(worker, settings or VoiceSettings()).synthesize(text)) as facts:
        return [fact async for fact in facts]


def words(facts: list[VoiceFact]) -> list[WordTime]:
    return [fact for fact in facts if isinstance(fact, WordTime)]


def seconds(facts: list[VoiceFact]) -> float:
    return sum(len(fact.pcm) for fact in facts if isinstance(fact, AudioChunk)) / 32_000


def computed_s(worker: WorkerProcess) -> float:
    """Processor time that the worker has used so far."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_audio_has_a_sane_length_and_words_their_times(voice_worker: WorkerProcess) -> None:
    facts = await speak(voice_worker, TEXT)
    times = words(facts)
    assert [TEXT[word.start_char : word.end_char] for word in times] == TEXT.replace(",", "").replace(".", "").split()
    assert all(earlier.start_ms < later.start_ms for earlier, later in pairwise(times))
    assert times[-1].start_ms < seconds(facts) * 1000
    assert 2.0 < seconds(facts) < 6.0
    assert all(len(fact.pcm) % 2 == 0 for fact in facts if isinstance(fact, AudioChunk))


async def test_speed_changes_the_length(voice_worker: WorkerProcess) -> None:
    normal = await speak(voice_worker, TEXT, voice_settings({"voiceId": "Clara"}))
    fast = await speak(voice_worker, TEXT, voice_settings({"voiceId": "Clara", "speed": 1.5}))
    assert seconds(fast) < 0.8 * seconds(normal)


async def test_text_without_a_word_is_silence(voice_worker: WorkerProcess) -> None:
    assert await speak(voice_worker, " ... ") == []


async def test_texts_spoken_at_once_do_not_mix(voice_worker: WorkerProcess) -> None:
    texts = ("One.", "Two and three.", "Four, five and six.")
    alone = [words(await speak(voice_worker, text)) for text in texts]
    together = await asyncio.gather(*(speak(voice_worker, text) for text in texts))
    assert [words(facts) for facts in together] == alone


async def test_closing_the_stream_stops_the_voice(voice_worker: WorkerProcess) -> None:
    long_text = "This sentence goes on and on. " * 150
    async with aclosing(LocalVoice(voice_worker, VoiceSettings()).synthesize(long_text)) as facts:
        async for fact in facts:
            if isinstance(fact, AudioChunk):
                break
    assert voice_worker.load == 0
    before_s = computed_s(voice_worker)
    assert seconds(await speak(voice_worker, "Hello.")) < 2
    # Had the worker gone on with the long text, this one would have waited for more than ten seconds of computing.
    assert computed_s(voice_worker) - before_s < 4


async def test_a_text_that_is_too_long_is_refused(voice_worker: WorkerProcess) -> None:
    with pytest.raises(ProviderError) as caught:
        await speak(voice_worker, "a" * (MAX_CHARACTERS + 1))
    assert caught.value.category == "bad-request"


async def test_a_voice_that_does_not_exist_fails_alone(voice_worker: WorkerProcess) -> None:
    with pytest.raises(ProviderError) as caught:
        await speak(voice_worker, "Hello.", VoiceSettings(voice="xx-nowhere"))
    assert caught.value.category == "failed"
    assert "xx-nowhere" in caught.value.detail
    assert seconds(await speak(voice_worker, "Hello.")) > 0


async def test_what_a_killed_worker_had_not_begun_is_said_by_the_next_one() -> None:
    worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")
    await worker.start()
    try:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)  # it can take the order and not answer
        speaking = asyncio.create_task(speak(worker, TEXT))
        await asyncio.sleep(0)  # its first step asks the worker
        assert worker.load == 1
        os.kill(worker.pid, signal.SIGKILL)
        assert seconds(await asyncio.wait_for(speaking, PATIENCE_S)) > 0
        assert worker.load == 0
    finally:
        await worker.close()


async def test_a_worker_that_hung_on_somebody_who_has_left_is_replaced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_module, "ANSWER_TIMEOUT_S", 0.5)
    worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")
    await worker.start()
    try:
        stuck = worker.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        speaking = asyncio.create_task(speak(worker, TEXT))
        await asyncio.sleep(0)  # its first step asks the worker
        assert worker.load == 1
        speaking.cancel()  # as a call does that gives up sooner
        await asyncio.wait([speaking])
        monkeypatch.undo()
        assert seconds(await asyncio.wait_for(speak(worker, "Hello."), PATIENCE_S)) > 0
        assert worker.pid != stuck
    finally:
        await worker.close()


async def test_a_worker_that_hangs_is_a_timeout_and_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_module, "ANSWER_TIMEOUT_S", 0.3)
    worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")
    await worker.start()
    try:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(ProviderError) as caught:
            await speak(worker, TEXT)
        assert caught.value.category == "timeout"
        monkeypatch.undo()
        assert seconds(await speak(worker, "Hello.")) > 0
    finally:
        await worker.close()


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, VoiceSettings()),
        ({"voiceId": "Elliot"}, VoiceSettings("en-us+m3", 165, 45)),
        ({"voiceId": "somebody-cloned"}, VoiceSettings()),
        ({"voiceId": "Elliot", "language": "en-GB"}, VoiceSettings("en+m3", 165, 45)),
        ({"speed": 2}, VoiceSettings(words_per_minute=330)),
        ({"speed": 0.25}, VoiceSettings(words_per_minute=80)),
        ({"speed": "fast"}, VoiceSettings()),
    ],
)
async def test_settings_follow_the_configuration(configuration: dict[str, object], expected: VoiceSettings) -> None:
    assert voice_settings(configuration) == expected
