"""How text is written out for speech."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.patterns import pattern
from media.text.formatting import FORMATTERS, FormatPlan, Replacement, speakable
from media.text.number_words import cardinal, ordinal, year


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("go <b> on", "go on"),
        ('wait <break time="1s"/> now', 'wait <break time="1s"/> now'),
        ("<spell>AB1</spell>", "<spell>AB1</spell>"),
        ("keep <<this>> mark", "keep <<this>> mark"),
        ("`code` and ~tilde~ and _under_", "code and tilde and under"),
        ("*sighs* well", "sighs well"),
        ("one\ntwo.\nthree", "one. two. three"),
        ("total: five", "total. five"),
        ("see https://x.example", "see https://x.example"),
        ("NASA and the HTML of the FBI", "nasa and the H T M L of the FBI"),
        ("$3.20", "three dollars and twenty cents"),
        ("$1", "one dollar"),
        ("$0.50", "fifty cents"),
        ("$1.01", "one dollar and one cent"),
        ("$1,200", "one thousand two hundred dollars"),
        ("$2.5 million", "two point five million dollars"),
        ("it costs $5.", "it costs five dollars."),
        ("€9.99", "nine euros and ninety-nine cents"),
        ("a.b@c.io", "a dot b at c dot io"),
        ("2026 03 09", "Monday, March ninth, twenty twenty-six"),
        ("on 2005-12-31.", "on Saturday, December thirty-first, two thousand five."),
        ("2026-13-40", "2 0 2 6-thirteen-forty"),
        ("at 14:00", "at fourteen"),
        ("at 9:05 am", "at nine oh five am"),
        ("at 9:30", "at nine thirty"),
        ("5km", "five kilometers"),
        ("1 mi", "one mile"),
        ("2.5kg", "two point five kilograms"),
        ("-3 °C", "minus three degrees Celsius"),
        ("20%", "twenty percent"),
        ("555-0100", "five five five zero one zero zero"),
        ("+1 (212) 555-0100", "plus one two one two five five five zero one zero zero"),
        ("-9", "minus nine"),
        ("3.14", "three point one four"),
        ("2025", "two thousand twenty-five"),
        ("48211", "4 8 2 1 1"),
        ("007", "0 0 7"),
        ("1,200 people", "one thousand two hundred people"),
        ("the 21st", "the twenty-first"),
        ("order K-204", "order K-204"),
        ("B2B", "B2B"),
        ("Well, hello!", "Well, hello!"),
        ("* ... *", ""),
        ("", ""),
    ],
)
def test_defaults(written: str, spoken: str) -> None:
    assert speakable(FormatPlan(), written) == spoken


def test_only_the_named_steps_run_besides_the_essential_one() -> None:
    plan = FormatPlan(formatters=frozenset({"dollarAmount"}))
    assert speakable(plan, "<i>_a_ $5 20%") == "_a_ five dollars 20%"
    assert speakable(FormatPlan(formatters=frozenset({"asterisk"})), "*sighs* well") == "well"
    assert speakable(FormatPlan(formatters=frozenset()), "*sighs* 5") == "*sighs* 5"


def test_switched_off() -> None:
    assert speakable(FormatPlan(enabled=False), "<i>$5 *x*") == "$5 *x*"


def test_cutoff() -> None:
    assert speakable(FormatPlan(number_to_digits_cutoff=100), "99 and 101") == "ninety-nine and 1 0 1"
    assert speakable(FormatPlan(number_to_digits_cutoff=0), "7") == "7"


def test_replacements_come_last() -> None:
    plan = FormatPlan(
        replacements=(
            Replacement(pattern="five", value="cinq", count=1),
            Replacement(pattern=pattern(r"(\w+) dollars"), value="dollars $1 $9 $&"),
        )
    )
    assert speakable(plan, "$5 and 5") == "dollars cinq $9 cinq dollars and five"


@given(
    st.text(alphabet=st.sampled_from("aB1 0.,:$%*_<>/-+@°kmC\n"), max_size=40),
    st.sets(st.sampled_from(sorted(FORMATTERS))),
)
def test_no_text_is_too_odd(text: str, formatters: set[str]) -> None:
    once = speakable(FormatPlan(formatters=frozenset(formatters)), text)
    assert once == once.strip()
    assert "\n" not in once


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (1_000_001, "one million one"),
        (-17, "minus seventeen"),
        (10**15, "1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"),
    ],
)
def test_cardinals(number: int, words: str) -> None:
    assert cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (12, "twelfth"), (20, "twentieth"), (23, "twenty-third"), (100, "one hundredth")],
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1999, "nineteen ninety-nine"), (1900, "nineteen hundred"), (1905, "nineteen oh five"), (2000, "two thousand")],
)
def test_years(number: int, words: str) -> None:
    assert year(number) == words
