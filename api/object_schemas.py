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


def page_of(items: list[Any]) -> Schema:
    """A page that holds these items and is all there is."""
    return {
        "results": items,
        "metadata": {
            "itemsPerPage": 100,
            "totalItems": len(items),
            "currentPage": 1,
            "totalPages": 1,
            "hasNextPage": False,
            "sortOrder": "DESC",
        },
    }


def untitled(schema: Any) -> Any:
    """Without the titles that are made of names: generators would name classes after them, several alike."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: untitled(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}


def forms_of(bodies: Mapping[type[BaseModel], Schema], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas to change and to read every one of ``bodies``, whose own are in ``schemas``.

    The value of each is the properties that objects show beside, or in other forms than, those of the body.
    """
    forms: dict[str, Schema] = {}
    for body, added in bodies.items():
        name, schema = body.__name__.removesuffix("Body"), schemas[body.__name__]
        changes, shown = changes_name(body), object_name(body)
        about_changes = {"description": f"Fields of {name} to replace; what is left out stays, null clears."}
        about_shown = {"description": f"{name} as it is stored, without its secrets."}
        variants = _variants(schema, schemas)
        for variant, part in variants.items():
            forms[f"{variant}Changes"] = {**_partial(part), **about_changes}
            forms[f"{variant}Object"] = {**_shown(part, added), **about_shown}
        forms[changes] = {**(_any_of(variants, "Changes") or _partial(schema)), **about_changes}
        forms[shown] = {**(_any_of(variants, "Object") or _shown(schema, added)), **about_shown}
    return forms


def _any_of(variants: Mapping[str, Schema], form: str) -> Schema:
    return {"anyOf": [{"$ref": f"{_REFERENCE}{variant}{form}"} for variant in variants]} if variants else {}


def _partial(schema: Schema) -> Schema:
    """Nothing is required any more."""
    return {key: value for key, value in schema.items() if key != "required"}


def _shown(schema: Schema, added: Schema) -> Schema:
    """With what the system adds; more fields may follow, and those that are secret are left out."""
    return {
        **{key: value for key, value in schema.items() if key != "additionalProperties"},
        "required": list(_STORED),
        "properties": {**_STORED, **schema.get("properties", {}), **added},
    }


def _variants(schema: Schema, schemas: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """The schemas that one told apart by a field is one of, by name; none for a plain object."""
    names = [choice["$ref"].removeprefix(_REFERENCE) for choice in schema.get("oneOf") or schema.get("anyOf") or ()]
    return {name: schemas[name] for name in names}
