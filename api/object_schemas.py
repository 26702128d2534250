"""JSON Schemas of objects that follow from the schema of their body: to change one, to read one, to list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

_STORED: Final[Schema] = {
    "id": {"type": "string", "format": "uuid"},
    "orgId": {"type": "string", "format": "uuid"},
    "createdAt": {"type": "string", "format": "date-time"},
    "updatedAt": {"type": "string", "format": "date-time"},
}
_METADATA: Final[Schema] = {
    "type": "object",
    "required": ["itemsPerPage", "totalItems", "currentPage"],
    "properties": {
        "itemsPerPage": {"type": "integer"},
        "totalItems": {"type": "integer"},
        "currentPage": {"type": "integer"},
        "totalPages": {"type": "integer"},
        "hasNextPage": {"type": "boolean"},
        "sortOrder": {"enum": ["ASC", "DESC"]},
        "itemsBeyondRetention": {"type": "boolean"},
    },
}
_REFERENCE: Final = "#/components/schemas/"


def changes_name(body: type[BaseModel]) -> str:
    """The name of the schema of a PATCH: ``ToolChanges`` for ``ToolBody``."""
    return body.__name__.removesuffix("Body") + "Changes"


def object_name(body: type[BaseModel]) -> str:
    """The name of the schema of what is read: ``ToolObject`` for ``ToolBody``."""
    return body.__name__.removesuffix("Body") + "Object"


def listed_schema(item: Schema, style: str) -> Schema:
    """The schema of a list of items: bare, or in a page; or of one item where there is no style."""
    match style:
        case "array":
            return {"type": "array", "items": item}
        case "page":
            return {
                "type": "object",
                "required": ["results", "metadata"],
                "properties": {"results": {"type": "array", "items": item}, "metadata": _METADATA},
            }
        case _:
            return item


def forms_of(bodies: Mapping[type[BaseModel], Schema], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas to change and to read every one of ``bodies``, whose own are in ``schemas``.

    The value of each is the properties that objects show beside, or in other forms than, those of the body.
    """
    forms: dict[str, Schema] = {}
    for body, added in bodies.items():
        forms[changes_name(body)] = _partial(schemas[body.__name__], schemas)
        forms[object_name(body)] = _shown(schemas[body.__name__], schemas, added)
    return forms


def _partial(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Nothing is required any more; an object's variants stay apart."""
    if (variants := _variants(schema, schemas)) is not None:
        return {"anyOf": [_partial(variant, schemas) for variant in variants]}
    return {key: value for key, value in schema.items() if key != "required"}


def _shown(schema: Schema, schemas: Mapping[str, Schema], added: Schema) -> Schema:
    """With what the system adds; more fields may follow, and those that are secret are left out."""
    if (variants := _variants(schema, schemas)) is not None:
        return {"anyOf": [_shown(variant, schemas, added) for variant in variants]}
    return {
        **{key: value for key, value in schema.items() if key != "additionalProperties"},
        "required": list(_STORED),
        "properties": {**_STORED, **schema.get("properties", {}), **added},
    }


def _variants(schema: Schema, schemas: Mapping[str, Schema]) -> list[Schema] | None:
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices is None:
        return None
    return [schemas[choice["$ref"].removeprefix(_REFERENCE)] if "$ref" in choice else choice for choice in choices]
