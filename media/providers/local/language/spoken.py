"""Written text as the words a person would say: what both the recogniser and the dialogue work on."""

from __future__ import annotations

import re

_ONES_TEXT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS_TEXT = "- - twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = tuple(_ONES_TEXT.split())
_TENS = tuple(_TENS_TEXT.split())
NUMBER_WORDS = frozenset((*_ONES, *_TENS[2:], "oh", "hundred", "thousand", "million"))
"""The words that numbers are said with."""

_ORDINALS = {
    "1st": "first",
    "2nd": "second",
    "3rd": "third",
    "5th": "fifth",
    "8th": "eighth",
    "9th": "ninth",
    "12th": "twelfth",
    "20th": "twentieth",
    "30th": "thirtieth",
}
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})\b")
_HALF_DAY = re.compile(r"(\d)\s*([ap])\.?m\b\.?")
_MONEY = re.compile(r"[$€£]\s?(\d+)(?:\.(\d{2}))?")
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
_ORDINAL = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)\b")
_NUMBER = re.compile(r"\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z' ]+")


def number_words(number: int) -> str:
    """``number`` in English; four digits and more are read digit by digit, as people read codes."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        rest = number % 10
        return _TENS[number // 10] + (f" {_ONES[rest]}" if rest else "")
    if number < 1000:
        rest = number % 100
        return f"{_ONES[number // 100]} hundred" + (f" {number_words(rest)}" if rest else "")
    if number % 1000 == 0 and number < 1_000_000:
        return f"{number_words(number // 1000)} thousand"
    return " ".join(_ONES[int(digit)] for digit in str(number))


def ordinal_words(number: int) -> str:
    """``number`` (1..99) as a rank."""
    if number >= 20 and number % 10:
        return f"{_TENS[number // 10]} {ordinal_words(number % 10)}"
    short = {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
    return _ORDINALS.get(short, number_words(number) + "th")


def spoken_words(text: str) -> str:
    """Lower-case words, numbers written out, everything unspoken removed; blanks between words."""
    text = text.replace("\u2019", "'").lower()
    text = _CLOCK.sub(_clock, text)
    text = _HALF_DAY.sub(r"\1 \2 m ", text)
    text = _MONEY.sub(lambda match: f"{match[1]} {_CURRENCIES[match[0][0]]} {match[2] or ''} ", text)
    text = _ORDINAL.sub(lambda match: ordinal_words(int(match[1])) if match[1] != "0" else "zero", text)
    text = text.replace("%", " percent ").replace("&", " and ").replace("@", " at ")
    text = _NUMBER.sub(
        lambda match: f" {number_words(int(match[0]))} " if len(match[0]) < 7 else _digits(match[0]), text
    )
    words = (word.strip("'") for word in _NOT_WORD.sub(" ", text).split())
    return " ".join(word for word in words if word)


def identifier_words(identifier: str) -> str:
    """``bookAppointment`` and ``book_appointment`` as ``book appointment``."""
    return spoken_words(_CAMEL.sub(" ", identifier).replace("_", " "))


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if minute == 0:
        return f"{number_words(hour)} o'clock"
    return f"{number_words(hour)} {'oh ' if minute < 10 else ''}{number_words(minute)}"


def _digits(number: str) -> str:
    return " " + " ".join(_ONES[int(digit)] for digit in number) + " "
