"""JSON Schema of every event type and version, generated from the event classes and checked in beside this module.

``python -m domain.schemas`` writes the files. A version that was released once may only change in ways that every
stored event of it survives; anything else needs a new version and an upcaster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.registry import EventType

Schema = dict[str, Any]

_REF = "#/$defs/"


def file_name(event_type: EventType) -> str:
    """``call.ended.v1.json``."""
    return f"{event_type.name}.v{event_type.version}.json"


def schema_of(event_type: EventType) -> Schema:
    """The schema of the type's current version: that of ``data`` in the event's body."""
    (reference,), definitions = msgspec.json.schema_components([event_type.event_class], ref_template=_REF + "{name}")
    body = definitions.pop(str(reference["$ref"]).removeprefix(_REF))
    # Wording belongs to the class: to edit it must not look like a change of schema.
    for schema in (body, *definitions.values()):
        schema.pop("description", None)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"callfold:{event_type.name}:v{event_type.version}",
        **body,
        "title": event_type.name,
        **({"$defs": definitions} if definitions else {}),
    }
    # As it will be read back: an empty tuple as a default is an empty list there.
    plain: Schema = msgspec.json.decode(msgspec.json.encode(schema))
    return plain


def render(schema: Schema) -> bytes:
    """The file's content: sorted keys, indented, so that a change is a small diff."""
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"


def incompatibilities(released: Schema, changed: Schema) -> list[str]:
    """Why events stored under ``released`` could be refused or misread under ``changed``; empty when they cannot."""
    return _between(released, changed, "data", released.get("$defs", {}), changed.get("$defs", {}), frozenset())


def _between(
    old: Schema,
    new: Schema,
    path: str,
    old_defs: Mapping[str, Schema],
    new_defs: Mapping[str, Schema],
    seen: frozenset[str],
) -> list[str]:
    if "$ref" in old and "$ref" in new:
        name = old["$ref"].removeprefix(_REF)
        if name in seen:
            return []
        seen |= {name}
    old, new = _resolved(old, old_defs), _resolved(new, new_defs)
    problems = []
    if _personal(old) and not _personal(new):
        problems.append(f"{path} is no longer marked personal")
    if old.get("default") != new.get("default"):
        problems.append(f"{path} has another default; stored events leave out what equals the old one")
    unread = _alternatives(old) - _alternatives(new)
    if unread and _alternatives(new):
        problems.append(f"{path} no longer takes {', '.join(sorted(unread))}")
    kept, offered = old.get("properties", {}), new.get("properties", {})
    demanded = set(new.get("required", ())) - set(old.get("required", ()))
    problems += [f"{path}.{name} became required" for name in sorted(demanded)]
    for name, schema in kept.items():
        if name not in offered:
            problems.append(f"{path}.{name} was removed")
        else:
            problems += _between(schema, offered[name], f"{path}.{name}", old_defs, new_defs, seen)
    for part in ("items", "additionalProperties"):
        if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
            problems += _between(old[part], new[part], f"{path}.{part}", old_defs, new_defs, seen)
    return problems


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**definitions[reference.removeprefix(_REF)], **beside}


def _personal(schema: Schema) -> bool:
    return any(choice.get("x-personal", False) for choice in (schema, *schema.get("anyOf", ())))


def _alternatives(schema: Schema) -> set[str]:
    """What values a schema takes, as comparable words; empty means anything."""
    if "anyOf" in schema:
        return set().union(*(_alternatives(choice) for choice in schema["anyOf"]))
    if "enum" in schema:
        return {f"the value {value!r}" for value in schema["enum"]}
    if "const" in schema:
        return {f"the value {schema['const']!r}"}
    if "$ref" in schema:
        return {"type object"}
    declared = schema.get("type")
    if declared is None:
        return set()
    # Every integer is a number.
    return {"type number", "type integer"} if declared == "number" else {f"type {declared}"}
