"""The caller changes the language: clients are told, texts that there are in it are said in it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import LanguageChanged
from media.machine import inputs
from media.machine.inputs import RequestedTool
from tests.unit.media.machine.scenario import Reply, Scenario

WAIT = [
    {"type": "text", "language": "en-US", "text": "One moment please."},
    {"type": "text", "language": "es", "text": "Un momento, por favor."},
]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look"},
    "server": {"url": "https://x.example"},
    "messages": [{"type": "request-start", "contents": WAIT}],
}
MULTI = {"provider": "deepgram", "language": "multi"}


def call_with(**transcriber: Any) -> Scenario:
    call = Scenario({"transcriber": {**MULTI, **transcriber}, "model": {"tools": [TOOL]}})
    return call.connect()


def speak(call: Scenario, text: str, language: str) -> Scenario:
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(400)
    call.feed(inputs.SpeechStopped(at_ms=call.now))
    call.feed(inputs.FinalHeard(text=text, confidence=0.9, language=language))
    return call


def told(call: Scenario) -> list[str]:
    return [message["language"] for message in call.told("language-change-detected")]


def test_a_change_is_recorded_and_told_once() -> None:
    call = call_with()
    for text, language in (("hello there", "en-US"), ("how are you", "en-GB"), ("buenos días señor", "es")):
        speak(call, text, language).run(3_000)
    speak(call, "muchas gracias", "es-419").run(3_000)
    assert told(call) == ["es"]
    assert [(e.from_language, e.language) for e in call.events(LanguageChanged)] == [("en", "es")]


def test_the_first_language_heard_is_a_change_only_against_the_one_expected() -> None:
    assert told(speak(call_with(), "buenos días", "es")) == []
    assert told(speak(call_with(languages=["en", "es"]), "buenos días", "es")) == ["es"]
    assert told(speak(call_with(language="es-MX"), "buenos días", "es")) == []


@pytest.mark.parametrize(("text", "language"), [("okay", "en"), ("buenos días", ""), ("", "en")])
def test_a_single_word_and_silence_change_nothing(text: str, language: str) -> None:
    call = speak(call_with(languages=["es"]), text, language)
    assert told(call) == []


def test_a_tool_says_what_it_says_in_the_language_of_the_caller() -> None:
    call = call_with()
    for text, language, expected in (
        ("is it free?", "en", "One moment please."),
        ("¿está libre hoy?", "es", "Un momento, por favor."),
        ("ist es frei heute?", "de", "One moment please."),
    ):
        call.replies = [Reply(calls=(RequestedTool("c", "look", {}),)), Reply("Ja.")]
        call.results["look"] = (2_000, inputs.ToolReturned(tool_call_id="", result="yes"))
        speak(call, text, language).run_until_quiet()
        assert expected in [text for role, text in call.messages() if role == "assistant"][-2:]
    assert told(call) == ["es", "de"]
