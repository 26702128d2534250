from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.liquid_dialect import ITERATION_LIMIT, NESTING_LIMIT, OUTPUT_LIMIT
from domain.templates import MARKUP_LENGTH_LIMIT, MARKUP_LIMIT, SOURCE_LIMIT, render

NOW = datetime(2026, 11, 21, 17, 5, 6, 789000, tzinfo=UTC)
VARIABLES: dict[str, Any] = {
    "name": "Ann",
    "customer": {"number": "+4973112345", "tags": ["new", "vip"]},
    "count": 3,
    "empty": None,
    "long": "a" * 100_000,
    "open_tags": "<script " * 12_000,
    "now": "Nov 21, 2026, 5:05 PM UTC",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("No markup at all }} %}", "No markup at all }} %}"),
        ("Hi {{name}}, {{ customer.number }}", "Hi Ann, +4973112345"),
        ("{{ customer.tags[1] }} {{ customer.tags.first }}", "vip new"),
        ("{% if count > 2 %}many{% else %}few{% endif %}", "many"),
        ("{% for tag in customer.tags %}{{ forloop.index }}{{ tag }} {% endfor %}", "1new 2vip "),
        ("{{ name | upcase | append: '!' }}", "ANN!"),
        ("{{ customer | json }}", '{"number":"+4973112345","tags":["new","vip"]}'),
        ("{{ name | no_such_filter }}", "Ann"),
        ("{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("{{ missing | default: 'you' }}{% if missing %}x{% endif %}", "you"),
        ("[{{ empty }}]", "[]"),
    ],
)
def test_rendering(template: str, text: str) -> None:
    rendered = render(template, VARIABLES, now=NOW)
    assert (rendered.text, rendered.problems) == (text, ())


def test_an_unknown_variable_is_empty_and_named_once_with_its_path() -> None:
    rendered = render("[{{ customer.age }}{{ customer.age }}{{ nobody }}]", VARIABLES, now=NOW, field="firstMessage")
    assert rendered.text == "[]"
    assert [(problem.code, problem.field) for problem in rendered.problems] == [
        ("template-unknown-variable", "firstMessage")
    ] * 2
    assert "customer.age" in rendered.problems[0].detail
    assert "nobody" in rendered.problems[1].detail


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{"now" | date: "%b %d, %Y, %I:%M %p", "America/New_York"}}', "Nov 21, 2026, 12:05 PM"),
        ('{{ "now" | date: "%Y-%m-%d %H:%M" }}', "2026-11-21 17:05"),
        ('{{ "today" | date: "%A" }} {{ today | date: "%A" }}', "Saturday Saturday"),
        ('{{ now | date: "%B %-d" }}', "November 21"),
        ('{{ "now" | date: "%-d%q %s %L %:z %%" }}', "21st 1795280706 789 +00:00 %"),
        ('{{ "now" | date: "%H:%M", 300 }}', "12:05"),
        ('{{ "2024-02-29T23:30:00-05:00" | date: "%d %H" }}', "01 04"),
        ('{{ "March 3, 2025" | date: "%F", "Europe/Berlin" }}', "2025-03-03"),
        ('{{ 0 | date: "%F" }} {{ "0" | date: "%F" }}', "1970-01-01 1970-01-01"),
        (
            '{{ "11:59" | date: "%P %p" }} {{ "12:00" | date: "%P %p" }} {{ "0:00" | date: "%P %p" }}',
            "am AM pm PM am AM",
        ),
        ('{{ "next week" | date: "%F" }}', "next week"),
        ('{{ missing | date: "%F" }}', ""),
    ],
)
def test_dates_follow_the_time_they_are_given(template: str, text: str) -> None:
    assert render(template, VARIABLES, now=NOW).text == text


@for_all(st.integers(31_536_000, 7_258_118_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_now_is_the_argument_and_never_the_clock(now: datetime) -> None:
    pattern = "%Y-%m-%dT%H:%M:%S"
    template = "".join(f"{{{{ {word} | date: '{pattern}' }}}}," for word in ('"now"', '"today"', "now", "today"))
    assert render(template, {}, now=now).text == f"{now:{pattern}}," * 4


@pytest.mark.parametrize("zone", ['"Mars/Olympus"', '"../../etc/passwd"', "customer"])
def test_an_unknown_time_zone_leaves_the_text_as_written(zone: str) -> None:
    template = f'At {{{{ "now" | date: "%H", {zone} }}}}'
    rendered = render(template, VARIABLES, now=NOW)
    assert rendered.text == template
    assert rendered.problems[0].code == "template-failed"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ name }} said {% nonsense", "Ann said {% nonsense"),
        ("{{ name }} {{ not liquid at all }} {{customer.number}}", "Ann {{ not liquid at all }} +4973112345"),
        ('{% include "secrets" %}{{ name }}', '{% include "secrets" %}Ann'),
        ('{% render "secrets" %}{{ name }}', '{% render "secrets" %}Ann'),
        ("{{ count }} {{ customer.tags }} {% if %}", '3 ["new","vip"] {% if %}'),
    ],
)
def test_what_is_not_liquid_gets_its_plain_tokens_filled_in(template: str, text: str) -> None:
    rendered = render(template, VARIABLES, now=NOW)
    assert rendered.text == text
    assert rendered.problems[0].code == "template-not-liquid"


