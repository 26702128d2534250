"""Finding days, times, numbers, names and choices in what a caller said."""

from __future__ import annotations

import re
from collections.abc import Iterable

from media.providers.local.language.conversation import DAY_PARTS, MONTHS, WEEKDAYS
from media.providers.local.language.spoken import spoken_words

_UNITS_TEXT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS_TEXT = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {word: value for value, word in enumerate(_UNITS_TEXT.split())} | {"oh": 0}
_TENS = {word: 10 * value for value, word in enumerate(_TENS_TEXT.split(), start=2)}
_ORDINALS_TEXT = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
_ORDINAL = rf"(?:(?:twenty|thirty) )?(?:{'|'.join(_ORDINALS_TEXT.split())})"
_WEEKDAY = "|".join(WEEKDAYS)
_MONTH = "|".join(MONTHS)
_HOUR = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_MINUTE = "oh five|five|ten|fifteen|twenty five|twenty|thirty five|thirty|forty five|forty|fifty five|fifty"

_DAY = re.compile(
    rf"\b(?:(?:{_MONTH}) (?:the )?{_ORDINAL}|(?:the )?{_ORDINAL} of (?:{_MONTH})|the day after tomorrow|"
    rf"(?:next |this )?(?:{_WEEKDAY})|today|tomorrow|tonight|next week|this week|next month|"
    rf"this (?:{'|'.join(DAY_PARTS)})|the {_ORDINAL}(?= (?:at|in|please)|$))\b"
)
_TIME = re.compile(
    rf"\b(?:(?:half|quarter|ten|twenty|five) (?:past|to) (?:{_HOUR})|(?:{_HOUR}) o'clock|"
    rf"(?:{_HOUR}) (?:{_MINUTE})(?: [ap] m)?|(?:{_HOUR}) [ap] m|"
    rf"(?<=at )(?:{_HOUR})(?: in the (?:{'|'.join(DAY_PARTS)}))?|"
    rf"(?:{_HOUR}) in the (?:{'|'.join(DAY_PARTS)})|noon|midday|midnight|lunch time)\b"
)
_BARE_HOUR = re.compile(rf"^(?:at |around |about |maybe |at about )?({_HOUR})(?: please)?$")
_PARTY = re.compile(r"\b((?:[a-z]+ )?[a-z]+) (?:people|persons|guests|adults)\b|\bfor ([a-z]+)(?: please)?$")
_DAY_PART = re.compile(rf"\b(?:{'|'.join(DAY_PARTS)}|tonight)\b")
_NAME = re.compile(
    r"\b(?:my name is|my name's|this is|i am called|the name is|call me|i am|i'm|it is|it's) ((?:[a-z']+ ?){1,3})$"
)
_LEADING = re.compile(
    r"^(?:(?:uh|um|yes|well|it's|it is|that's|that is|the|a|an|my|for|on|at|i want|i would like|"
    r"i'd like|please|okay|hello|hi) )+"
)
_TRAILING = re.compile(r"(?: (?:please|thank you|thanks|instead))+$")
_YES = re.compile(
    r"^(?:(?:oh|well|okay|hm|hello) )?(?:yes|yeah|yep|sure|okay|ok|correct|right|exactly|absolutely|perfect|great|fine|"
    r"of course|please do|go ahead|that's right|that is right|that's fine|that is fine|that works|that sounds|"
    r"sounds good|that would be|that is correct|that's correct|do that|i would|i do)\b"
)
_NO = re.compile(
    r"^(?:(?:oh|well|sorry|hm) )?(?:no|nope|not|don't|do not|wrong|that is wrong|that's wrong|that is not|"
    r"that's not|i did not|i didn't|never)\b"
)


def find_day(text: str) -> str | None:
    """A day as it was said, week days and months with a capital."""
    match = _DAY.search(text)
    if match is None:
        return None
    return "today" if match[0] == "tonight" or match[0][5:] in DAY_PARTS else _capitals(match[0])


