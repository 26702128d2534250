"""What callers say on any service line: the part of the recogniser's language model that every assistant shares."""

from __future__ import annotations

from collections.abc import Iterator

from media.providers.local.language.everyday import everyday_sentences
from media.providers.local.language.remarks import SENTENCES

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
DAY_PARTS = ("morning", "afternoon", "evening")
HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FIRST_NAMES_TEXT = (
    "john mary peter anna david sarah michael laura james linda robert susan thomas emma daniel julia paul karen "
    "mark lisa george helen steven nancy brian alice kevin maria edward jane"
)
_LAST_NAMES_TEXT = (
    "smith jones brown miller davis wilson taylor moore white harris martin clark lewis walker hall young king "
    "wright hill green baker adams nelson carter mitchell roberts turner phillips campbell parker"
)
FIRST_NAMES = tuple(_FIRST_NAMES_TEXT.split())
LAST_NAMES = tuple(_LAST_NAMES_TEXT.split())

_ASKING = ("can you tell me", "could you tell me", "hello can you tell me", "do you know", "i would like to know")
_ASKED = (
    "where you are",
    "where you are located",
    "where i can find you",
    "how to get there",
    "how i get there",
    "when you are open",
    "when you open",
    "when you close",
    "what your opening hours are",
    "how much it costs",
    "how much that costs",
    "what it costs",
    "how long it takes",
    "what you can do",
    "what i need to bring",
    "your address",
    "the address",
    "your phone number",
    "your opening hours",
    "the price",
    "the prices",
)
_TIME_OPENERS = ("", "at", "around", "after", "before", "maybe at", "no at", "yes at", "how about", "what about", "is")
_DAY_OPENERS = (
    "",
    "on",
    "no",
    "no on",
    "for",
    "actually",
    "maybe",
    "how about",
    "what about",
    "is",
    "yes",
    "let's say",
)


def base_sentences() -> Iterator[str]:
    """Sentences of any call: small talk, agreement, refusal, days, times, numbers, names, everyday questions."""
    yield from SENTENCES
    yield from everyday_sentences()
    for index, asked in enumerate(_ASKED):
        yield from (f"{asking} {asked}" for asking in _ASKING)
        yield f"{_ASKING[index % len(_ASKING)]} {asked} please"
    yield from _times()
    yield from _days()
    for index, digit in enumerate(DIGITS):
        others = [DIGITS[(index * step + step) % len(DIGITS)] for step in (2, 3, 5, 7)]
        yield f"my number is {digit} {others[0]} {others[1]}"
        yield f"{digit} {others[2]} {others[3]} {others[0]}"
    for number in ("one", "two", "three", "four", "five", "six"):
        yield from (f"{number} please", f"for {number} people", f"there are {number} of us", f"number {number}")
    for first, last in zip(FIRST_NAMES, LAST_NAMES, strict=True):
        yield from (f"my name is {first} {last}", f"this is {first} {last}", f"{first} {last}", f"i am {first} {last}")


def digit_sequences() -> Iterator[str]:
    """Codes as they are read out: every digit after every other, alone and within longer ones."""
    count = len(DIGITS)
    openers = ("it is", "my code is", "the number is", "my number is")
    for first in range(count):
        for second in range(count):
            for third, fourth in ((2 * first + second, first + 3 * second), (first + second + 5, 2 * second + 7)):
                read = " ".join(DIGITS[index % count] for index in (first, second, third, fourth))
                yield read
                if third % 3 == 0:
                    yield f"{openers[fourth % len(openers)]} {read}"
    for start in range(count - 3):
        yield " ".join(DIGITS[start : start + 6])


def day_phrases() -> Iterator[str]:
    """Ways to name a day or a part of one, without a preposition."""
    yield from ("today", "tomorrow", "this morning", "this afternoon", "this evening", "tonight", "next week")
    yield from ("the day after tomorrow", "this week", "next month", "the weekend")
    for part in DAY_PARTS:
        yield f"tomorrow {part}"
    for day in WEEKDAYS:
        yield from (day, f"next {day}", f"this {day}")
        for part in DAY_PARTS:
            yield f"{day} {part}"
    for index, month in enumerate(MONTHS):
        yield from (f"{month} {ordinal}" for ordinal in ("first", "fifth", "tenth", "twentieth")[index % 2 :: 2])
        yield f"the {('third', 'fourth', 'sixth', 'twelfth', 'fifteenth', 'thirtieth')[index % 6]} of {month}"


def time_phrases() -> Iterator[str]:
    """Ways to name a time of day, without a preposition."""
    yield from ("noon", "lunch time", "the morning", "the afternoon", "the evening")
    for index, hour in enumerate(HOURS):
        yield from (f"{hour} o'clock", f"{hour} thirty", f"half past {hour}", hour)
        yield from (f"quarter past {hour}", f"quarter to {hour}", f"{hour} fifteen", f"{hour} forty five")
        yield f"{hour} in the {DAY_PARTS[index % 2]}"
        yield f"{hour} {'a' if index > 5 else 'p'} m"


def _days() -> Iterator[str]:
    phrases = list(day_phrases())
    for index, phrase in enumerate(phrases):
        for offset in range(4):
            yield f"{_DAY_OPENERS[(index + offset * 3) % len(_DAY_OPENERS)]} {phrase}".strip()
        yield f"{phrase} please"
        yield f"no {phrase} instead"
        yield f"on {phrase} instead"
    for index, day in enumerate(WEEKDAYS):
        hour = HOURS[(index + 8) % 12]
        yield from (f"on {day} at {hour} o'clock", f"{day} at {hour}", f"on {day} in the {DAY_PARTS[index % 3]}")
        yield from (f"are you open on {day}", f"when do you open on {day}", f"when do you close on {day}")
        yield from (f"what time do you close on {day}", f"are you closed on {day}", f"is {day} possible")
        yield from (f"can i come on {day}", f"could i come in on {day}", f"do you have anything on {day}")
        yield from (f"do you have anything free on {day}", f"do you have time on {day}", f"{day} is better")
        yield from (f"{day} would be better", f"can we make it {day}", f"i would prefer {day}", f"i said {day}")
        yield from (f"i meant {day}", f"is {day} at {hour} possible", f"not on {day}", f"{day} works for me")


def _times() -> Iterator[str]:
    for index, phrase in enumerate(time_phrases()):
        for offset in range(3):
            yield f"{_TIME_OPENERS[(index + offset * 4) % len(_TIME_OPENERS)]} {phrase}".strip()
        yield f"{phrase} please"
        yield f"at {phrase} please"
        yield f"no at {phrase} instead"
    for part in DAY_PARTS:
        yield from (f"in the {part}", f"in the {part} please", f"the {part} is better", f"{part}", f"{part} please")
        yield from (f"in the {part} if possible", f"{part} would be better", f"rather in the {part}")
