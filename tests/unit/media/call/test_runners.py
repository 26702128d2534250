"""The provider runners by themselves: cancellation, caching, room to play, time-outs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from media.audio.playout import Heard, Playout
from media.call.model_runner import ModelRunner
from media.call.settings import MediaSettings
from media.call.sounds import FetchSound, SoundUnavailable
from media.call.transcriber_runner import TranscriberRunner
from media.call.voice_runner import VoiceCache, VoiceRunner, Voices
from media.machine.inputs import (
    FinalHeard,
    Input,
    ModelCalledTools,
    ModelFailed,
    ModelFinished,
    ModelText,
    ProviderFailed,
    RequestedTool,
    VoiceFinished,
    VoiceStarted,
)
from media.machine.outputs import Synthesize
from media.providers.errors import ProviderError
from media.providers.language_model import ModelRequest, TextDelta, ToolCallRequest
from media.providers.scripted import (
    Failure,
    Pause,
    ScriptedLanguageModel,
    ScriptedSpeechToText,
    ScriptedTextToSpeech,
)
from media.providers.text_to_speech import AudioChunk
from tests.patience import PATIENCE_S


@dataclass
class Call:
    """Tasks, inputs and warnings of one call."""

    group: asyncio.TaskGroup
    inputs: list[Input] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def spawn(self, coroutine: Any, name: str) -> asyncio.Task[None]:
        task = self.group.create_task(coroutine, name=name)
        self.tasks.append(task)
        return task

    def feed(self, happened: Input) -> None:
        self.inputs.append(happened)
        self.changed.set()

    def warn(self, code: str, detail: str) -> None:
        self.warnings.append(code)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def saw(self, kind: type) -> bool:
        return any(isinstance(happened, kind) for happened in self.inputs)


@asynccontextmanager
async def a_call() -> AsyncIterator[Call]:
    async with asyncio.TaskGroup() as group:
        call = Call(group)
        yield call
        for task in call.tasks:
            task.cancel()


def reason(error: ProviderError) -> str:
    return f"{error.stage}-{error.category}"


def model_runner(call: Call, *models: ScriptedLanguageModel, first_token_s: float = 5.0) -> ModelRunner:
    return ModelRunner(
        models,
        ModelRequest(messages=(), tools=({"type": "function"},), temperature=0.1),
        call.feed,
        call,
        ended_reason=reason,
        first_token_s=first_token_s,
        idle_s=5.0,
        warn=call.warn,
    )


async def test_an_answer_becomes_inputs_in_order_and_carries_the_calls_settings() -> None:
    model = ScriptedLanguageModel(answers=("one two",))
    async with a_call() as call:
        model_runner(call, model).start(7, ({"role": "user", "content": "hi"},))
        await call.until(lambda: call.saw(ModelFinished))
    assert call.inputs == [
        ModelText(request_id=7, text="one"),
        ModelText(request_id=7, text=" two"),
        ModelFinished(request_id=7, prompt_tokens=10, completion_tokens=2),
    ]
    assert model.requests[0].temperature == 0.1
    assert model.requests[0].tools == ({"type": "function"},)


async def test_tool_calls_come_together_when_the_answer_is_complete() -> None:
    answer = [ToolCallRequest("a", "one", {}), TextDelta("hm"), ToolCallRequest("b", "two", {"x": 1})]
    async with a_call() as call:
        model_runner(call, ScriptedLanguageModel(answers=(answer,))).start(1, ())
        await call.until(lambda: call.saw(ModelFinished))
    assert call.inputs[1] == ModelCalledTools(
        request_id=1, calls=(RequestedTool("a", "one", {}), RequestedTool("b", "two", {"x": 1}))
    )


async def test_an_aborted_request_is_cancelled_at_the_provider_and_says_nothing_more() -> None:
    model = ScriptedLanguageModel(answers=([TextDelta("one"), Pause(60.0), TextDelta("two")],))
    async with a_call() as call:
        runner = model_runner(call, model)
        runner.start(1, ())
        await call.until(lambda: call.saw(ModelText))
        runner.abort(1)
        await asyncio.gather(*call.tasks, return_exceptions=True)
        runner.abort(1)
    assert model.cancelled == 1
    assert call.inputs == [ModelText(request_id=1, text="one")]


async def test_models_are_tried_in_order_and_the_last_failure_is_the_reason() -> None:
    def failing(category: Any) -> ScriptedLanguageModel:
        return ScriptedLanguageModel(answers=([Failure(ProviderError("scripted", "model", category))],))

    async with a_call() as call:
        model_runner(call, failing("overloaded"), failing("quota")).start(1, ())
        await call.until(lambda: call.saw(ModelFailed))
    assert call.inputs == [ModelFailed(request_id=1, ended_reason="model-quota")]
    assert call.warnings == ["model-fallback"]


async def test_a_model_that_is_silent_too_long_is_cancelled_and_the_next_is_asked() -> None:
    silent = ScriptedLanguageModel(answers=([Pause(60.0)],))
    async with a_call() as call:
        model_runner(call, silent, ScriptedLanguageModel(answers=("here",)), first_token_s=0.02).start(1, ())
        await call.until(lambda: call.saw(ModelFinished))
    assert silent.cancelled == 1
    assert call.inputs[0] == ModelText(request_id=1, text="here")


class Quiet:
    """A sink nobody hears."""

    def __init__(self) -> None:
        self.frames = 0

    def send_frame(self, frame: bytes, sounds_at_ms: float) -> None:
        self.frames += 1

    def end_of_speech(self) -> None:
        return

    def clear(self, now_ms: float) -> None:
        return


@dataclass
class Mouth:
    runner: VoiceRunner
    playout: Playout
    finished: list[Heard]


async def no_sounds(url: str) -> bytes:
    raise SoundUnavailable("there are none here")


def mouth(
    call: Call,
    *voices: ScriptedTextToSpeech,
    cache: VoiceCache | None = None,
    ahead_ms: int = 20_000,
    others: Mapping[str, Voices] | None = None,
    fetch: FetchSound = no_sounds,
) -> Mouth:
    finished: list[Heard] = []
    playout = Playout(Quiet(), lead_ms=80, on_started=lambda _: None, on_finished=finished.append)
    runner = VoiceRunner(
        Voices(voices, [f"voice-{index}" for index, _ in enumerate(voices)]),
        others or {},
        cache or VoiceCache(1 << 20),
        fetch,
        playout,
        call.feed,
        call,
        now_ms=lambda: 0.0,
        ended_reason=reason,
        first_audio_s=0.2,
        ahead_ms=ahead_ms,
        warn=call.warn,
    )
    return Mouth(runner, playout, finished)


def chunk(number: int, text: str, *, last: bool = False, cacheable: bool = False) -> Synthesize:
    return Synthesize(utterance_id=1, chunk=number, text=text, spoken=text, last=last, cacheable=cacheable)


async def test_chunks_are_spoken_in_order_and_measured() -> None:
    voice = ScriptedTextToSpeech(ms_per_character=10)
    async with a_call() as call:
        speaking = mouth(call, voice)
        for number, text in enumerate(("one", "", "three")):
            speaking.runner.synthesize(chunk(number, text, last=number == 2))
        await call.until(lambda: sum(isinstance(i, VoiceFinished) for i in call.inputs) == 3)
    assert voice.spoken == ["one", "three"]
    assert call.inputs == [
        VoiceStarted(utterance_id=1, chunk=0),
        VoiceFinished(utterance_id=1, chunk=0, duration_ms=30.0, characters=3),
        VoiceFinished(utterance_id=1, chunk=1, duration_ms=0.0, characters=0),
        VoiceStarted(utterance_id=1, chunk=2),
        VoiceFinished(utterance_id=1, chunk=2, duration_ms=50.0, characters=5),
    ]


async def test_a_chunk_may_name_another_voice() -> None:
    own, other = ScriptedTextToSpeech(), ScriptedTextToSpeech()
    async with a_call() as call:
        speaking = mouth(call, own, others={"consent": Voices([other], [""])})
        speaking.runner.synthesize(replace(chunk(0, "We record.", last=True), voice="consent"))
        speaking.runner.synthesize(replace(chunk(0, "Hello.", last=True), utterance_id=2))
        await call.until(lambda: sum(isinstance(i, VoiceFinished) for i in call.inputs) == 2)
    assert (other.spoken, own.spoken) == (["We record."], ["Hello."])


async def test_a_sound_is_played_in_place_of_words() -> None:
    async def fetch(url: str) -> bytes:
        assert url == "https://x.example/hello.wav"
        return bytes(32_000)

    async with a_call() as call:
        speaking = mouth(call, ScriptedTextToSpeech(), fetch=fetch)
        greeting = chunk(0, "[recorded message]", last=True)
        speaking.runner.synthesize(replace(greeting, sound="https://x.example/hello.wav"))
        await call.until(lambda: call.saw(VoiceFinished))
    assert call.inputs == [
        VoiceStarted(utterance_id=1, chunk=0),
        VoiceFinished(utterance_id=1, chunk=0, duration_ms=1_000.0, characters=0),
    ]


async def test_a_sound_that_cannot_be_had_is_silence_and_a_warning() -> None:
    voice = ScriptedTextToSpeech()
    async with a_call() as call:
        speaking = mouth(call, voice)
        speaking.runner.synthesize(replace(chunk(0, "[recorded message]", last=True), sound="https://x.example/a.wav"))
        await call.until(lambda: call.saw(VoiceFinished))
    assert not voice.spoken
    assert call.warnings == ["sound-not-played"]


async def test_a_fixed_text_is_synthesised_once_per_voice() -> None:
    cache = VoiceCache(1 << 20)
    voice = ScriptedTextToSpeech()
    for _ in range(2):
        async with a_call() as call:
            speaking = mouth(call, voice, cache=cache)
            speaking.runner.synthesize(chunk(0, "Hello.", last=True, cacheable=True))
            await call.until(lambda call=call: call.saw(VoiceFinished))
            assert call.inputs[-1] == VoiceFinished(utterance_id=1, chunk=0, duration_ms=120.0, characters=6)
    assert voice.spoken == ["Hello."]


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = VoiceCache(1_000)
    for name in ("a", "b", "c", "d"):
        cache.put("voice", name, (AudioChunk(bytes(240)),))
    assert cache.get("voice", "a") is not None
    cache.put("voice", "e", (AudioChunk(bytes(240)),))
    assert cache.get("voice", "b") is None
    assert cache.get("voice", "a") is not None
    assert cache.get("other", "a") is None
    cache.put("voice", "huge", (AudioChunk(bytes(500)),))
    assert cache.get("voice", "huge") is None


async def test_synthesis_waits_when_enough_is_queued_and_goes_on_when_there_is_room() -> None:
    voice = ScriptedTextToSpeech(ms_per_character=100, piece_ms=100)
    async with a_call() as call:
        speaking = mouth(call, voice, ahead_ms=500)
        speaking.runner.synthesize(chunk(0, "twenty characters ok", last=True))
        await call.until(lambda: call.saw(VoiceStarted))
        for _ in range(50):
            await asyncio.sleep(0)
        assert speaking.playout.waiting_ms(1) == 600
        speaking.playout.release(1, 0.0)
        now_ms = 0.0
        while not call.saw(VoiceFinished):
            now_ms += 20
            speaking.playout.pump(now_ms)
            speaking.runner.room()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert speaking.playout.waiting_ms(1) <= 600


async def test_a_stopped_utterance_is_not_synthesised_any_further() -> None:
    voice = ScriptedTextToSpeech(first_audio_s=60.0)
    async with a_call() as call:
        speaking = mouth(call, voice)
        speaking.runner.synthesize(chunk(0, "never heard"))
        await asyncio.sleep(0)
        speaking.runner.stop(1)
        await asyncio.gather(*call.tasks, return_exceptions=True)
        assert call.tasks[0].cancelled()
    assert call.inputs == []


async def test_a_voice_that_does_not_begin_is_replaced_and_the_replacement_stays() -> None:
    slow, quick = ScriptedTextToSpeech(first_audio_s=60.0), ScriptedTextToSpeech()
    async with a_call() as call:
        speaking = mouth(call, slow, quick)
        speaking.runner.synthesize(chunk(0, "one"))
        speaking.runner.synthesize(chunk(1, "two", last=True))
        await call.until(lambda: sum(isinstance(i, VoiceFinished) for i in call.inputs) == 2)
    assert quick.spoken == ["one", "two"]
    assert call.warnings == ["voice-fallback"]


async def test_when_no_voice_is_left_the_call_is_told() -> None:
    failure = ProviderError("scripted", "voice", "quota")
    async with a_call() as call:
        speaking = mouth(call, ScriptedTextToSpeech(failures=[failure]))
        speaking.runner.synthesize(chunk(0, "one", last=True))
        await call.until(lambda: call.saw(ProviderFailed))
    assert call.inputs == [ProviderFailed(stage="voice", ended_reason="voice-quota")]


async def test_the_replacement_hears_what_the_broken_transcriber_had_not_understood_yet() -> None:
    first, second = ScriptedSpeechToText(), ScriptedSpeechToText(["understood"])
    async with a_call() as call:
        runner = TranscriberRunner([first, second], call.feed, ended_reason=reason, warn=call.warn)
        call.spawn(runner.run(), "transcriber")
        await asyncio.sleep(0)
        for _ in range(25):
            runner.hear(bytes(640))
        first.streams[0].put(Failure(ProviderError("scripted", "transcriber", "unauthorized")))
        await second.opened(1)
        runner.finalize()
        await call.until(lambda: call.saw(FinalHeard))
        assert second.streams[0].frames == 25
    assert call.inputs[-1] == FinalHeard(text="understood")


async def test_when_no_transcriber_is_left_the_call_is_told() -> None:
    only = ScriptedSpeechToText()
    async with a_call() as call:
        runner = TranscriberRunner([only], call.feed, ended_reason=reason, warn=call.warn)
        call.spawn(runner.run(), "transcriber")
        for attempt in range(2):
            stream = await only.opened(attempt + 1)
            stream.put(Failure(ProviderError("scripted", "transcriber", "server")))
        await call.until(lambda: call.saw(ProviderFailed))
    assert call.inputs == [ProviderFailed(stage="transcriber", ended_reason="transcriber-server")]


def test_settings_out_of_bounds_name_field_and_bound() -> None:
    with pytest.raises(ValueError, match=r"max_calls is 0.*between 1 and"):
        MediaSettings(max_calls=0)
