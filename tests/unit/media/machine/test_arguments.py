"""What a model filled in, held against the tool's schema."""

from __future__ import annotations

import time
from typing import Any

import pytest

from media.machine.arguments import argument_problems, schema_problem, strict_schema, without_nulls
from media.machine.reading import Section
from media.machine.tool_plan import read_tools

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^K"},
        "size": {"enum": ["s", "m"]},
        "count": {"type": "integer"},
    },
    "required": ["id"],
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"id": "K-1"}, ""),
        ({"id": "K-1", "more": 1}, ""),
        ({}, '"id" is a required property'),
        ({"id": "X"}, "id: "),
        ({"id": "K", "size": "l"}, "size: "),
        ({"id": "K", "count": "3"}, "count: "),
        ({"id": "K" * 40_000}, "longer than"),
    ],
)
def test_what_does_not_fit_is_told(arguments: dict[str, Any], words: str) -> None:
    problems = argument_problems(ORDER, arguments)
    assert words in problems
    assert bool(problems) == bool(words)


def test_the_first_problems_are_told() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    problems = argument_problems(schema, {f"a{number}": "x" for number in range(9)}).split("; ")
    assert len(problems) == 5
    assert len({problem.partition(":")[0] for problem in problems}) == 5


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"a": {"pattern": "(?=x)"}}},
        {"type": "nonsense"},
        {"properties": {"a": {"pattern": "("}}},
    ],
)
def test_schemas_that_cannot_be_used_are_named_and_fetch_nothing(schema: dict[str, Any]) -> None:
    assert schema_problem(schema)
    assert argument_problems(schema, {"a": "x"}) == ""


def test_hostile_patterns_take_no_time() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    began = time.thread_time()
    assert argument_problems(schema, {"a": "a" * 30_000 + "!"})
    assert time.thread_time() - began < 5


def test_a_strict_tool_is_shown_as_providers_demand_and_checked_as_it_was_written() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string", "minLength": 2}, "size": {"type": "string", "enum": ["s", "m"]}},
        "required": ["id"],
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "size": {"type": ["string", "null"], "enum": ["s", "m", None]},
        },
        "required": ["id", "size"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    plan = read_tools(Section({"model": {"tools": [tool]}}), server_available=True)["f"]
    assert plan.definition["strict"] is True
    assert without_nulls(schema, {"id": "K-1", "size": None}) == {"id": "K-1"}
    assert argument_problems(plan.parameters, {"id": "K"})
