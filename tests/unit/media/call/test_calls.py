"""Whole calls: a caller on an in-memory socket, scripted providers, the real machine, the real log."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.call.events import (
    ArtifactStored,
    AssistantInterrupted,
    CallEnded,
    CallStarted,
    MessageCommitted,
    ToolCompleted,
    ToolFailed,
    TurnMeasured,
    Warned,
)
from domain.call.state import Ended
from media.audio.playout import Playout
from media.call.session import CallSession
from media.machine.recorded import judge, recorded_call
from media.providers.errors import ProviderError
from media.providers.language_model import ModelRequest, TextDelta, ToolCallRequest
from media.providers.scripted import (
    Answer,
    Failure,
    Pause,
    ScriptedLanguageModel,
    ScriptedSpeechToText,
    ScriptedTextToSpeech,
)
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import InMemorySocket, Rig, ScriptedProviders, media_rig
from tests.unit.media.tools.tool_server import tool_server

PROMPT = ["You are the receptionist of a dentist."]
QUICK = {
    "waitSeconds": 0,
    "transcriptionEndpointingPlan": {"onPunctuationSeconds": 0, "onNoPunctuationSeconds": 0.05},
}


def assistant(**changes: Any) -> dict[str, Any]:
    """One that answers as soon as it can."""
    return {
        "firstMessage": "Hello.",
        "model": {"messages": [{"role": "system", "content": PROMPT[0]}]},
        "startSpeakingPlan": QUICK,
        **changes,
    }


def providers(*heard: str, answers: Any = ("Very well.",), ms_per_character: float = 10.0) -> ScriptedProviders:
    return ScriptedProviders(
        hearing=[ScriptedSpeechToText(list(heard))],
        thinking=[ScriptedLanguageModel(answers=answers)],
        speaking=[ScriptedTextToSpeech(ms_per_character=ms_per_character)],
    )


class Caller(InMemorySocket):
    """Somebody in a call of the rig."""

    def __init__(self, rig: Rig, call_id: str) -> None:
        super().__init__()
        self.rig = rig
        self.call_id = call_id
        self.serving = asyncio.create_task(rig.tier.serve(call_id, self))

    def finals(self, role: str) -> list[str]:
        return [
            message["transcript"]
            for message in self.messages
            if message["type"] == "transcript" and message["role"] == role and message["transcriptType"] == "final"
        ]

    async def until_said(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """The assistant has finished that many speeches."""
        await self.until(lambda: len(self.finals("assistant")) >= count, timeout_s)

    async def hang_up(self) -> list[Any]:
        self.control(type="end-call")
        return await self.ended()

    async def ended(self) -> list[Any]:
        """The call's events, once everything is recorded."""
        async with asyncio.timeout(PATIENCE_S):
            await self.serving
        return self.rig.events(self.call_id)


async def dial(rig: Rig, config: dict[str, Any] | None = None, transport: dict[str, Any] | None = None) -> Caller:
    return Caller(rig, await rig.create(config or assistant(), transport))


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def texts(events: list[Any], role: str) -> list[str]:
    return [event.text for event in of(events, MessageCommitted) if event.role == role]


async def test_a_spoken_exchange_is_heard_answered_recorded_and_stored(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("what are your opening hours", answers=("From nine to five.",))) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        events = await caller.hang_up()

        assert texts(events, "user") == ["what are your opening hours"]
        assert texts(events, "assistant") == ["Hello.", "From nine to five."]
        assert isinstance(events[2], CallStarted)
        ending = [event.TYPE for event in events].index("call.ended")
        assert {event.TYPE for event in events[ending + 1 :]} == {"call.artifact_stored"}
        assert len(of(events, CallEnded)) == 1

        assert caller.closed == (1000, "manually-canceled")
        last = {"type": "status-update", "status": "ended", "endedReason": "manually-canceled"}
        assert {name: caller.messages[-1][name] for name in last} == last
        assert len(caller.audio) == 16 * 2 * 10 * len("Hello.From nine to five.")

        state = rig.call(caller.call_id)
        assert isinstance(state, Ended)
        assert {artifact.track for artifact in state.artifacts} == {"stereo", "mono", "customer", "assistant", "log"}
        turn = of(events, TurnMeasured)[-1]
        instants = [turn.t0_ms, turn.t1_ms, turn.t2_ms, turn.t3_ms, turn.t4_ms, turn.t5_ms, turn.t6_ms, turn.t7_ms]
        assert None not in instants
        t0, t1, t2, t3, t4, t5, t6, t7 = instants
        assert t0 <= t1 <= t2 <= t5 <= t6 <= t7
        assert t1 <= t3 <= t4 <= t5, "the model may be asked while the pause still runs"
        assert list((tmp_path / "live").glob("*.*")) == []


