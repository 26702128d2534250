"""Holding what a model filled in against the schema that it was given. Pure: no reference is ever fetched.

Patterns run in linear time; those that need look-around cannot be held against and make their schema unusable.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs
import msgspec

_MOST_PROBLEMS: Final = 5
_LONGEST: Final = 300
LONGEST_ARGUMENTS: Final = 32_000
"""Characters of one call's arguments, written as JSON."""


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Why arguments cannot be held against ``schema``; empty where they can."""
    try:
        _validator(_text(schema))
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return str(error).partition("\n")[0][:_LONGEST]
    return ""


def argument_problems(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """What is wrong with ``arguments``, as one text for the model; empty where nothing is.

    A schema that cannot be used (``schema_problem``) finds nothing wrong but their length.
    """
    if len(msgspec.json.encode(arguments)) > LONGEST_ARGUMENTS:
        return f"The arguments are longer than {LONGEST_ARGUMENTS} characters."
    try:
        validator = _validator(_text(schema))
    except (ValueError, jsonschema_rs.ReferencingError):
        return ""
    found = []
    for error in validator.iter_errors(dict(arguments)):
        where = ".".join(str(part) for part in error.instance_path) or "arguments"
        found.append(f"{where}: {error.message}"[:_LONGEST])
        if len(found) == _MOST_PROBLEMS:
            break
    return "; ".join(found)


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` as providers with strict schemas demand it: nothing may be added to an object, all of it is required.

    https://platform.openai.com/docs/guides/structured-outputs. What was optional may be null instead.
    """
    found = dict(schema)
    properties = found.get("properties")
    if isinstance(properties, Mapping):
        needed = _required(found)
        found["properties"] = {
            name: strict_schema(inner) if name in needed else _nullable(strict_schema(inner))
            for name, inner in properties.items()
            if isinstance(inner, Mapping)
        }
        found |= {"required": list(found["properties"]), "additionalProperties": False}
    if isinstance(found.get("items"), Mapping):
        found["items"] = strict_schema(found["items"])
    return {name: value for name, value in found.items() if name not in _NOT_IN_STRICT}


_NOT_IN_STRICT: Final = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "default"}
)
"""Validation that strict schemas do not know: it is left out for the model and held against here all the same."""


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if not isinstance(kind, str) or kind == "null":
        return schema
    widened = {**schema, "type": [kind, "null"]}
    if isinstance(schema.get("enum"), list):
        widened["enum"] = [*schema["enum"], None]
    return widened


def without_nulls(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``arguments`` of a strict tool without the nulls that stand for what the model leaves out."""
    needed = _required(schema)
    return {name: value for name, value in arguments.items() if value is not None or name in needed}


def _required(schema: Mapping[str, Any]) -> frozenset[str]:
    listed = schema.get("required")
    return frozenset(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else frozenset()


def _text(schema: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(schema, order="deterministic")


@lru_cache(maxsize=2_048)
def _validator(schema: bytes) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        msgspec.json.decode(schema), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refuse(uri: str) -> Any:
    raise ValueError(f"the schema refers to {uri}, which is not fetched")