def find_time(text: str) -> str | None:
    """A time of day as it was said; a part of the day only when no clock time was."""
    if match := _TIME.search(_DAY.sub(" ", text)):
        return match[0]
    if bare := _BARE_HOUR.match(text):
        return f"{bare[1]} o'clock"
    part = _DAY_PART.search(text)
    return {"tonight": "evening"}.get(part[0], part[0]) if part else None


def find_party(text: str) -> int | None:
    """How many people are meant, when the words make clear that people are."""
    match = _PARTY.search(text)
    return find_number(match[1] or match[2]) if match else None


def find_number(text: str) -> int | None:
    """The first number said, up to thousands."""
    total = current = 0
    found = False
    for word in text.split():
        if word in _UNITS:
            current += _UNITS[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred" and found:
            current = max(current, 1) * 100
        elif word == "thousand" and found:
            total += max(current, 1) * 1000
            current = 0
        elif found and word != "and":
            break
        elif not found:
            continue
        found = True
    return total + current if found else None


def find_digits(text: str) -> str | None:
    """A spoken code or telephone number as digits (``double three`` is two threes)."""
    digits: list[str] = []
    repeat = 1
    for word in text.split():
        if word in ("double", "triple"):
            repeat = 2 if word == "double" else 3
        elif word in _UNITS:
            digits.append(str(_UNITS[word]) * repeat)
            repeat = 1
        elif word in _TENS:
            digits.append(str(_TENS[word]))
    joined = "".join(digits)
    return joined if len(joined) > 1 else None


def find_name(text: str, *, asked: bool) -> str | None:
    """A person's name: after the words that introduce one, or the whole of a short answer when it was asked for."""
    match = _NAME.search(text)
    if match and (asked or re.search(r"\bname|\bthis is\b|call me", text)):
        return " ".join(word.capitalize() for word in match[1].split())
    if asked and 0 < len(words := free_text(text).split()) <= 3 and not is_no(text):
        return " ".join(word.capitalize() for word in words)
    return None


def find_email(text: str) -> str | None:
    """``john at example dot com`` as an address."""
    match = re.search(r"\b((?:[a-z]+(?: dot | underscore )?)+) at ((?:[a-z]+ dot )+[a-z]+)\b", text)
    if match is None:
        return None
    local = match[1].replace(" dot ", ".").replace(" underscore ", "_").split()[-1]
    return f"{local}@{match[2].replace(' dot ', '.')}"


def find_choice(text: str, choices: Iterable[str]) -> str | None:
    """The choice that was said; the longest when one is part of another."""
    padded = f" {text} "
    said = [choice for choice in choices if (words := spoken_words(choice)) and _contains(padded, words)]
    return max(said, key=len, default=None)


def free_text(text: str) -> str:
    """An answer without the words that only introduce or close it."""
    return _TRAILING.sub("", _LEADING.sub("", text)).strip()


def is_yes(text: str) -> bool:
    """Agreement."""
    return bool(_YES.match(text))


def is_no(text: str) -> bool:
    """Refusal or correction."""
    return bool(_NO.match(text))


def clock_time(said: str) -> str:
    """``half past nine`` as ``09:30``, for parameters of the JSON schema format ``time``; unknown words stay."""
    words = said.split()
    hours = [_UNITS[word] for word in words if word in _UNITS]
    if said in ("noon", "midday"):
        return "12:00"
    if not hours:
        return said
    hour, minute = hours[0], 0
    match words:
        case ["half", "past", *_]:
            minute = 30
        case [first, "past", *_]:
            hour, minute = hours[-1], 15 if first == "quarter" else (find_number(first) or 0)
        case [first, "to", *_]:
            hour, minute = hours[-1] - 1, 60 - (15 if first == "quarter" else (find_number(first) or 0))
        case _:
            rest = find_number(" ".join(words[1:]))
            minute = rest or 0
    afternoon = "p m" in said or "afternoon" in said or "evening" in said
    if afternoon and hour < 12:
        hour += 12
    return f"{hour % 24:02d}:{minute % 60:02d}"


def _contains(padded: str, words: str) -> bool:
    return f" {words} " in padded or f" {words}s " in padded


def _capitals(day: str) -> str:
    return " ".join(word.capitalize() if word in WEEKDAYS or word in MONTHS else word for word in day.split())
