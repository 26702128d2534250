"""Bare words as sentences: which are marked as finished, and which leave the caller time to go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.providers.local.language.punctuation import is_open, punctuated
from media.providers.local.language.spoken import NUMBER_WORDS, spoken_words

FINISHED = {
    "hello": "Hello.",
    "yes please": "Yes please.",
    "thank you goodbye": "Thank you goodbye.",
    "what are your opening hours": "What are your opening hours?",
    "hello can you tell me where you are": "Hello can you tell me where you are?",
    "could you tell me what the price is": "Could you tell me what the price is?",
    "hello i would like to book an appointment for tuesday morning": (
        "Hello I would like to book an appointment for Tuesday morning."
    ),
    "i would like to book please": "I would like to book please.",
    "is wednesday at three o'clock possible": "Is Wednesday at three o'clock possible?",
    "at three p m": "At three p m.",
    "the fifteenth of may": "The fifteenth of may.",
    "where is my order": "Where is my order?",
    "what do i need": "What do I need?",
    "how do i book": "How do I book?",
    "who am i speaking to": "Who am I speaking to?",
    "what is it about": "What is it about?",
    "can i come in": "Can I come in?",
    "i don't know": "I don't know.",
    "yes i would": "Yes I would.",
    "no that is it thank you": "No that is it thank you.",
    "you are open on sunday aren't you": "You are open on Sunday aren't you?",
    "two please": "Two please.",
    "sorry": "Sorry?",
    "what": "What?",
    "do that please": "Do that please.",
    "have a nice day": "Have a nice day.",
    "i'm in pain": "I'm in pain.",
}
GOING_ON = {
    "i would like to book": "I would like to book",
    "i would like to book a": "I would like to book a",
    "hello i would like to": "Hello I would like to",
    "my name is": "My name is",
    "i want": "I want",
    "i have": "I have",
    "can you": "Can you",
    "can you tell me": "Can you tell me",
    "what time do you": "What time do you",
    "i would like to know": "I would like to know",
    "sorry i meant": "Sorry I meant",
    "next tuesday at": "Next Tuesday at",
    "on monday and": "On Monday and",
    "how about": "How about",
    "let me think": "Let me think",
    "one moment please": "One moment please",
    "four five six": "four five six",
    "my number is four five six": "My number is four five six",
    "on tuesday at three": "On Tuesday at three",
    "j o n e s": "J o n e s",
    "um": "Um",
}


@pytest.mark.parametrize(("words", "written"), (FINISHED | GOING_ON).items())
def test_words_are_written_as_a_sentence_and_marked_when_it_is_finished(words: str, written: str) -> None:
    assert punctuated(words) == written
    assert is_open(words) == (words in GOING_ON)


def test_the_rest_of_a_phrase_begins_in_lower_case() -> None:
    assert punctuated("a cleaning for monday", continues=True) == "a cleaning for Monday."


def test_nothing_heard_stays_nothing() -> None:
    assert punctuated("") == ""


@pytest.mark.parametrize("number", sorted(NUMBER_WORDS))
def test_no_number_ends_a_phrase(number: str) -> None:
    assert is_open(f"it is {number}")


@given(st.lists(st.from_regex(r"[a-z]+(?:'[a-z]+)?", fullmatch=True), max_size=12).map(" ".join))
def test_no_word_is_added_lost_or_changed(words: str) -> None:
    written = punctuated(words)
    assert written.rstrip(".?").lower() == words
    assert spoken_words(written) == spoken_words(words)
