"""What a tool takes: the schema of the arguments that a model fills in, and what is fixed beside them.

An ``apiRequest`` tool's ``body`` is the schema; its properties may hold a constant (``value``), which the model neither
sees nor sets, as may those of its ``headers``. https://docs.vapi.ai/tools/custom-tools
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

API_REQUEST: Final = "apiRequest"
_CONSTANT: Final = ("value", "const")


def parameters_schema(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of the arguments; an empty object's where the tool says nothing."""
    schema = tool.get("body") if tool.get("type") == API_REQUEST else _mapping(tool.get("function")).get("parameters")
    if tool.get("type") == API_REQUEST and not isinstance(schema, Mapping):
        schema = _mapping(tool.get("function")).get("parameters")
    found = dict(_mapping(schema))
    found.setdefault("type", "object")
    found.setdefault("properties", {})
    fixed = constants(found) if tool.get("type") == API_REQUEST else {}
    if fixed:
        found["properties"] = {name: value for name, value in found["properties"].items() if name not in fixed}
        if isinstance(found.get("required"), list):
            found["required"] = [name for name in found["required"] if not isinstance(name, str) or name not in fixed]
    return found


def constants(schema: Any) -> dict[str, Any]:
    """The properties of an object schema that are fixed, and their values."""
    properties = _mapping(_mapping(schema).get("properties"))
    found: dict[str, Any] = {}
    for name, about in properties.items():
        for key in _CONSTANT:
            if isinstance(about, Mapping) and about.get(key) is not None:
                found[name] = about[key]
                break
    return found


def parameter_names(tool: Any) -> frozenset[str]:
    """The names of the arguments that a model may fill in."""
    if not isinstance(tool, Mapping):
        return frozenset()
    return frozenset(_mapping(parameters_schema(tool).get("properties")))


def static_parameters(tool: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters[]``: fixed by the configuration, hidden from the model, stronger than what it filled in."""
    entries = tool.get("parameters")
    if not isinstance(entries, list):
        return {}
    return {str(entry["key"]): entry.get("value") for entry in entries if isinstance(entry, Mapping) and "key" in entry}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
