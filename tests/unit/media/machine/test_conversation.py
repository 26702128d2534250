"""A whole conversation, as a person would tell it."""

from __future__ import annotations

from domain.call.events import MessageCommitted, TurnDecided, TurnMeasured, UsageMetered
from media.machine import inputs
from tests.unit.media.machine.scenario import Reply, Scenario

GREETING = "Hello, how can I help you?"


def test_greeting_question_answer_and_goodbye() -> None:
    call = Scenario({"firstMessage": GREETING, "model": {"messages": [{"role": "system", "content": "Be kind."}]}})
    call.replies = [Reply("We open at nine. See you then.")]

    call.connect().run_until_quiet()
    assert call.messages() == [("assistant", GREETING)]

    call.hear("When do you open?").run_until_quiet()
    assert call.messages()[1:] == [("user", "When do you open?"), ("assistant", "We open at nine. See you then.")]
    assert call.phase == "IDLE"

    call.feed(inputs.TransportClosed())
    assert call.ended == "customer-ended-call"
    assert [decided.rule for decided in call.events(TurnDecided)] == ["punctuation"]
    assert [measured.source for measured in call.events(TurnMeasured)] == ["first-message", "model"]
    meters = [usage.meter for usage in call.events(UsageMetered)]
    assert meters == ["model", "transport", "transcriber", "voice", "vapi"]
    assert call.events(MessageCommitted)[-1].generated_text is None


def test_messages_tell_the_time_since_the_call_was_connected() -> None:
    call = Scenario({"firstMessage": GREETING})
    call.replies = [Reply("We open at nine.")]
    call.run(4_000).connect().run_until_quiet()
    call.hear("When do you open?").run_until_quiet()

    began = [message.started_ms for message in call.events(MessageCommitted)]
    told = [message["secondsFromStart"] for message in call.told("conversation-update")[-1]["messages"]]
    assert told == [round(ms / 1000 - 4, 3) for ms in began]
    assert began[0] >= 4_000
