"""Variables out of answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.extraction import MOST_CHARACTERS, extract
from domain.call.variables import PLATFORM_VARIABLES

NOW = datetime(2026, 3, 4, tzinfo=UTC)
PEOPLE = {"type": "array", "title": "people", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}


def values(plan: Any, body: Any, **more: Any) -> dict[str, Any]:
    return extract(plan, body, variables=more.pop("variables", {}), now=NOW, **more).values


@pytest.mark.parametrize(
    ("schema", "body", "found"),
    [
        (
            {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
            {"name": "Mina", "age": 30, "other": 1},
            {"name": "Mina", "age": 30},
        ),
        (
            {"properties": {"user": {"properties": {"name": {}}}}},
            {"user": {"name": "Mina", "x": 1}},
            {"user": {"name": "Mina"}},
        ),
        ({"type": "object", "properties": {"age": {"type": "integer"}}}, {"age": "30"}, {}),
        (PEOPLE, [{"name": "A", "x": 1}, {"name": "B"}, 3], {"people": [{"name": "A"}, {"name": "B"}]}),
        ({"type": "string"}, "plain", {"result": "plain"}),
        ({"type": "number"}, True, {}),
        ({"type": "object", "properties": {"a": {}}}, '{"a": 1}', {"a": 1}),
    ],
)
def test_a_schema_selects(schema: dict[str, Any], body: Any, found: dict[str, Any]) -> None:
    assert values({"schema": schema}, body) == found


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ name }}", "Mina"),
        ("Hello {{ name }}, from {{ shop }}!", "Hello Mina, from Leeds!"),
        ("{{ $.orders[0].id }}", "K-1"),
        ("{{$.name}}", "Mina"),
        ("{{ tool.response.headers.x-region }}", "north"),
        ("{{ tool.response.body.name | upcase }}", "MINA"),
        ("cost $5 {{ '$' }}", "cost $5 $"),
    ],
)
def test_aliases_compute(template: str, text: str) -> None:
    body = {"name": "Mina", "orders": [{"id": "K-1"}]}
    plan = {"aliases": [{"key": "it", "value": template}]}
    assert values(plan, body, headers={"x-region": "north"}, variables={"shop": "Leeds"}) == {"it": text}


def test_aliases_build_on_each_other_and_arrays_are_reached_by_the_whole() -> None:
    plan = {"aliases": [{"key": "first", "value": "{{ $[0] }}"}, {"key": "greeting", "value": "Hi {{ first }}"}]}
    assert values(plan, ["Mina"]) == {"first": "Mina", "greeting": "Hi Mina"}


def test_what_cannot_be_extracted_is_told_and_the_rest_is_kept() -> None:
    long = "x" * (MOST_CHARACTERS + 1)
    plan = {
        "schema": {"type": "object", "properties": {"long": {}, "short": {}}},
        "aliases": [{"key": "1bad", "value": "x"}, {"key": "good", "value": "y"}, {"key": "call", "value": "z"}, None],
    }
    found = extract(plan, {"long": long, "short": 1}, variables={}, now=NOW)
    assert found.values == {"short": 1, "good": "y"}
    assert len(found.problems) == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values, st.sampled_from(sorted(PLATFORM_VARIABLES)))
def test_no_plan_and_no_answer_raises_or_changes_a_fact_of_the_call(schema: Any, body: Any, name: str) -> None:
    for aliases in ([{"key": name, "value": "x"}, schema], schema):
        plan = {"schema": schema, "aliases": aliases}
        assert PLATFORM_VARIABLES.isdisjoint(extract(plan, body, variables={}, now=NOW).values)
