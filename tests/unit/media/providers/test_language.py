"""Text as it is spoken, the sentences of callers, and words no dictionary has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.providers.local.dialogue import values
from media.providers.local.language.inflection import forms
from media.providers.local.language.phrases import caller_sentences, headings, mentions
from media.providers.local.language.pronunciation import dictionary_lines, pronunciations
from media.providers.local.language.spoken import identifier_words, number_words, ordinal_words, spoken_words

DICTIONARY = {
    "harbour": ("HH AA R B ER",),
    "street": ("S T R IY T",),
    "light": ("L AY T",),
    "house": ("HH AW S", "HH AW Z"),
}


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("We're open 9:30-17:00!", "we're open nine thirty seventeen o'clock"),
        ("It costs $80.", "it costs eighty dollars"),
        ("Call 5550142", "call five five five zero one four two"),
        ("The 3rd of May", "the third of may"),
        ("room 12 & 105", "room twelve and one hundred five"),
        ("8 a.m.", "eight a m"),
        ("9:05", "nine oh five"),
        ("'Quoted' text…", "quoted text"),
        ("", ""),
    ],
)
def test_written_text_as_words(written: str, spoken: str) -> None:
    assert spoken_words(written) == spoken


@given(st.text(max_size=200))
def test_spoken_words_are_letters_and_stable(text: str) -> None:
    spoken = spoken_words(text)
    assert set(spoken) <= set("abcdefghijklmnopqrstuvwxyz' ")
    assert spoken_words(spoken) == spoken


@given(st.integers(0, 999))
def test_numbers_are_understood_as_they_are_spoken(number: int) -> None:
    assert values.find_number(number_words(number)) == number


def test_identifiers_and_ranks() -> None:
    assert identifier_words("bookAppointment_forDay2") == "book appointment for day two"
    assert [ordinal_words(number) for number in (1, 5, 12, 20, 21, 33)] == [
        "first",
        "fifth",
        "twelfth",
        "twentieth",
        "twenty first",
        "thirty third",
    ]


def test_topics_come_from_headings_choices_and_content_words() -> None:
    tool = {"name": "book", "parameters": {"properties": {"service": {"enum": ["check-up", "deepCleaning"]}}}}
    text = "# Rules\nParking prices: Two dollars.\nOur dentist is near the old lighthouse."
    assert headings([text], [tool])[:2] == ("parking prices", "parking price")
    assert {"check up", "deep cleaning"} <= set(headings([text], [tool]))
    assert "old lighthouse" in mentions([text])


def test_sentences_cover_tools_topics_and_small_talk() -> None:
    assistant = {
        "firstMessage": "Welcome to the Old Mill.",
        "transcriber": {"provider": "vapi", "keywords": ["Zephyrine:2"]},
        "model": {
            "messages": [{"role": "system", "content": "Breakfast: We serve breakfast from seven."}],
            "tools": [{"type": "function", "function": {"name": "reserve_table", "description": "Reserve a table."}}],
        },
    }
    sentences = set(caller_sentences(assistant))
    assert {"yes please", "i would like to reserve a table", "a table for friday evening"} <= sentences
    assert {"do you have breakfast", "welcome to the old mill", "my zephyrine"} <= sentences


@pytest.mark.parametrize(
    "assistant", [{}, {"model": None}, {"model": {"tools": "x", "messages": [1]}}, {"transcriber": 3}]
)
def test_any_configuration_yields_the_shared_sentences(assistant: dict[str, object]) -> None:
    assert "thank you goodbye" in caller_sentences(assistant)


_VERBS_TEXT = (
    "park parks parked parking stop stops stopped stopping use uses used using try tries tried trying fix fixes fixed "
    "fixing garden gardens"
)
VERBS = frozenset(_VERBS_TEXT.split())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("parking", ("park", "parks", "parked", "parking")),
        ("stopped", ("stop", "stops", "stopped", "stopping")),
        ("using", ("use", "uses", "used", "using")),
        ("tries", ("try", "tries", "tried", "trying")),
        ("fix", ("fix", "fixes", "fixed", "fixing")),
        ("garden", None),
        ("ing", None),
    ],
)
def test_forms_of_a_word_that_the_dictionary_knows(word: str, expected: tuple[str, ...] | None) -> None:
    found = forms(word, VERBS)
    assert (found and (found.base, found.third_person, found.past, found.continuous)) == expected


def test_who_reads_parking_is_asked_where_one_can_park() -> None:
    assistant = {"model": {"messages": [{"role": "system", "content": "Parking: There is a yard behind the house."}]}}
    sentences = set(caller_sentences(assistant, VERBS))
    assert {"where can i park", "is it parked", "is parking free", "can i bring my children"} <= sentences
    assert not any("yarding" in sentence for sentence in sentences)


def test_words_that_no_dictionary_has_get_a_pronunciation() -> None:
    assert pronunciations("house", DICTIONARY) == ("HH AW S", "HH AW Z")
    assert pronunciations("streets", DICTIONARY) == ("S T R IY T Z",)
    assert pronunciations("harbour's", DICTIONARY) == ("HH AA R B ER Z",)
    assert pronunciations("lighthouse", DICTIONARY) == ("L AY T HH AW S",)
    assert pronunciations("brightwater", {}) == ("B R AY T W AE T ER",)
    assert pronunciations("'", {}) == ()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=14))
def test_rules_only_make_phones_of_the_acoustic_model(word: str) -> None:
    phones = set(
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
    )
    for way in pronunciations(word, {}):
        assert way
        assert set(way.split()) <= phones


def test_dictionary_lines_number_the_alternatives() -> None:
    assert dictionary_lines(["house", "light"], DICTIONARY) == ["house HH AW S", "house(2) HH AW Z", "light L AY T"]


@pytest.mark.parametrize(
    ("text", "day", "time"),
    [
        ("tuesday morning", "Tuesday", "morning"),
        ("next friday at half past nine", "next Friday", "half past nine"),
        ("tomorrow at ten", "tomorrow", "ten"),
        ("this afternoon", "today", "afternoon"),
        ("tonight at eight o'clock", "today", "eight o'clock"),
        ("the third of may in the evening", "the third of May", "evening"),
        ("the day after tomorrow", "the day after tomorrow", None),
        ("ten thirty", None, "ten thirty"),
        ("for two people", None, None),
    ],
)
def test_days_and_times(text: str, day: str | None, time: str | None) -> None:
    assert (values.find_day(text), values.find_time(text)) == (day, time)


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("half past nine", "09:30"),
        ("quarter to three", "02:45"),
        ("ten past four", "04:10"),
        ("three o'clock", "03:00"),
        ("two thirty p m", "14:30"),
        ("eight in the evening", "20:00"),
        ("noon", "12:00"),
        ("morning", "morning"),
    ],
)
def test_clock_times(said: str, clock: str) -> None:
    assert values.clock_time(said) == clock


def test_codes_addresses_and_names() -> None:
    assert values.find_digits("my number is four double seven oh two") == "47702"
    assert values.find_email("it is mary dot jones at example dot com") == "mary.jones@example.com"
    assert values.find_name("hello my name is john smith", asked=False) == "John Smith"
    assert values.find_name("peter parker please", asked=True) == "Peter Parker"
    assert values.find_name("i am in pain", asked=False) is None
    assert values.find_party("a table for four people") == 4
