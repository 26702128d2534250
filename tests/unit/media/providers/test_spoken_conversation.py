"""A whole conversation by voice: synthetic caller, recogniser, guided conversation, voice. Nothing is typed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.knowledge.tool import definition
from media.providers.language_model import ModelRequest, TextDelta, ToolCallRequest
from media.providers.local.caller import SyntheticCaller
from media.providers.local.dialogue.model import GuidedConversation, answer
from media.providers.local.recogniser import LocalRecogniser
from media.providers.local.voice import LocalVoice
from media.providers.local.voices import voice_settings
from media.providers.local.worker import WorkerProcess
from media.providers.text_to_speech import AudioChunk
from tests.unit.media.providers.speech import hear, needs_speech

pytestmark = [needs_speech, pytest.mark.asyncio(loop_scope="package")]

ASSISTANT: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "infra/demo/assistant.json").read_text(encoding="utf-8")
)
CALLER_SAYS = (
    "Hello, I would like to book an appointment for Tuesday morning.",
    "Yes, please.",
    "What are your opening hours?",
    "Thank you, goodbye!",
)


async def test_an_appointment_is_booked_by_voice(
    recogniser_worker: WorkerProcess, voice_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    model, voice = GuidedConversation(), LocalVoice(voice_worker, voice_settings(ASSISTANT["voice"]))
    messages: list[dict[str, Any]] = list(ASSISTANT["model"]["messages"])
    messages.append({"role": "assistant", "content": ASSISTANT["firstMessage"]})
    tools = tuple(ASSISTANT["model"]["tools"])
    calls: list[tuple[str, dict[str, Any]]] = []
    spoken_seconds: list[float] = []
    async with LocalRecogniser(recogniser_worker, ASSISTANT).connect() as stream:
        for sentence in CALLER_SAYS:
            final, _ = await hear(stream, await caller.say(sentence))
            messages.append({"role": "user", "content": final.text})
            said = ""
            while not said:
                facts = [fact async for fact in model.stream(ModelRequest(tuple(messages), tools))]
                said = "".join(fact.text for fact in facts if isinstance(fact, TextDelta))
                if not isinstance(facts[0], ToolCallRequest):
                    continue
                calls.append((facts[0].name, facts[0].arguments))
                if facts[0].name == "endCall":
                    break
                messages.append({"role": "assistant", "content": "", "tool_calls": []})
                messages.append(
                    {"role": "tool", "tool_call_id": facts[0].id, "content": "It is booked for half past nine."}
                )
            messages.append({"role": "assistant", "content": said})
            audio = [fact.pcm async for fact in voice.synthesize(said) if isinstance(fact, AudioChunk)]
            spoken_seconds.append(sum(map(len, audio)) / 32_000)
    assert calls == [("bookAppointment", {"day": "Tuesday", "time": "morning"}), ("endCall", {})]
    answers = [message["content"] for message in messages if message["role"] == "assistant" and message["content"]]
    assert answers[1] == "Shall I book an appointment with the dentist on Tuesday in the morning?"
    assert answers[2].startswith("It is booked for half past nine.")
    assert answers[3].startswith("We are open Monday to Friday")
    assert all(seconds > 1 for seconds in spoken_seconds[:3])


async def test_a_question_about_a_document_is_heard_looked_up_and_answered(
    recogniser_worker: WorkerProcess, caller: SyntheticCaller
) -> None:
    about = {"name": "prices", "description": "What treatments like cleaning and whitening cost."}
    query = {"type": "query", "function": {"name": "clinicPrices"}, "knowledgeBases": [about]}
    assistant = {"model": {"messages": [{"role": "system", "content": "You are a clinic."}], "tools": [query]}}
    found = "[prices.txt, part 1]\nCleaning costs 90 dollars.\n\nWhitening costs 240 dollars."
    async with LocalRecogniser(recogniser_worker, assistant).connect() as stream:
        final, _ = await hear(stream, await caller.say("How much is whitening?"))
    tools = ({"type": "function", "function": definition(query)},)
    messages: list[dict[str, Any]] = [{"role": "user", "content": final.text}]

    asked = answer(messages, tools)
    messages += [{"role": "assistant", "tool_calls": []}, {"role": "tool", "tool_call_id": "1", "content": found}]
    told = answer(messages, tools)

    assert asked.call is not None
    assert (asked.call.name, asked.arguments) == ("clinicPrices", {"query": "how much is whitening"})
    assert told.text.startswith("Whitening costs 240 dollars.")
