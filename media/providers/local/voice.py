"""The local voice: espeak-ng in a worker process behind the text-to-speech protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from media.providers.errors import ProviderError
from media.providers.local.messages import CancelSpeech, FromWorker, Speak, SpeechDone, SpokenAudio, SpokenWord
from media.providers.local.voices import VoiceSettings
from media.providers.local.worker import WorkerProcess
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits, WordTime

PROVIDER = "vapi"
TRAITS = VoiceTraits(word_times=True, p99_ms=60.0)
MAX_CHARACTERS = 5_000
ANSWER_TIMEOUT_S = 15.0
"""After so long the worker is taken to be stuck and is replaced; see ``recogniser.FINAL_TIMEOUT_S``."""


class LocalVoice:
    """Speaks with one voice. Audio of a sentence takes a few milliseconds to make, all at once."""

    def __init__(self, worker: WorkerProcess, settings: VoiceSettings) -> None:
        self._worker = worker
        self._settings = settings

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return TRAITS

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """Where the worker dies before it has said anything, the one that takes its place is asked, once.

        Raises ``ProviderError``: ``bad-request`` for more than ``MAX_CHARACTERS``, ``timeout`` when the worker does
        not answer, ``failed`` when it died."""
        if len(text) > MAX_CHARACTERS:
            raise ProviderError(PROVIDER, "voice", "bad-request", f"text longer than {MAX_CHARACTERS} characters")
        if not any(character.isalnum() for character in text):
            return
        begun = False
        for may_ask_again in (True, False):
            pid = self._worker.pid
            try:
                async with aclosing(self._spoken(text)) as facts:
                    async for fact in facts:
                        begun = True
                        yield fact
            except ProviderError as error:
                died = error.category == "failed" and self._worker.pid != pid
                if begun or not died or not may_ask_again:
                    raise
            else:
                return

    async def _spoken(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        facts: asyncio.Queue[FromWorker | ProviderError] = asyncio.Queue()
        stream = await self._worker.open(facts.put_nowait)
        settings = self._settings
        finished = False
        try:
            self._worker.send(Speak(stream, text, settings.voice, settings.words_per_minute, settings.pitch))
            while not finished:
                fact = await self._next(facts)
                if isinstance(fact, ProviderError):
                    raise fact
                if isinstance(fact, SpokenAudio):
                    yield AudioChunk(fact.pcm)
                elif isinstance(fact, SpokenWord):
                    yield WordTime(fact.start_char, min(fact.end_char, len(text)), fact.start_ms)
                finished = isinstance(fact, SpeechDone)
        finally:
            self._worker.release(stream)
            if not finished:
                self._worker.send(CancelSpeech(stream))
                self._worker.doubt(ANSWER_TIMEOUT_S)

    async def _next(self, facts: asyncio.Queue[FromWorker | ProviderError]) -> FromWorker | ProviderError:
        if not facts.empty():
            return facts.get_nowait()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await facts.get()
        except TimeoutError:
            self._worker.replace()
            detail = f"no answer from the speech worker within {ANSWER_TIMEOUT_S:g} s"
            raise ProviderError(PROVIDER, "voice", "timeout", detail) from None
