"""Synthesises an utterance's chunks in order, ahead of playout, with fallback voices and a cache for fixed texts."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from media.audio.playout import Playout
from media.call.model_runner import CallTasks
from media.call.providers import Chosen
from media.call.second_chance import second_chance_s
from media.call.sounds import FetchSound, SoundUnavailable
from media.machine.inputs import Input, ProviderFailed, VoiceFinished, VoiceStarted
from media.machine.outputs import Synthesize
from media.providers.errors import ProviderError
from media.providers.text_to_speech import AudioChunk, TextToSpeech, VoiceFact, WordTime

_WORDS = re.compile(r"\w(?![^<>]*>)")
"""What a voice has to make a sound of: anything but its own marks, such as ``<break>``."""


class VoiceCache:
    """Facts of texts that are spoken again and again, least recently used out first. One per process."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap = cap_bytes
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], tuple[VoiceFact, ...]] = OrderedDict()

    def get(self, voice_key: str, text: str) -> tuple[VoiceFact, ...] | None:
        facts = self._kept.get((voice_key, text))
        if facts is not None:
            self._kept.move_to_end((voice_key, text))
        return facts

    def put(self, voice_key: str, text: str, facts: tuple[VoiceFact, ...]) -> None:
        size = _size(facts)
        if size > self._cap // 4 or (voice_key, text) in self._kept:
            return
        self._kept[(voice_key, text)] = facts
        self._size += size
        while self._size > self._cap:
            _, dropped = self._kept.popitem(last=False)
            self._size -= _size(dropped)


def _size(facts: tuple[VoiceFact, ...]) -> int:
    return sum(len(fact.pcm) if isinstance(fact, AudioChunk) else 64 for fact in facts)


@dataclass(slots=True)
class _Speech:
    queue: asyncio.Queue[Synthesize | None]
    task: asyncio.Task[None]


class Voices:
    """The configured voice and its fallbacks; once one failed the next stays.

    ``keys`` name each voice's configuration for the cache; an empty key keeps nothing.
    """

    __slots__ = ("_present", "keys", "voices")

    def __init__(self, voices: Sequence[TextToSpeech], keys: Sequence[str]) -> None:
        self.voices = voices
        self.keys = keys
        self._present = 0

    def present(self) -> tuple[TextToSpeech, str] | None:
        """Who speaks, with the key; ``None``: none is left."""
        return (self.voices[self._present], self.keys[self._present]) if self._present < len(self.voices) else None

    @property
    def on_last(self) -> bool:
        """Whether nobody is left after the present one."""
        return self._present == len(self.voices) - 1

    def give_up(self) -> None:
        """The present one has failed."""
        self._present += 1

    def keep_last(self) -> None:
        """All have failed: the last one is tried again with the next chunk."""
        self._present = min(self._present, len(self.voices) - 1)


def voices_of(chosen: Chosen) -> tuple[Voices, dict[str, Voices]]:
    """An assistant's own voices, and those that a chunk may name."""
    others = {"consent": Voices(chosen.consent_voices, chosen.consent_voice_keys)} if chosen.consent_voices else {}
    return Voices(chosen.voices, chosen.voice_keys), others


