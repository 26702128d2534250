"""Timers, idle messages, the watchdog, and every way a call ends."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import CallEnded, MessageCommitted, UsageMetered, Warned
from media.machine import inputs, outputs
from media.machine.inputs import Input
from media.machine.plan import FALLBACK_TEXT
from tests.unit.media.machine.scenario import MS_PER_CHARACTER, Reply, Scenario

GREETING = "Hello, how can I help you today?"


def test_silence_ends_the_call() -> None:
    c = Scenario({"silenceTimeoutSeconds": 12}).connect().run(11_999)
    assert c.ended is None
    c.run(2)
    assert c.ended == "silence-timed-out"


def test_silence_counts_from_the_last_speech_of_either_side() -> None:
    c = Scenario({"silenceTimeoutSeconds": 12, "firstMessage": GREETING}).connect().run(10_000)
    c.replies = [Reply("We open at nine.")]
    c.hear("When do you open?").run_until_quiet()
    quiet_since = c.now
    c.run(11_900)
    assert c.ended is None
    c.run(200)
    assert c.ended == "silence-timed-out"
    assert c.now - quiet_since == pytest.approx(12_000, abs=150)


def test_silence_does_not_count_while_a_tool_runs() -> None:
    tool = {"type": "function", "function": {"name": "slow"}, "server": {"url": "https://x.example"}, "messages": []}
    c = Scenario({"silenceTimeoutSeconds": 10, "model": {"tools": [tool]}})
    c.replies = [Reply(calls=(inputs.RequestedTool("c1", "slow", {}),))]
    c.connect().hear("Go on.").run(19_000)
    assert c.phase == "TOOL_WAIT"
    assert c.ended is None


def test_idle_messages_up_to_their_count_then_silence() -> None:
    plan = {"idleMessages": ["Still there?", "Hello?"], "idleTimeoutSeconds": 5, "idleMessageMaxSpokenCount": 3}
    plan["silenceTimeoutMessage"] = "I hang up now."
    c = Scenario({"messagePlan": plan, "silenceTimeoutSeconds": 20}).connect().run(120_000)
    assert [text for _, text in c.messages()] == ["Still there?", "Hello?", "Still there?", "I hang up now."]
    assert c.ended == "silence-timed-out"


def test_user_speech_starts_the_count_of_idle_messages_again_where_asked() -> None:
    plan = {"idleMessages": ["Still there?"], "idleTimeoutSeconds": 5, "idleMessageMaxSpokenCount": 1}
    for reset, expected in ((False, 1), (True, 2)):
        c = Scenario({"messagePlan": {**plan, "idleMessageResetCountOnUserSpeechEnabled": reset}}).connect().run(8_000)
        c.replies = [Reply("Good.")]
        c.hear("I am.").run(15_000)
        assert [text for _, text in c.messages()].count("Still there?") == expected


def test_max_duration_cuts_in_the_middle_of_a_word() -> None:
    c = Scenario({"firstMessage": GREETING, "maxDurationSeconds": 1}).connect().run(1_200)
    assert c.ended == "exceeded-max-duration"
    cut = c.events(MessageCommitted)[-1]
    assert cut.interrupted
    assert len(cut.text) == pytest.approx(900 / MS_PER_CHARACTER, abs=1)


def test_end_call_phrase_ends_after_the_sentence_and_the_end_message() -> None:
    c = Scenario({"endCallPhrases": ["Have a nice day"], "endCallMessage": "Bye."})
    c.replies = [Reply("Thank you and have a NICE day!")]
    c.connect().hear("That is all.").run(8_000)
    assert [text for role, text in c.messages() if role == "assistant"] == ["Thank you and have a NICE day!", "Bye."]
    assert c.ended == "assistant-said-end-call-phrase"


def test_the_callers_phrase_does_not_end_the_call() -> None:
    c = Scenario({"endCallPhrases": ["goodbye"]})
    c.replies = [Reply("See you.")]
    c.connect().hear("goodbye.").run_until_quiet()
    assert c.ended is None


def test_an_interrupted_phrase_does_not_end_the_call() -> None:
    c = Scenario({"endCallPhrases": ["goodbye"]})
    c.replies = [Reply("Well then, goodbye and have a very good evening.")]
    c.connect().hear("That is all.").run(2_500)
    c.feed(inputs.FinalHeard(text="wait"))
    c.run(500)
    assert c.events(MessageCommitted)[-1].interrupted
    assert c.ended is None


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (inputs.TransportClosed(), "customer-ended-call"),
        (inputs.TransportClosed(reason="phone-call-provider-closed-websocket"), "phone-call-provider-closed-websocket"),
        (inputs.EndRequested(reason="worker-shutdown"), "worker-shutdown"),
        (inputs.ProviderFailed(stage="voice", ended_reason="pipeline-error-x"), "pipeline-error-x"),
        (inputs.ControlReceived(message={"type": "end-call"}), "manually-canceled"),
        (inputs.ControlReceived(message={"type": "hangup"}), "manually-canceled"),
    ],
)
@pytest.mark.parametrize("when_ms", [-1, 0, 50, 1000, 5000])
def test_abrupt_endings_at_any_time(happened: Input, reason: str, when_ms: float) -> None:
    c = Scenario({"firstMessage": GREETING})
    if when_ms >= 0:
        c.connect().run(when_ms)
    c.feed(happened)
    c.run(10)
    assert c.ended == reason
    assert isinstance(c.log[-1][1], outputs.HangUp)
    ended = c.log[-2][1]
    assert isinstance(ended, outputs.Record)
    assert isinstance(ended.event, CallEnded)


def test_the_model_that_cannot_answer_ends_the_call() -> None:
    c = Scenario()
    c.replies = [Reply("Well", fails="call.in-progress.error-pipeline-no-available-llm-model")]
    c.connect().hear("Hello?").run(1000)
    assert c.ended == "call.in-progress.error-pipeline-no-available-llm-model"
    assert c.messages() == [("user", "Hello?")]


def test_a_goodbye_is_spoken_to_its_end_although_the_caller_speaks() -> None:
    c = Scenario({"endCallPhrases": ["bye"], "endCallMessage": "Thank you for calling our practice."})
    c.replies = [Reply("Bye.")]
    c.connect().hear("That is all.").run(1200)
    assert c.phase == "ENDING"
    c.feed(inputs.SpeechStarted(at_ms=c.now))
    c.feed(inputs.PartialHeard(text="stop"))
    c.run(4000)
    assert c.messages()[-1] == ("assistant", "Thank you for calling our practice.")
    assert c.ended == "assistant-said-end-call-phrase"


def test_hang_up_during_the_goodbye_keeps_the_first_reason() -> None:
    c = Scenario({"endCallPhrases": ["bye"], "endCallMessage": "Thank you for calling our practice."})
    c.replies = [Reply("Bye.")]
    c.connect().hear("That is all.").run(1500)
    c.feed(inputs.TransportClosed())
    c.run(10)
    assert c.ended == "assistant-said-end-call-phrase"


def test_nothing_happens_after_the_end() -> None:
    c = Scenario({"firstMessage": GREETING}).connect().run(100)
    c.feed(inputs.TransportClosed())
    c.run(10)
    outputs_before = len(c.log)
    c.feed(inputs.SpeechStarted(at_ms=c.now))
    c.feed(inputs.FinalHeard(text="Anyone?"))
    c.feed(inputs.EndRequested(reason="worker-shutdown"))
    assert len(c.log) == outputs_before


def test_a_shell_that_does_not_report_what_was_heard_cannot_keep_the_call_open() -> None:
    c = Scenario({"firstMessage": GREETING}).connect().run(500)
    c.players[1].done = True
    c.feed(inputs.TransportClosed())
    assert c.ended is None
    c.run(1000)
    assert c.ended == "customer-ended-call"


def test_words_not_yet_answered_are_kept_at_the_end() -> None:
    c = Scenario().connect().hear("I wanted to")
    c.feed(inputs.TransportClosed())
    assert c.messages() == [("user", "I wanted to")]


def test_status_updates() -> None:
    c = Scenario().connect()
    c.feed(inputs.TransportClosed())
    assert [(m["status"], m.get("endedReason")) for m in c.told("status-update")] == [
        ("in-progress", None),
        ("ended", "customer-ended-call"),
    ]


def test_hang_is_announced_and_then_a_fallback_spoken() -> None:
    c = Scenario()
    c.replies = [Reply(silent=True), Reply("Now I can.")]
    c.connect().hear("Hello?").run(4_950)
    assert not c.told("hang")
    c.run(100)
    assert len(c.told("hang")) == 1
    assert [warned.code for warned in c.events(Warned)] == ["hang"]
    c.run(18_000)
    assert c.messages() == [("user", "Hello?"), ("assistant", FALLBACK_TEXT)]
    assert c.requests == {1: "aborted"}
    c.hear("Are you there?").run_until_quiet()
    assert c.messages()[-1] == ("assistant", "Now I can.")


def test_an_answer_in_time_announces_nothing() -> None:
    c = Scenario()
    c.replies = [Reply("Here I am.", delay_ms=4000)]
    c.connect().hear("Hello?").run_until_quiet()
    c.run(10_000)
    assert not c.told("hang")


def test_an_empty_answer_is_a_warning() -> None:
    c = Scenario()
    c.replies = [Reply("")]
    c.connect().hear("Hello?").run_until_quiet()
    assert [warned.code for warned in c.events(Warned)] == ["empty-answer"]
    assert c.messages() == [("user", "Hello?")]


def test_usage_of_a_call() -> None:
    config: dict[str, Any] = {
        "firstMessage": "Hello.",
        "silenceTimeoutSeconds": 3600,
        "model": {"provider": "openai", "model": "gpt-4.1", "messages": [{"role": "system", "content": "x" * 400}]},
        "voice": {"provider": "cartesia", "voiceId": "v1"},
    }
    c = Scenario(config, price_table="2026-01")
    c.replies = [Reply("One two three four.", delay_ms=400), Reply("Fine.")]
    c.connect().run_until_quiet()
    c.hear("First.").run(250)
    c.hear("Second.").run_until_quiet()
    c.run(60_000 - c.now)
    c.feed(inputs.TransportClosed())
    meters = {(event.meter, event.provider): event for event in c.events(UsageMetered)}
    aborted, finished = (event for event in c.events(UsageMetered) if event.meter == "model")
    assert (aborted.model, aborted.config) == ("gpt-4.1", {"provider": "openai", "model": "gpt-4.1"})
    assert aborted.quantities["promptTokens"] == (400 + len("Hello.") + len("First.")) // 4
    assert finished.quantities == {"promptTokens": 100, "completionTokens": 20, "cachedPromptTokens": 0}
    assert meters["voice", "cartesia"].quantities == {"characters": len("Hello.") + len("Fine.")}
    assert meters["vapi", "vapi"].quantities == {"minutes": pytest.approx(0.999, abs=0.01)}
    assert {event.price_table for event in c.events(UsageMetered)} == {"2026-01"}


def test_token_counts_that_never_come_do_not_keep_the_call_open() -> None:
    c = Scenario({"model": {"tools": [{"type": "endCall"}]}}).connect().hear("That was all.").run(200)
    call = inputs.RequestedTool("c1", "endCall", {})
    c.feed(inputs.ModelCalledTools(request_id=1, calls=(call,)))
    assert c.ended is None
    c.run(30_001)
    assert c.ended == "assistant-ended-call"
    assert c.requests == {1: "aborted"}
    assert [event.meter for event in c.events(UsageMetered)].count("model") == 1
