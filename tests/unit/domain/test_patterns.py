"""Tenants' regular expressions: JavaScript's meaning, and no expression that takes for ever."""

from __future__ import annotations

import time

import pytest

from domain.patterns import PatternInvalid, pattern


@pytest.mark.parametrize("source", ["(a+)+$", "(a|a)*$", "(.*a){25}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
def test_exponential_patterns_are_harmless(source: str) -> None:
    """A backtracking engine takes longer than the age of the universe for each of these."""
    expression = pattern(source)
    started = time.process_time()
    expression.found_in("a" * 2_000 + "x" * 2_000 + "!")
    expression.replace("a" * 2_000 + "!", lambda found: "-")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("source", "options", "text", "found"),
    [
        ("spell", {}, "please SPELL it", False),
        ("spell", {"ignore_case": True}, "please SPELL it", True),
        ("spell", {"whole_word": True}, "misspelled", False),
        ("a|spell", {"whole_word": True}, "to spell", True),
        ("^two$", {}, "one\ntwo", False),
        ("^two$", {"multi_line": True}, "one\ntwo", True),
        ("one$", {}, "one\n", False),
        (r"\d", {}, "٣", False),
        (r"caf\u00e9", {}, "un café", True),
        (r"\u{1F600}", {}, "ha 😀", True),
        (r"\\u00e9", {}, r"\u00e9", True),
        (r"(?<year>\d{4})-(?:\d\d)", {}, "on 2026-11-21", True),
        (r"a\/b", {}, "a/b", True),
    ],
)
def test_the_meaning_is_that_of_javascript(source: str, options: dict[str, bool], text: str, found: bool) -> None:
    assert pattern(source, **options).found_in(text) is found


def test_replacing() -> None:
    expression = pattern(r"(\w+)@(\w+)?")
    assert expression.replace("ann@home bob@", lambda found: f"{found[1]} at {found[2]}|") == "ann at home| bob at |"
    assert expression.replace("ann@home bob@", lambda found: "x", 1) == "x bob@"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(", "not a regular expression"),
        ("[", "not a regular expression"),
        ("(?=never)", "look-around"),
        (r"(a)\1", "back-reference"),
        ("((a{1,1000}){1,1000}){1,1000}", "not a regular expression"),
        ("a" * 5_000, "longer"),
        ("\ud800", "not a regular expression"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(source: str, reason: str) -> None:
    with pytest.raises(PatternInvalid, match=reason) as refused:
        pattern(source)
    assert refused.value.fix