def test_a_plain_token_without_value_is_empty_and_named() -> None:
    rendered = render("{{ nobody.home }}{% nonsense", VARIABLES, now=NOW)
    assert rendered.text == "{% nonsense"
    assert [problem.code for problem in rendered.problems] == ["template-not-liquid", "template-unknown-variable"]


LIMITS = {
    "source": "{{ name }}" + "x" * SOURCE_LIMIT,
    "markup": "{{ name }}" * (MARKUP_LIMIT + 1),
    "one tag": "{{ name" + " | upcase" * (MARKUP_LENGTH_LIMIT // 9 + 1) + " }}",
    "nesting": "{% if true %}" * (NESTING_LIMIT + 2) + "{% endif %}" * (NESTING_LIMIT + 2),
    "parentheses": "{% if " + "(" * 900 + "true" + ")" * 900 + " %}x{% endif %}",
    "one loop": f"{{% for i in (1..{ITERATION_LIMIT + 1}) %}}.{{% endfor %}}",
    "huge range": "{% for i in (1..999999999999) %}.{% endfor %}",
    "range made a list": "{{ (1..99999999) | sort | size }}",
    "range as argument": "{{ customer.tags | concat: (1..99999999) }}",
    "nested loops": "{% for i in (1..100) %}{% for j in (1..100) %}.{% endfor %}{% endfor %}",
    "loops in a row": "{% for i in (1..600) %}.{% endfor %}{% for i in (1..600) %}.{% endfor %}",
    "long loop body": "{% for i in (1..1000) %}" + "{% cycle 'a', 'b' %}" * 490 + "{% endfor %}",
    "many variables": "{% for i in (1..900) %}"
    + "".join(f"{{% assign a{n} = i %}}" for n in range(400))
    + "{% endfor %}",
    "output": "{{ long }}" * (OUTPUT_LIMIT // 100_000 + 1),
    "doubling": "{% assign a = 'xx' %}" + "{% assign a = a | append: a %}" * 40 + "{{ a }}",
    "replacing": "{{ long | replace: 'a', long }}",
    "joining": "{{ long | split: '' | join: long }}",
    "big numbers": "{% assign n = 99999999999 %}" + "{% assign n = n | times: n %}" * 30 + "{{ n }}",
    "tag search": "{{ open_tags | strip_html }}",
    "work in a loop": "{% for i in (1..900) %}{{ long | upcase | size }}{% endfor %}",
    "never closed outputs": "{{" * 490 + "x" * 90_000,
    "never closed tags": ("{%" + "x" * 150) * 490,
    "never closed raw": "{% raw %}" * 490 + "x" * 90_000,
}
"""Each of these took python-liquid alone seconds, gigabytes or the whole stack."""


@pytest.mark.timeout(10)
@pytest.mark.parametrize("case", LIMITS)
def test_beyond_a_limit_the_text_stays_as_written(case: str) -> None:
    rendered = render(LIMITS[case], VARIABLES, now=NOW)
    assert rendered.text == LIMITS[case]
    assert rendered.problems
    assert rendered.problems[0].code in {"template-limit-exceeded", "template-not-liquid", "template-failed"}


def test_within_the_limits_a_template_may_loop_and_nest() -> None:
    loop = f"{{% for i in (1..{ITERATION_LIMIT}) %}}.{{% endfor %}}"
    assert render(loop, {}, now=NOW).text == "." * ITERATION_LIMIT
    nested = "{% if true %}" * (NESTING_LIMIT - 1) + "x" + "{% endif %}" * (NESTING_LIMIT - 1)
    assert render(nested, {}, now=NOW).text == "x"


@pytest.mark.parametrize("template", ["{{ 1 | divided_by: 0 }}", "{{ name | slice: 'x' }}"])
def test_an_error_while_rendering_leaves_the_text_as_written(template: str) -> None:
    rendered = render(template, VARIABLES, now=NOW)
    assert rendered.text == template
    assert rendered.problems[0].code == "template-failed"


def test_a_problem_does_not_quote_the_template() -> None:
    for template in ("{{ 1 | divided_by: 0 }} my secret prompt", "{{ my secret prompt {% x"):
        (problem, *_) = render(template, VARIABLES, now=NOW).problems
        assert "secret prompt" not in problem.detail


FRAGMENTS = (
    *("{{", "}}", "{%", "%}", "|", "'", "-", "[0]", "x", '"now"', "(1..3)", " name ", "customer.tags"),
    *("if ", "endif", "for i in ", "endfor", "case", "when", "raw", "endraw", "comment", " assign a = ", " date: "),
)


@for_all(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_no_text_makes_rendering_raise(template: str) -> None:
    rendered = render(template, VARIABLES, now=NOW)
    assert rendered.problems or isinstance(rendered.text, str)


@for_all(st.text(alphabet='}%|x \n"é'))
def test_text_without_markup_is_untouched(text: str) -> None:
    assert render(text, VARIABLES, now=NOW) == render(text, {}, now=NOW)
    assert render(text, VARIABLES, now=NOW).text == text