async def test_the_recording_holds_both_sides_where_they_sounded(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("hello there", answers=("Good morning to you.",))) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        events = await caller.hang_up()
        (stereo,) = [event for event in of(events, ArtifactStored) if event.track == "stereo"]
        spoken = of(events, MessageCommitted)
        answer = next(message for message in spoken if message.text == "Good morning to you.")
        with rig.artifacts.open(stereo.location) as file, wave.open(file) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, 2)
    left, right = (np.flatnonzero(samples[:, side]) / 16 for side in (0, 1))
    greeting, reply = right[right < left[0]], right[right > left[-1]]
    # A busy machine may pause in the midst of a speech, and notes its beginning late; it says all of it, once.
    assert len(left) / 16 == pytest.approx(400, abs=20)
    assert len(greeting) / 16 == pytest.approx(10 * len("Hello."), abs=20)
    assert len(reply) / 16 == pytest.approx(10 * len(answer.text), abs=20)
    assert answer.started_ms - 1_000 < reply[0] < answer.started_ms + 20
    assert stereo.duration_ms == pytest.approx(len(samples) / 16)


async def test_the_call_log_is_packed_json_lines_of_every_event(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        events = await caller.hang_up()
        (log,) = [event for event in of(events, ArtifactStored) if event.track == "log"]
        with rig.artifacts.open(log.location) as file:
            lines = [json.loads(line) for line in gzip.decompress(file.read()).splitlines()]
    assert [line["type"] for line in lines] == [event.TYPE for event in events[2:-1]]
    assert all(set(line) == {"time", "type", "data"} for line in lines)


async def test_the_recorded_inputs_step_the_machine_to_the_same_events_again(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("one two three", "four five", answers=("Six.", "Seven."))) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        for turn in (2, 3):
            await caller.speak()
            await caller.until_said(turn)
        events = await caller.hang_up()
        fragments = rig.fragments.read(caller.call_id)
    verdict = judge(recorded_call(events, fragments))
    assert verdict.exact, verdict.difference
    assert verdict.events > 10


async def test_a_caller_who_interrupts_silences_the_assistant_at_once_and_history_holds_what_was_heard(
    tmp_path: Path,
) -> None:
    long_answer = "This answer goes on for quite a while so that there is time to cut it off in the middle of it."
    heard = providers("tell me a story", "stop", answers=(long_answer, "Yes?"), ms_per_character=30.0)
    config = assistant(stopSpeakingPlan={"numWords": 0, "voiceSeconds": 0.1, "backoffSeconds": 0})
    async with media_rig(tmp_path, heard) as rig:
        caller = await dial(rig, config)
        await caller.until_said(1)
        await caller.speak()
        before = len(caller.audio)
        await caller.until(lambda: len(caller.audio) > before + 32 * 600)
        await caller.speak(400)
        await caller.until_said(3)
        events = await caller.hang_up()
    (interrupted,) = of(events, AssistantInterrupted)
    cut = next(message for message in of(events, MessageCommitted) if message.interrupted)
    assert cut.text
    assert long_answer.startswith(cut.text)
    assert cut.generated_text == long_answer
    # 30 ms a character: the words heard end within half a word of what had sounded.
    assert len(cut.text) * 30 == pytest.approx(interrupted.heard_ms, abs=200)
    answer_bytes = len(caller.audio) - before - 32 * 30 * len("Yes?")
    assert answer_bytes / 32 <= interrupted.heard_ms + 80 + 20
    assert any(message["type"] == "user-interrupted" for message in caller.messages)


def with_tool(url: str, **changes: Any) -> dict[str, Any]:
    tool = {
        "type": "function",
        "function": {"name": "findSlot", "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}},
        "server": {"url": url, "timeoutSeconds": 1},
        "messages": [
            {"type": "request-start", "content": "Let me look."},
            {"type": "request-failed", "content": "The book is closed."},
        ],
        **changes,
    }
    config = assistant()
    return {**config, "model": {**config["model"], "tools": [tool]}}


def asks_for_tool(request: ModelRequest) -> Answer:
    """Calls the tool once, then says what it was told."""
    told = [message for message in request.messages if message["role"] == "tool"]
    if not told:
        return [ToolCallRequest("call_1", "findSlot", {"day": "Monday"})]
    return f"I was told {told[-1]['content']}."


async def test_a_tool_is_called_on_the_tenants_server_and_its_result_is_spoken(tmp_path: Path) -> None:
    with tool_server() as server:
        server.answer({"toolCallId": "call_1", "result": "ten thirty"})
        async with media_rig(tmp_path, providers("book monday", answers=asks_for_tool)) as rig:
            caller = await dial(rig, with_tool(server.url))
            await caller.until_said(1)
            await caller.speak()
            await caller.until(lambda: any("ten thirty" in text for text in caller.finals("assistant")))
            events = await caller.hang_up()
    assert of(events, ToolCompleted)[0].result == "ten thirty"
    message = server.received[0].message
    assert message["toolCallList"][0]["arguments"] == {"day": "Monday"}
    assert message["call"]["id"] == caller.call_id
    assert message["assistant"]["firstMessage"] == "Hello."
    assert "Let me look." in texts(events, "assistant")


@pytest.mark.parametrize(
    ("status", "body", "hold", "failure"),
    [(500, b"", False, "http-status"), (200, b"garbage", False, "bad-body"), (200, b"{}", True, "timeout")],
)
async def test_a_tool_server_that_fails_leads_to_the_failed_message_and_the_call_goes_on(
    tmp_path: Path, status: int, body: bytes, hold: bool, failure: str
) -> None:
    with tool_server() as server:
        server.answers.append((status, body))
        if hold:
            server.hold.clear()
        async with media_rig(tmp_path, providers("book monday", "and now", answers=asks_for_tool)) as rig:
            caller = await dial(rig, with_tool(server.url))
            await caller.until_said(1)
            await caller.speak()
            await caller.until(lambda: "The book is closed." in caller.finals("assistant"))
            await caller.speak()
            await caller.until(lambda: any(text.startswith("I was told") for text in caller.finals("assistant")))
            events = await caller.hang_up()
    assert [event.failure for event in of(events, ToolFailed)] == [failure]
    assert of(events, CallEnded)[0].reason == "manually-canceled"


def broken(category: Any = "server") -> Failure:
    return Failure(ProviderError("scripted", "model", category, "gone"))


async def test_a_model_that_dies_in_mid_sentence_is_carried_on_by_the_fallback(tmp_path: Path) -> None:
    dying = ScriptedLanguageModel(answers=([TextDelta("We are "), TextDelta("open "), broken()],))
    fallback = ScriptedLanguageModel(answers=("from nine to five.",), name="second")
    scripted = providers("when are you open")
    scripted.thinking = [dying, fallback]
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak()
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "assistant")[-1] == "We are open from nine to five."
    assert fallback.requests[0].messages[-1] == {"role": "assistant", "content": "We are open "}
    assert [warning.code for warning in of(events, Warned)] == ["model-fallback"]


async def test_a_model_that_dies_without_a_fallback_ends_the_call_with_its_reason(tmp_path: Path) -> None:
    scripted = providers("when are you open", answers=([TextDelta("We "), Pause(0.01), broken("timeout")],))
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak()
        events = await caller.ended()
    assert "llm" in of(events, CallEnded)[0].reason
    assert caller.messages[-1]["status"] == "ended"
    assert caller.closed is not None
    assert caller.closed[0] == 1000


async def test_a_model_that_says_nothing_in_time_is_given_up(tmp_path: Path) -> None:
    scripted = providers("hello", answers=([Pause(60.0)],))
    async with media_rig(tmp_path, scripted, model_first_token_s=0.1) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak()
        events = await caller.ended()
    assert "llm" in of(events, CallEnded)[0].reason
    assert scripted.thinking[0].cancelled == 1  # type: ignore[attr-defined]  # the scripted one counts


async def test_a_voice_that_fails_is_replaced_and_one_without_replacement_ends_the_call(tmp_path: Path) -> None:
    failure = ProviderError("scripted", "voice", "server", "gone")
    scripted = providers()
    second = ScriptedTextToSpeech(ms_per_character=10.0)
    scripted.speaking = [ScriptedTextToSpeech(failures=[failure]), second]
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        events = await caller.hang_up()
        assert second.spoken == ["Hello."]
        assert [warning.code for warning in of(events, Warned)] == ["voice-fallback"]
        scripted.speaking = [ScriptedTextToSpeech(failures=[failure])]
        caller = await dial(rig, assistant(firstMessage="Another one."))
        events = await caller.ended()
        assert "voice" in of(events, CallEnded)[0].reason


async def test_a_transcriber_whose_stream_breaks_is_connected_again(tmp_path: Path) -> None:
    scripted = providers("are you there")
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        ears: ScriptedSpeechToText = scripted.hearing[0]  # type: ignore[assignment]  # the scripted one
        ears.streams[0].put(Failure(ProviderError("scripted", "transcriber", "server", "reset")))
        await caller.speak()
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "user") == ["are you there"]
    assert [warning.code for warning in of(events, Warned)] == ["transcriber-fallback"]


