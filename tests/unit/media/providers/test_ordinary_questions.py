"""What callers of any assistant say, to assistants that are told little: by text, and the commonest by voice."""

from __future__ import annotations

from typing import Any

import pytest

from media.providers.local.caller import SyntheticCaller
from media.providers.local.dialogue.model import answer
from media.providers.local.dialogue.prompt import parse_prompt
from media.providers.local.dialogue.subjects import told_by
from media.providers.local.recogniser import LocalRecogniser
from media.providers.local.worker import WorkerProcess
from tests.unit.media.providers.speech import hear, needs_speech

LIBRARY: dict[str, Any] = {
    "firstMessage": "Welcome to Northwind Library.",
    "model": {
        "messages": [
            {
                "role": "system",
                "content": "You are the receptionist of Northwind Library. We are at twelve Harbour Street. "
                "Opening hours are nine to six on weekdays.",
            }
        ]
    },
}
HOTEL: dict[str, Any] = {
    "firstMessage": "Hotel Bellevue, good day.",
    "model": {
        "messages": [
            {
                "role": "system",
                "content": "You are Mia, the front desk of Hotel Bellevue. Our hotel is in the centre of Geneva, "
                "opposite the main station. Check-in is from three in the afternoon. A double room costs "
                "ninety francs. Breakfast is served from seven to ten. Dogs are welcome.",
            }
        ]
    },
}

STREET = "We are at twelve Harbour Street."
HOURS = "Opening hours are nine to six on weekdays."
OFFERS = "I can answer questions about where we are and opening hours."
NO_PERSON = f"I am sorry, I cannot connect you to a person. {OFFERS}"

TUNED_ON_LIBRARY = {
    "hello can you tell me where you are": STREET,
    "where are you located": STREET,
    "where can i find you": STREET,
    "how do i get there": STREET,
    "what street are you on": STREET,
    "when are you open": HOURS,
    "are you closed on sunday": HOURS,
    "can i speak to somebody": NO_PERSON,
    "what can you do": f"{OFFERS} What would you like?",
    "could you repeat that please": "Welcome to Northwind Library.",
    "how much does it cost": f"I am sorry, I have no information about prices. {OFFERS}",
    "do you have a phone number": f"I am sorry, I have no information about how to contact us. {OFFERS}",
    "who am i talking to": f"I am an automatic assistant of Northwind Library. {OFFERS}",
    "can you hear me": "Yes, I am here and I can hear you. How can I help you?",
    "i have a question": "Of course. What would you like to know?",
    "can you call me back": f"I am sorry, I cannot call back or take a message. {OFFERS}",
    "hold on please": "Of course, take your time.",
}
"""The base was written with these in view; they show that it does what was meant, not how far it reaches."""

TUNED_ON_HOTEL = {
    "sorry could you say that one more time": "Hotel Bellevue, good day.",
    "what sort of things can i ask you": "I can answer questions about where we are and prices. What would you like?",
    "hello is somebody there": "Yes, I am here and I can hear you. How can I help you?",
}
"""Of twelve sentences never seen before these three were not understood at first; the base was then widened to them."""

UNSEEN = {
    "excuse me where exactly are you": "in the centre of Geneva",
    "how do i find the hotel": "in the centre of Geneva",
    "could you tell me how much a double room costs": "ninety francs",
    "what time is breakfast": "from seven to ten",
    "do you allow dogs": "Dogs are welcome",
    "i would like to talk to a human being": "cannot connect you to a person",
    "who have i reached": "I am Mia",
    "when can i check in": "from three in the afternoon",
    "do you have a swimming pool": "did not understand",
}
"""The other nine of the twelve: answered, or rightly not answered, without anything having been changed for them."""

BY_VOICE = {
    "hello can you tell me where you are": STREET,
    "where are you located": STREET,
    "can i speak to somebody": NO_PERSON,
    "what can you do": f"{OFFERS} What would you like?",
    "could you repeat that please": "Welcome to Northwind Library.",
    "how much does it cost": f"I am sorry, I have no information about prices. {OFFERS}",
}
"""All of them stand in the recogniser's base sentences."""


def _answer(assistant: dict[str, Any], said: str) -> str:
    opening = {"role": "assistant", "content": assistant["firstMessage"]}
    return answer([*assistant["model"]["messages"], opening, {"role": "user", "content": said}], ()).text


@pytest.mark.parametrize(("said", "expected"), TUNED_ON_LIBRARY.items())
def test_an_assistant_told_three_sentences_answers_ordinary_questions(said: str, expected: str) -> None:
    assert _answer(LIBRARY, said) == expected


@pytest.mark.parametrize(("said", "expected"), TUNED_ON_HOTEL.items())
def test_other_ways_to_say_the_same(said: str, expected: str) -> None:
    assert _answer(HOTEL, said) == expected


@pytest.mark.parametrize(("said", "expected"), UNSEEN.items())
def test_sentences_that_nothing_was_tuned_to(said: str, expected: str) -> None:
    assert expected in _answer(HOTEL, said)


def test_a_question_about_a_topic_is_no_question_about_the_assistant() -> None:
    assert _answer(HOTEL, "what can you tell me about breakfast") == "Breakfast is served from seven to ten."


@pytest.mark.parametrize(
    ("fact", "subjects"),
    [
        ("You find us next to the library.", ["where we are"]),
        ("Our office is on Fifth Avenue.", ["where we are"]),
        ("We're based in Leeds.", ["where we are"]),
        ("We are open in the morning.", ["opening hours"]),
        ("A membership costs $20.", ["prices"]),
        ("Write to hello@example.com.", ["how to contact us"]),
        ("We are at your service.", []),
        ("We are in business since 1990.", []),
        ("Our staff are on holiday in August.", []),
    ],
)
def test_what_a_statement_without_a_topic_is_about(fact: str, subjects: list[str]) -> None:
    assert [subject.name for subject in told_by(fact)] == subjects


def test_for_whom_an_assistant_speaks() -> None:
    assert parse_prompt(LIBRARY["model"]["messages"][0]["content"]).organisation == "Northwind Library"
    assert parse_prompt("You are a friendly helper. Be brief.").organisation == ""


@needs_speech
@pytest.mark.asyncio(loop_scope="package")
async def test_ordinary_questions_by_voice(recogniser_worker: WorkerProcess, caller: SyntheticCaller) -> None:
    heard, answers = {}, {}
    async with LocalRecogniser(recogniser_worker, LIBRARY).connect() as stream:
        for said in BY_VOICE:
            final, _ = await hear(stream, await caller.say(said))
            heard[said] = final.text
            answers[said] = _answer(LIBRARY, final.text)
    assert answers == BY_VOICE, heard
    assert all(text.endswith("?") for text in heard.values()), heard
