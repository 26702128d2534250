"""Variables out of an answer, by a tool's ``variableExtractionPlan``: a schema selects, aliases compute.

https://docs.vapi.ai/tools/custom-tools: properties of an object become variables of their own, anything else one
variable under the schema's title; aliases are templates over all of these, ``$`` being the whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from domain.call.variables import PLATFORM_VARIABLES
from domain.foreign_json import UnreadableJson, read_json
from domain.templates import render

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,39}")
_MARKUP: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WHOLE: Final = re.compile(r"(?<![\w\"'])\$(?=[\s.\[|}%])")
_BODY: Final = "whole_answer_"
_DEEPEST: Final = 16
MOST_CHARACTERS: Final = 20_000
"""Of one extracted value, written as JSON: a bigger one is left out."""


class Extracted(msgspec.Struct, frozen=True):
    """``values`` by name; ``problems`` are sentences without anything of the answer in them."""

    values: dict[str, Any]
    problems: tuple[str, ...] = ()


def extract(
    plan: Any,
    body: Any,
    *,
    variables: Mapping[str, Any],
    now: datetime,
    headers: Mapping[str, str] | None = None,
) -> Extracted:
    """The variables that ``plan`` makes of ``body`` (decoded JSON, or its text). Never raises."""
    if not isinstance(plan, Mapping):
        return Extracted({})
    body = _decoded(body)
    values: dict[str, Any] = {}
    problems: list[str] = []
    schema = plan.get("schema")
    if isinstance(schema, Mapping):
        selected, found = _selected(schema, body, _DEEPEST)
        if not found:
            problems.append("the answer is not of the type that the extraction schema names")
        elif isinstance(selected, dict):
            values.update(selected)
        else:
            title = schema.get("title") or schema.get("name")
            values[title if isinstance(title, str) and title else "result"] = selected
    response = {"body": body, "headers": dict(headers or {})}
    shown = body if isinstance(body, dict) else {}
    known = {**variables, **shown, **values, _BODY: body, "tool": {"response": response}}
    aliases = plan.get("aliases")
    for alias in aliases if isinstance(aliases, list | tuple) else ():
        key, template = (alias.get("key"), alias.get("value")) if isinstance(alias, Mapping) else (None, None)
        if not isinstance(key, str) or not _NAME.fullmatch(key) or not isinstance(template, str):
            problems.append("an alias has no usable key or value")
            continue
        text = _MARKUP.sub(lambda markup: _WHOLE.sub(_BODY, markup[0]), template)
        rendered = render(text, known, now=now)
        problems += (f"alias {key}: {problem.code}" for problem in rendered.problems)
        if rendered.text or not rendered.problems:
            values[key] = known[key] = rendered.text
    for name in PLATFORM_VARIABLES.intersection(values):
        del values[name]
        problems.append(f"{name} is a fact of the call, which an answer cannot change")
    for name in [name for name, value in values.items() if len(msgspec.json.encode(value)) > MOST_CHARACTERS]:
        del values[name]
        problems.append(f"{name} is longer than {MOST_CHARACTERS} characters")
    return Extracted(values, tuple(problems))


def _selected(schema: Mapping[str, Any], value: Any, deeper: int) -> tuple[Any, bool]:
    """The part of ``value`` that the schema describes, and whether it is of its type at all."""
    properties = schema.get("properties")
    kind = schema.get("type") or ("object" if isinstance(properties, Mapping) else None)
    if deeper == 0 or not _is(kind, value):
        return None, False
    if kind == "object" and isinstance(properties, Mapping):
        chosen: dict[str, Any] = {}
        for name, inner in properties.items():
            if name in value and isinstance(inner, Mapping):
                part, found = _selected(inner, value[name], deeper - 1)
                if found:
                    chosen[name] = part
        return chosen, True
    items = schema.get("items")
    if kind == "array" and isinstance(items, Mapping):
        parts = [_selected(items, item, deeper - 1) for item in value]
        return [part for part, found in parts if found], True
    return value, True


def _is(kind: Any, value: Any) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return True


def _decoded(body: Any) -> Any:
    if not isinstance(body, str):
        return body
    try:
        return read_json(body)
    except UnreadableJson:
        return body