class VoiceRunner:
    """One call's synthesis. ``voices`` are the assistant's, ``others`` those that a chunk may name."""

    def __init__(
        self,
        voices: Voices,
        others: Mapping[str, Voices],
        cache: VoiceCache,
        fetch: FetchSound,
        playout: Playout,
        feed: Callable[[Input], None],
        tasks: CallTasks,
        *,
        now_ms: Callable[[], float],
        ended_reason: Callable[[ProviderError], str],
        first_audio_s: float,
        ahead_ms: int,
        warn: Callable[[str, str], None],
    ) -> None:
        self._voices = voices
        self._others = others
        self._cache = cache
        self._fetch = fetch
        self._playout = playout
        self._feed = feed
        self._tasks = tasks
        self._now_ms = now_ms
        self._ended_reason = ended_reason
        self._first_audio_s = first_audio_s
        self._ahead_ms = ahead_ms
        self._warn = warn
        self._speeches: dict[int, _Speech] = {}
        self._room = asyncio.Event()

    def use(self, voices: Voices, others: Mapping[str, Voices]) -> None:
        """From the next chunk on speak with these voices."""
        self._voices = voices
        self._others = others

    def synthesize(self, chunk: Synthesize) -> None:
        """Queue a chunk behind the utterance's earlier ones."""
        self._playout.expect(chunk.utterance_id, chunk.chunk, chunk.text, chunk.spoken, last=chunk.last)
        speech = self._speeches.get(chunk.utterance_id)
        if speech is None:
            queue: asyncio.Queue[Synthesize | None] = asyncio.Queue()
            task = self._tasks.spawn(self._run(chunk.utterance_id, queue), "voice")
            speech = self._speeches[chunk.utterance_id] = _Speech(queue, task)
        speech.queue.put_nowait(chunk)
        if chunk.last:
            speech.queue.put_nowait(None)

    def stop(self, utterance_id: int) -> None:
        """Cancel what is being synthesised of the utterance; later chunks of it are not expected."""
        speech = self._speeches.pop(utterance_id, None)
        if speech is not None:
            speech.task.cancel()

    def room(self) -> None:
        """Playout has moved on: synthesis that waited may go on."""
        self._room.set()

    async def _run(self, utterance_id: int, queue: asyncio.Queue[Synthesize | None]) -> None:
        while (chunk := await queue.get()) is not None:
            if not chunk.spoken.strip():
                self._finish(chunk)
                continue
            failure = await (self._play(chunk) if chunk.sound else self._speak(chunk))
            if failure is not None:
                self._feed(ProviderFailed(stage="voice", ended_reason=self._ended_reason(failure)))
                return
        self._speeches.pop(utterance_id, None)

    async def _play(self, chunk: Synthesize) -> None:
        """A sound in place of words. One that cannot be had is silence: the call goes on."""
        try:
            pcm = await self._fetch(chunk.sound)
        except SoundUnavailable as error:
            self._warn("sound-not-played", f"{chunk.text} is not played: {error}")
        else:
            # The whole of it counts as heard as soon as it has begun: there are no words to cut it at.
            self._take(chunk, WordTime(start_char=0, end_char=len(chunk.spoken), start_ms=0.0), False)
            self._take(chunk, AudioChunk(pcm), False)
        self._finish(chunk)

    async def _speak(self, chunk: Synthesize) -> ProviderError | None:
        failure: ProviderError | None = None
        asked_again = False
        voices = self._others.get(chunk.voice, self._voices)
        while (present := voices.present()) is not None:
            voice, key = present
            if failure is not None:
                self._warn("voice-fallback", f"{failure}; speaking with {voice.provider}")
            try:
                if not await self._synthesize(voice, key, chunk) and _WORDS.search(chunk.spoken):
                    if not voices.on_last:
                        raise ProviderError(voice.provider, "voice", "failed", "it made no sound of a text")
                    self._warn("voice-silent", f"{voice.provider} made no sound of {len(chunk.spoken)} characters")
            except ProviderError as error:
                failure = error
                unheard = self._playout.discard(chunk.utterance_id, chunk.chunk)
                wait_s = second_chance_s(error) if unheard and voices.on_last and not asked_again else None
                if wait_s is not None:
                    asked_again = True
                    self._warn("voice-asked-again", f"{failure}; asking again after {wait_s:g} s, as it says")
                    await asyncio.sleep(wait_s)
                    failure = None
                    continue
                voices.give_up()
                if not unheard:
                    # Part of the chunk was heard: speaking it anew would stutter, so the next voice takes the next one.
                    if voices.present() is not None:
                        self._warn("voice-fallback", f"{failure}; the rest of a sentence was lost")
                        self._finish(chunk)
                        return None
                    break
                continue
            self._finish(chunk)
            return None
        voices.keep_last()
        return failure

    async def _synthesize(self, voice: TextToSpeech, key: str, chunk: Synthesize) -> bool:
        """Whether there was any sound. What is kept for other calls has some."""
        keep = chunk.cacheable and bool(key)
        if keep and (cached := self._cache.get(key, chunk.spoken)) is not None:
            started = False
            for fact in cached:
                started = self._take(chunk, fact, started)
            return started
        facts: list[VoiceFact] = []
        started = False
        limit_s = voice.traits.first_audio_s or self._first_audio_s
        async with aclosing(voice.synthesize(chunk.spoken)) as stream:
            while True:
                try:
                    async with asyncio.timeout(limit_s):
                        fact = await anext(stream)
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    detail = f"nothing for {limit_s:g} s"
                    raise ProviderError(voice.provider, "voice", "timeout", detail) from error
                if keep:
                    facts.append(fact)
                started = self._take(chunk, fact, started)
                while self._playout.waiting_ms(chunk.utterance_id) > self._ahead_ms:
                    self._room.clear()
                    await self._room.wait()
        if keep and started:
            self._cache.put(key, chunk.spoken, tuple(facts))
        return started

    def _take(self, chunk: Synthesize, fact: VoiceFact, started: bool) -> bool:
        match fact:
            case WordTime(end_char=end_char, start_ms=start_ms):
                self._playout.word(chunk.utterance_id, chunk.chunk, end_char, start_ms)
                return started
            case AudioChunk(pcm=pcm):
                if not pcm:
                    return started
                self._playout.queue(chunk.utterance_id, chunk.chunk, pcm)
                if not started:
                    self._feed(VoiceStarted(utterance_id=chunk.utterance_id, chunk=chunk.chunk))
                self._playout.pump(self._now_ms())
                return True

    def _finish(self, chunk: Synthesize) -> None:
        length_ms = self._playout.complete(chunk.utterance_id, chunk.chunk)
        self._feed(
            VoiceFinished(
                utterance_id=chunk.utterance_id,
                chunk=chunk.chunk,
                duration_ms=length_ms,
                characters=0 if chunk.sound else len(chunk.spoken),
            )
        )
        self._playout.pump(self._now_ms())