async def test_a_caller_who_vanishes_ends_the_call(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        await caller.until(lambda: len(caller.audio) > 0)
        caller.vanish()
        events = await caller.ended()
    assert of(events, CallEnded)[0].reason == "customer-ended-call"


async def test_audio_of_the_wrong_kind_ends_the_call_with_a_close_reason_and_a_warning(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig)
        caller.say(b"RIFF" + bytes(100))
        events = await caller.ended()
    assert caller.closed is not None
    assert caller.closed[0] == 1003
    assert [warning.code for warning in of(events, Warned)] == ["transport-refused"]
    assert len(of(events, CallEnded)) == 1


async def test_a_call_in_mulaw_at_8_khz_is_heard_and_answered(tmp_path: Path) -> None:
    transport = {"audioFormat": {"format": "mulaw", "container": "raw", "sampleRate": 8000}}
    async with media_rig(tmp_path, providers("hello hello")) as rig:
        caller = await dial(rig, transport=transport)
        await caller.until_said(1)
        loud, quiet = bytes(range(0, 160)), b"\xff" * 160
        for frame in [loud] * 10 + [quiet] * 8:
            caller.say(frame)
            await asyncio.sleep(0.02)
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "user") == ["hello hello"]
    assert len(caller.audio) == pytest.approx(8 * 10 * len("Hello.Very well."), abs=40)


