"""Providers that ask for a pause: others take over at once, the only one is asked again where the caller can wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from media.call.second_chance import LONGEST_WAIT_S, second_chance_s
from media.call.transcriber_runner import TranscriberRunner
from media.machine.inputs import FinalHeard, ModelFailed, ModelFinished, ModelText, ProviderFailed, VoiceFinished
from media.providers.errors import Category, ProviderError, Stage, retry_after_s
from media.providers.scripted import Failure, ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech
from tests.unit.media.call.test_runners import Call, a_call, chunk, model_runner, mouth, reason


def refused(stage: Stage, wait_s: float | None, category: Category = "quota") -> ProviderError:
    return ProviderError("scripted", stage, category, "HTTP 429", retry_after_s=wait_s)


def finished(call: Call, count: int) -> bool:
    return sum(isinstance(happened, ModelFinished) for happened in call.inputs) == count


def refusing_once(wait_s: float) -> ScriptedLanguageModel:
    return ScriptedLanguageModel(answers=([Failure(refused("model", wait_s))], "here"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, None),
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)}, 0.0),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers: dict[str, str] | None, seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_date_counts_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert 85 < (retry_after_s({"retry-after": later}) or 0) <= 90


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (refused("model", None), None),
        (refused("model", 0.5), 0.5),
        (refused("model", LONGEST_WAIT_S + 1), None),
        (refused("model", 0.5, "unauthorized"), None),
    ],
)
def test_only_a_short_pause_after_which_it_may_work_is_waited_for(
    failure: ProviderError, seconds: float | None
) -> None:
    assert second_chance_s(failure) == seconds


async def test_the_only_model_is_asked_again_after_the_pause_it_asked_for() -> None:
    model = refusing_once(0.05)
    async with a_call() as call:
        began_s = asyncio.get_running_loop().time()
        model_runner(call, model).start(1, ())
        await call.until(lambda: call.saw(ModelFinished))
        took_s = asyncio.get_running_loop().time() - began_s
    assert took_s >= 0.05
    assert call.inputs[0] == ModelText(request_id=1, text="here")
    assert call.warnings == ["model-asked-again"]


async def test_a_model_that_asks_for_a_long_pause_is_not_waited_for() -> None:
    model = refusing_once(30.0)
    async with a_call() as call:
        model_runner(call, model).start(1, ())
        await call.until(lambda: call.saw(ModelFailed))
    assert call.inputs == [ModelFailed(request_id=1, ended_reason="model-quota")]
    assert len(model.requests) == 1


async def test_during_its_pause_the_next_model_is_asked_first() -> None:
    busy, other = refusing_once(30.0), ScriptedLanguageModel(answers=("other",))
    async with a_call() as call:
        runner = model_runner(call, busy, other)
        for count in (1, 2):
            runner.start(count, ())
            await call.until(partial(finished, call, count))
    assert (len(busy.requests), len(other.requests)) == (1, 2)
    assert call.warnings == ["model-fallback"]


async def test_the_only_voice_is_asked_again_and_says_all_of_it() -> None:
    voice = ScriptedTextToSpeech(failures=[refused("voice", 0.02)])
    async with a_call() as call:
        speaking = mouth(call, voice)
        speaking.runner.synthesize(chunk(0, "one", last=True))
        await call.until(lambda: call.saw(VoiceFinished))
    assert voice.spoken == ["one"]
    assert call.warnings == ["voice-asked-again"]


async def test_a_voice_that_refuses_twice_has_failed() -> None:
    voice = ScriptedTextToSpeech(failures=[refused("voice", 0.01), refused("voice", 0.01)])
    async with a_call() as call:
        speaking = mouth(call, voice)
        speaking.runner.synthesize(chunk(0, "one", last=True))
        await call.until(lambda: call.saw(ProviderFailed))
    assert call.inputs == [ProviderFailed(stage="voice", ended_reason="voice-quota")]


async def test_another_transcriber_takes_over_at_once_from_one_that_asks_for_a_pause() -> None:
    busy, other = ScriptedSpeechToText(), ScriptedSpeechToText(["understood"])
    async with a_call() as call:
        runner = TranscriberRunner([busy, other], call.feed, ended_reason=reason, warn=call.warn)
        call.spawn(runner.run(), "transcriber")
        (await busy.opened(1)).put(Failure(refused("transcriber", 1.0)))
        await other.opened(1)
        runner.finalize()
        await call.until(lambda: call.saw(FinalHeard))
    assert len(busy.streams) == 1


async def test_the_only_transcriber_is_opened_again_after_its_pause() -> None:
    only = ScriptedSpeechToText(["understood"])
    async with a_call() as call:
        runner = TranscriberRunner([only], call.feed, ended_reason=reason, warn=call.warn)
        call.spawn(runner.run(), "transcriber")
        (await only.opened(1)).put(Failure(refused("transcriber", 0.02)))
        await only.opened(2)
        runner.finalize()
        await call.until(lambda: call.saw(FinalHeard))
    assert call.inputs[-1] == FinalHeard(text="understood")
