"""Given formulas as dashboards write them, then they compute what a calculator does, and nothing else runs."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.insights.formula import DEEPEST, FormulaInvalid, evaluate, parse_formula

RESULTS = {"a": 6.0, "b": 4.0, "Was Booked": 3.0, "none": None, "zero": 0.0}


def computed(text: str) -> float | None:
    return evaluate(parse_formula(text, RESULTS), RESULTS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{a}}", 6),
        ("a", 6),
        ("{{['Was Booked']}} / {{ a }} * 100", 50),
        ('({{["Was Booked"]}} * 10) + {{[Was Booked]}}', 33),
        ("{{Was Booked}} + 1", 4),
        ("a - b - 1", 1),
        ("a / b / 3", 0.5),
        ("a + b * 2", 14),
        ("(a + b) * 2", 20),
        ("a % b", 2),
        ("-a ^ 2", -36),
        ("2 ^ 3 ^ (a - 4)", 512),
        ("2 ^ -1 * a", 3),
        ("- - a", 6),
        ("a > b", 1),
        ("a <= b", 0),
        ("(a == 6) * 5", 5),
        ("a != 6", 0),
        ("round(a / 4)", 2),
        ("round(a / 4 - 3)", -2),
        ("round(a / 7, 2)", 0.86),
        ("floor(a / 4) + ceil(a / 4)", 3),
        ("abs(b - a)", 2),
        ("min(a, b, 3) + max(a, b)", 9),
        ("sqrt(b) + log(a / a) + log(100 * a / a, 10)", 4),
        (".5 * a + 1e1", 13),
    ],
)
def test_it_computes(text: str, value: float) -> None:
    assert computed(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["a / zero", "a % zero", "none + 1", "a * none", "sqrt(0 - a)", "log(zero)", "(0 - a) ^ 0.5", "9 ^ 9 ^ 9 ^ a"],
)
def test_where_there_is_no_number_there_is_none(text: str) -> None:
    assert computed(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must have 1 to 1000"),
        ("1 + a" + " " * 1000, "must have 1 to 1000"),
        ("1 + 1", "must refer to at least one query"),
        ("c + 1", "refers to 'c'; the queries are Was Booked, a, b"),
        ("{{['unknown']}}", "refers to 'unknown'"),
        ("a +", "ends early"),
        ("a b", "has 'b' where an operator"),
        ("(a", "misses )"),
        ("round(a, 1, 2)", "gives round 3 arguments; it takes 1 to 2"),
        ("sqrt(a, 1)", "gives sqrt 2 arguments; it takes 1"),
        ("eval(a)", "has no function eval; there are round, floor"),
        ("f(x) + a", "has no function f"),
        ("x = a", "which is none of"),
        ("a = 1", "which is none of numbers"),
        ("a.__class__", "which is none of"),
        ("a[0]", "which is none of"),
        ("'a'", "which is none of"),
        ("a; b", "which is none of"),
        ("(" * 60 + "a" + ")" * 60, f"deeper than {DEEPEST} levels"),
        ("-" * 100 + "a", f"deeper than {DEEPEST} levels"),
    ],
)
def test_everything_else_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(FormulaInvalid, match=re.escape(reason)):
        parse_formula(text, RESULTS)


@given(st.text(alphabet="ab0123456789.+-*/%^()<>=!,{}[]'\" eround", max_size=60))
def test_any_text_computes_or_is_refused(text: str) -> None:
    try:
        expression = parse_formula(text, RESULTS)
    except FormulaInvalid:
        return
    value = evaluate(expression, RESULTS)
    assert value is None or math.isfinite(value)


_TREES = st.recursive(
    st.sampled_from(["a", "b", "2.5", "7"]),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda part: f"({' '.join(part)})"),
    max_leaves=12,
)


@given(_TREES)
def test_it_agrees_with_python_on_arithmetic(text: str) -> None:
    names = {"a": 6.0, "b": 4.0}
    expected = eval(text, {"__builtins__": {}}, names)
    assert evaluate(parse_formula(f"{text} + 0 * a", RESULTS), RESULTS) == pytest.approx(expected)


def test_a_formula_as_long_as_may_be_computes_however_deep_it_is() -> None:
    assert computed("a" + "+1" * 499) == 505
    assert computed("-".join(["b"] * 500)) == 4 - 499 * 4
