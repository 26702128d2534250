"""A machine has answered: it is noticed, its beep is waited for, the message is left, the call ends."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import VoicemailDetected
from media.machine import inputs
from media.machine.voicemail import sounds_like_greeting
from tests.unit.media.machine.scenario import Reply, Scenario

GREETING = "You have reached the voicemail of Ann. Please leave a message after the tone."
MESSAGE = "This is the practice. Please call us back."


def call_with(message: str = MESSAGE, **plan: Any) -> Scenario:
    detection = {
        "provider": "vapi",
        "type": "transcript",
        "backoffPlan": {"startAtSeconds": 4, "maxRetries": 2},
        **plan,
    }
    call = Scenario({"firstMessage": "Hello, Ann?", "voicemailDetection": detection, "voicemailMessage": message})
    call.replies = [Reply("I am calling about your appointment.")] * 4
    return call.connect()


def greeted(call: Scenario) -> Scenario:
    call.run(600)
    return call.hear(GREETING, speak_ms=2_500)


def detections(call: Scenario) -> list[str]:
    return [event.by for event in call.events(VoicemailDetected)]


def test_words_of_a_greeting_are_looked_at_at_the_times_of_the_plan() -> None:
    call = greeted(call_with())
    call.run(3_990 - call.now)
    assert detections(call) == []
    call.run(20)
    assert detections(call) == ["transcript"]


def test_the_message_is_left_after_the_beep_and_the_call_ends() -> None:
    call = greeted(call_with())
    call.run(6_000)
    assert call.ended is None
    assert MESSAGE not in [text for _, text in call.messages()]
    call.feed(inputs.BeepHeard(at_ms=call.now))
    call.run(5_000)
    assert call.messages()[-1] == ("assistant", MESSAGE)
    assert call.ended == "voicemail"


def test_without_a_beep_the_message_is_left_at_the_limit() -> None:
    call = greeted(call_with(beepMaxAwaitSeconds=10))
    call.run(9_900 - call.now)
    assert call.ended is None
    call.run(4_000)
    assert call.messages()[-1] == ("assistant", MESSAGE)
    assert call.ended == "voicemail"


def test_without_a_message_it_hangs_up_at_once() -> None:
    call = greeted(call_with(message=""))
    call.run(4_500 - call.now)
    assert call.ended == "voicemail"


def test_a_person_is_talked_to() -> None:
    call = call_with().run(600)
    call.hear("Yes, this is Ann speaking.").run(12_000)
    assert detections(call) == []
    assert call.ended is None
    assert call.messages()[-1] == ("assistant", "I am calling about your appointment.")


def test_a_person_who_talks_into_the_message_gets_the_conversation_back() -> None:
    call = greeted(call_with())
    call.run(2_000)
    call.feed(inputs.BeepHeard(at_ms=call.now))
    call.run(500)
    call.hear("Wait, I am here!").run(10_000)
    assert call.ended is None
    assert call.messages()[-1] == ("assistant", "I am calling about your appointment.")


@pytest.mark.parametrize(("kind", "expected"), [("audio", ["audio"]), ("transcript", [])])
def test_a_beep_alone_gives_a_machine_away_where_sound_is_listened_to(kind: str, expected: list[str]) -> None:
    call = call_with(type=kind).run(1_500)
    call.feed(inputs.BeepHeard(at_ms=call.now))
    assert detections(call) == expected


def test_what_the_carrier_knows_counts() -> None:
    call = call_with().run(1_000)
    call.feed(inputs.MachineAnswered(beeped=True))
    call.run(5_000)
    assert detections(call) == ["carrier"]
    assert call.ended == "voicemail"


@pytest.mark.parametrize("beeped", [False, True])
def test_what_was_about_to_be_said_to_a_person_is_not_said_to_a_machine(beeped: bool) -> None:
    call = call_with()
    assert not call.state.utterances[0].opened
    call.feed(inputs.MachineAnswered(beeped=beeped))
    if not beeped:
        call.run(2_000)
        assert call.messages() == []
        call.feed(inputs.BeepHeard(at_ms=call.now))
    call.run(10_000)
    assert call.messages() == [("assistant", MESSAGE)]
    assert call.ended == "voicemail"


def test_after_the_last_check_nothing_is_a_machine_any_more() -> None:
    call = call_with().run(10_000)
    greeted(call).run(4_000)
    assert detections(call) == []


@pytest.mark.parametrize("plan", [None, "off"])
def test_nothing_is_looked_for_where_it_is_off(plan: Any) -> None:
    call = Scenario({"firstMessage": "Hello?", "voicemailDetection": plan}).connect()
    greeted(call).run(10_000)
    assert detections(call) == []


@pytest.mark.parametrize(
    ("text", "machine"),
    [
        (GREETING, True),
        ("Hi, you've reached Bob, I can't take your call right now.", True),
        ("The mailbox is full and cannot accept any messages.", True),
        ("Bitte hinterlassen Sie eine Nachricht nach dem Signalton.", True),
        ("Hello? Who is this?", False),
        ("I will leave now, can you send me a message later?", False),
        ("Yes, I am available at nine.", False),
    ],
)
def test_greetings_are_told_from_people(text: str, machine: bool) -> None:
    assert sounds_like_greeting(text) is machine
