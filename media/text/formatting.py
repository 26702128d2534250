"""Writing text out for speech: marks that nobody pronounces go, numbers, money, dates and addresses become words.

The order and the names of the steps, and which of them are on by default, follow the public
``voice.chunkPlan.formatPlan`` of Vapi's assistant schema. The words are English.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import msgspec

from domain.patterns import Pattern
from media.text import number_words

NUMBER_TO_DIGITS_CUTOFF = 2025
OFF_BY_DEFAULT = frozenset({"asterisk"})
UNPLACED = frozenset({"quote", "dash"})
"""Known to the schema without a place in the order; accepted, without effect."""


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What is replaced after everything else, ``count`` times (0: wherever it stands): a text, or what a pattern
    finds. In the value of a pattern ``$1`` and ``$&`` stand for what was matched, as in JavaScript."""

    pattern: str | Pattern
    value: str
    count: int = 0


class FormatPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``formatters`` names the steps that run; the removal of marks in angle brackets always does."""

    enabled: bool = True
    number_to_digits_cutoff: int = NUMBER_TO_DIGITS_CUTOFF
    formatters: frozenset[str] | None = None
    replacements: tuple[Replacement, ...] = ()

    def runs(self, name: str) -> bool:
        """Whether a step is on."""
        return name not in OFF_BY_DEFAULT if self.formatters is None else name in self.formatters


def speakable(plan: FormatPlan, text: str) -> str:
    """The text as the voice gets it; empty where there is nothing to say."""
    text = _ANGLE.sub(_keep_voice_marks, text) if "<" in text else text
    if plan.enabled:
        digit = _DIGIT.search(text) is not None
        for name, needs_digit, formatter in _STEPS:
            if (digit or not needs_digit) and plan.runs(name):
                text = formatter(plan, text)
        for replacement in plan.replacements:
            text = _replace(replacement, text)
    text = _SPACES.sub(" ", text).strip()
    return text if _SPOKEN.search(text) else ""


_SPOKEN = re.compile(r"\w|<(?:break|spell)")
_DIGIT = re.compile(r"\d")
_SPACES = re.compile(r"\s+")
_ANGLE = re.compile(r"<<[^<>]*>>|<[^<>]*>")
_VOICE_MARK = re.compile(r"<<|</?\s*(?:break|spell)\b", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*[^*]*\*")
_NEWLINE = re.compile(r"([.!?,;:]?)[ \t]*(?:\r?\n[ \t]*)+")
_COLON = re.compile(r":(?!\d|//)|(?<!\d):(?!//)")
_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
_KNOWN_ACRONYMS = frozenset(
    {"AIDS", "ASAP", "FIFA", "GIF", "LASER", "NASA", "NATO", "PIN", "RADAR", "SIM", "UNESCO", "UNICEF"}
)
_MONEY = re.compile(
    r"([$€£])\s?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2})(?!\d))?(\s(?:thousand|million|billion|trillion)\b)?"
)
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_SYMBOLS = {".": " dot ", "@": " at ", "-": " dash ", "_": " underscore ", "+": " plus "}
_DATE = re.compile(r"\b(\d{4})([-/ ])(\d{2})\2(\d{2})\b(?![-/])")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?!\d|:)")
_DISTANCES = {
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
}
_UNITS = {
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "mph": ("mile per hour", "miles per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kb": ("kilobyte", "kilobytes"),
    "mb": ("megabyte", "megabytes"),
    "gb": ("gigabyte", "gigabytes"),
    "°c": ("degree Celsius", "degrees Celsius"),
    "°f": ("degree Fahrenheit", "degrees Fahrenheit"),
}


def _measure(names: dict[str, tuple[str, str]]) -> re.Pattern[str]:
    units = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w.])(-?\d[\d,]*(?:\.\d+)?)\s?({units})(?![\w/])", re.IGNORECASE)


_DISTANCE, _UNIT = _measure(_DISTANCES), _measure(_UNITS)
_PERCENT = re.compile(r"(\d)\s?%")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{7,15}|(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])?\d{3}[.-]\d{4})(?![\w-])"
)
_ORDINAL = re.compile(r"(?<![\w.-])(\d{1,6})(?:st|nd|rd|th)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"\$(&|[1-9])")
_NUMBER = re.compile(r"(?<![\w.])(?<![A-Za-z]-)((?<!\S)-)?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?(?!\w)")


def _keep_voice_marks(found: re.Match[str]) -> str:
    return found[0] if _VOICE_MARK.match(found[0]) else ""


def _markdown(_: FormatPlan, text: str) -> str:
    return text.translate({ord(mark): None for mark in "_`~"})


def _asterisk(_: FormatPlan, text: str) -> str:
    return _EMPHASIS.sub("", text)


def _newline(_: FormatPlan, text: str) -> str:
    return _NEWLINE.sub(lambda found: f"{found[1] or '.'} ", text.strip("\r\n"))


def _colon(_: FormatPlan, text: str) -> str:
    return _COLON.sub(".", text)


def _acronym(_: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        word = found[0]
        if word in _KNOWN_ACRONYMS:
            return word.lower()
        return word if set(word) & set("AEIOUY") else " ".join(word)

    return _CAPITALS.sub(spoken, text)


def _money(_: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        one, many, cent, cents = _CURRENCIES[found[1]]
        whole, fraction, scale = int(found[2].replace(",", "")), found[3], found[4]
        if scale:
            point = f" point {_each_digit(fraction)}" if fraction else ""
            return f"{number_words.cardinal(whole)}{point}{scale} {many}"
        small = int(fraction.ljust(2, "0")) if fraction else 0
        big = f"{number_words.cardinal(whole)} {one if whole == 1 else many}"
        if not small:
            return big
        little = f"{number_words.cardinal(small)} {cent if small == 1 else cents}"
        return f"{big} and {little}" if whole else little

    return _MONEY.sub(spoken, text)


def _email(_: FormatPlan, text: str) -> str:
    return _EMAIL.sub(lambda found: "".join(_SYMBOLS.get(character, character) for character in found[0]), text)


def _date(_: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        try:
            day = date(int(found[1]), int(found[3]), int(found[4]))
        except ValueError:
            return found[0]
        return f"{day:%A}, {day:%B} {number_words.ordinal(day.day)}, {number_words.year(day.year)}"

    return _DATE.sub(spoken, text)


def _time(_: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        hour, minute = str(int(found[1])), int(found[2])
        if not minute:
            return hour
        return f"{hour} {'oh ' if minute < 10 else ''}{minute}"

    return _TIME.sub(spoken, text)


def _in_words(names: dict[str, tuple[str, str]]) -> Callable[[re.Match[str]], str]:
    def spoken(found: re.Match[str]) -> str:
        one, many = names[found[2].lower()]
        return f"{found[1]} {one if found[1] in ('1', '-1') else many}"

    return spoken


def _distance(_: FormatPlan, text: str) -> str:
    return _DISTANCE.sub(_in_words(_DISTANCES), text)


def _unit(_: FormatPlan, text: str) -> str:
    return _UNIT.sub(_in_words(_UNITS), text)


def _percentage(_: FormatPlan, text: str) -> str:
    return _PERCENT.sub(r"\1 percent", text)


def _phone_number(_: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        return ("plus " if found[0].startswith("+") else "") + number_words.digits(found[0])

    return _PHONE.sub(spoken, text)


def _number(plan: FormatPlan, text: str) -> str:
    def spoken(found: re.Match[str]) -> str:
        minus, whole, fraction = "minus " if found[1] else "", found[2].replace(",", ""), found[3]
        leading_zero = len(whole) > 1 and whole.startswith("0")
        if leading_zero or int(whole) > plan.number_to_digits_cutoff:
            words = number_words.digits(whole)
        else:
            words = number_words.cardinal(int(whole))
        return minus + words + (f" point {_each_digit(fraction)}" if fraction else "")

    text = _ORDINAL.sub(lambda found: number_words.ordinal(int(found[1])), text)
    return _NUMBER.sub(spoken, text)


def _strip_asterisk(_: FormatPlan, text: str) -> str:
    return text.replace("*", "")


def _each_digit(text: str) -> str:
    return " ".join(number_words.cardinal(int(character)) for character in text)


def _replace(replacement: Replacement, text: str) -> str:
    value, count = replacement.value, replacement.count
    if isinstance(replacement.pattern, str):
        return text.replace(replacement.pattern, value, count or -1)

    def expanded(found: tuple[str, ...]) -> str:
        return _REFERENCE.sub(lambda reference: _group(found, reference[1]), value)

    return replacement.pattern.replace(text, expanded, count)


def _group(found: tuple[str, ...], reference: str) -> str:
    """What JavaScript's ``$1`` or ``$&`` stands for; a group that does not exist stands for itself."""
    if reference == "&":
        return found[0]
    number = int(reference)
    return f"${reference}" if number >= len(found) else found[number]


_STEPS: tuple[tuple[str, bool, Callable[[FormatPlan, str], str]], ...] = (
    ("markdown", False, _markdown),
    ("asterisk", False, _asterisk),
    ("newline", False, _newline),
    ("colon", False, _colon),
    ("acronym", False, _acronym),
    ("dollarAmount", True, _money),
    ("email", False, _email),
    ("date", True, _date),
    ("time", True, _time),
    ("distance", True, _distance),
    ("unit", True, _unit),
    ("percentage", True, _percentage),
    ("phoneNumber", True, _phone_number),
    ("number", True, _number),
    ("stripAsterisk", False, _strip_asterisk),
)
FORMATTERS: frozenset[str] = frozenset(name for name, _, _ in _STEPS) | UNPLACED
"""Every name that ``formattersEnabled`` may hold."""