async def test_only_the_client_messages_asked_for_are_sent(tmp_path: Path) -> None:
    wanted = ["status-update", 'transcript[transcriptType="final"]']
    async with media_rig(tmp_path, providers("good day")) as rig:
        caller = await dial(rig, assistant(clientMessages=wanted))
        await caller.until_message(type=wanted[1], role="assistant")
        await caller.speak()
        await caller.until_message(type=wanted[1], role="user")
        await caller.hang_up()
    assert {message["type"] for message in caller.messages} == set(wanted)


async def test_muting_silences_one_side_each(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("cannot be heard", "can be heard")) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        caller.control(type="control", control="mute-customer")
        await caller.speak()
        caller.control(type="control", control="unmute-customer")
        caller.control(type="control", control="mute-assistant")
        caller.audio.clear()
        caller.control(type="say", content="Nobody hears this.")
        await caller.until(lambda: len(caller.audio) > 0)
        events = await caller.hang_up()
    assert texts(events, "user") == []
    assert not any(caller.audio)


async def test_no_task_outlives_a_call(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("one", answers=([TextDelta("a"), Pause(30.0)],))) as rig:
        before = asyncio.all_tasks()
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak()
        assert len(asyncio.all_tasks()) > len(before)
        await caller.hang_up()
        left = {task.get_name() for task in asyncio.all_tasks() - before - {caller.serving}}
        assert not {name for name in left if caller.call_id in name}
        assert rig.tier.active() == 0


async def test_a_call_that_has_ended_is_freed_without_the_collector(tmp_path: Path) -> None:
    def alive() -> list[str]:
        return [type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, CallSession | Playout)]

    async with media_rig(tmp_path, providers("one")) as rig:
        gc.collect()
        assert alive() == []
        gc.disable()
        try:
            caller = await dial(rig)
            await caller.until_said(1)
            await caller.speak()
            await caller.until_said(2)
            assert sorted(alive()) == ["CallSession", "Playout"]
            await caller.hang_up()
            del caller
            await asyncio.sleep(0)
            assert alive() == []
        finally:
            gc.enable()
