"""``/structured-output``: what is extracted from a call when it has ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from api.configuration.references import Reference
from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters, Query
from api.models.structured_output import StructuredOutputBody
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration


class StructuredOutputFilters(PagedFilters):
    """``GET /structured-output``."""

    id: str | None = None
    name: str | None = None


class SchemaOverride(Query):
    """``PATCH /structured-output/{id}``."""

    schema_override: Annotated[str | None, Field(description="Only `true` lets the schema's own type change.")] = None


def _matches(state: Configuration, filters: StructuredOutputFilters) -> bool:
    return filters.name in (None, state.config.get("name"))


def _rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    if config.get("type") == "regex" and config.get("regex") is None:
        yield Issue("FIELD_REQUIRED", "regex is required when type is regex", "/body/regex")


def _change_rules(stored: Mapping[str, Any], changes: Mapping[str, Any], flags: Mapping[str, str]) -> Iterable[Issue]:
    before, after = stored.get("schema"), changes.get("schema")
    if not isinstance(before, dict) or not isinstance(after, dict) or flags.get("schemaOverride") == "true":
        return
    if before.get("type") != after.get("type"):
        text = f"schema.type cannot change from {before.get('type')} without the query parameter schemaOverride=true"
        yield Issue("INVALID_VALUE", text, "/body/schema/type")


STRUCTURED_OUTPUTS: Final = Resource(
    aggregate=CONFIGURATIONS["structured_output"],
    path="/structured-output",
    noun="structured output",
    tag="Structured outputs",
    body=StructuredOutputBody,
    style="page",
    filters=StructuredOutputFilters,
    matches=_matches,
    rules=_rules,
    change_rules=_change_rules,
    change_query=SchemaOverride,
    references=(Reference("assistantIds.*", "assistant"),),
)
