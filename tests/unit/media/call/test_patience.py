"""How long a tenant's own servers are waited for, and voices that make no sound."""

from __future__ import annotations

from media.call.voice_runner import VoiceCache
from media.machine.inputs import ModelFailed, ModelFinished, VoiceFinished, VoiceStarted
from media.machine.plan import FALLBACK_MS, CallPlan
from media.providers.language_model import ModelRequest
from media.providers.scripted import ScriptedLanguageModel, ScriptedTextToSpeech
from media.providers.tenant import patience_s
from media.providers.text_to_speech import VoiceTraits
from tests.unit.media.call.test_runners import a_call, chunk, model_runner, mouth


class Patient(ScriptedTextToSpeech):
    """A voice whose assistant says how long it may take."""

    @property
    def traits(self) -> VoiceTraits:
        return VoiceTraits(first_audio_s=60.0)


def mute() -> ScriptedTextToSpeech:
    """A voice that answers with nothing."""
    return ScriptedTextToSpeech(ms_per_character=0.0, word_times=False)


async def test_a_model_is_given_the_time_that_its_assistant_grants_it() -> None:
    async with a_call() as call:
        model = ScriptedLanguageModel(answers=("late",), first_token_s=0.1)
        runner = model_runner(call, model, first_token_s=0.02)
        runner.use([model], ModelRequest(messages=(), first_token_s=60.0))
        runner.start(1, ())
        await call.until(lambda: call.saw(ModelFinished) or call.saw(ModelFailed))
    assert not call.saw(ModelFailed)


def test_only_a_custom_llm_has_patience_of_its_own() -> None:
    assert patience_s({"provider": "custom-llm"}) == 20
    assert patience_s({"provider": "custom-llm", "timeoutSeconds": 60}) == 60
    assert patience_s({"provider": "openai", "timeoutSeconds": 60}) is None


def test_nothing_is_said_in_a_models_place_before_its_time_is_over() -> None:
    def waits_ms(**model: object) -> float:
        return CallPlan.from_assistant({"model": {"provider": "custom-llm", **model}}).fallback_ms

    assert waits_ms() == FALLBACK_MS
    assert waits_ms(timeoutSeconds=5) == FALLBACK_MS
    assert waits_ms(timeoutSeconds=60) > 60_000


async def test_a_voice_is_given_the_time_that_its_assistant_grants_it() -> None:
    async with a_call() as call:
        speaking = mouth(call, Patient(first_audio_s=0.4), ScriptedTextToSpeech())
        speaking.runner.synthesize(chunk(0, "one", last=True))
        await call.until(lambda: call.saw(VoiceFinished))
    assert call.warnings == []


async def test_a_voice_without_a_sound_is_replaced() -> None:
    other = ScriptedTextToSpeech()
    async with a_call() as call:
        speaking = mouth(call, mute(), other)
        speaking.runner.synthesize(chunk(0, "one", last=True))
        await call.until(lambda: call.saw(VoiceFinished))
    assert other.spoken == ["one"]
    assert call.warnings == ["voice-fallback"]


async def test_the_last_voice_may_be_silent_and_nobody_keeps_its_silence() -> None:
    cache = VoiceCache(1 << 20)
    async with a_call() as call:
        speaking = mouth(call, mute(), cache=cache)
        speaking.runner.synthesize(chunk(0, "one", last=True, cacheable=True))
        await call.until(lambda: call.saw(VoiceFinished))
    assert not call.saw(VoiceStarted)
    assert call.warnings == ["voice-silent"]
    assert cache.get("voice-0", "one") is None


async def test_a_pause_makes_no_sound_and_is_no_failure() -> None:
    async with a_call() as call:
        speaking = mouth(call, mute(), ScriptedTextToSpeech())
        speaking.runner.synthesize(chunk(0, '<break time="1s"/>', last=True))
        await call.until(lambda: call.saw(VoiceFinished))
    assert call.warnings == []
