"""What is extracted from a call when it has ended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from api.models.base import Closed, Expression, Identifier, Open, by_field, mark

SchemaType = Literal["string", "number", "integer", "boolean", "array", "object"]


class OutputSchema(Open):
    """A JSON Schema."""

    type: SchemaType


class ExtractingModel(Open):
    """The model that extracts."""

    provider: Literal["openai", "google", "anthropic", "anthropic-bedrock", "custom-llm"]
    model: Annotated[str, Field(max_length=100)] | None = None


class MinMessages(Closed):
    """Only conversations of so many messages."""

    type: Literal["minMessages"]
    count: Annotated[float, Field(ge=0)]


class MinCallDuration(Closed):
    """Only calls of such a length."""

    type: Literal["minCallDuration"]
    seconds: Annotated[float, Field(ge=0)]


class EndedReasons(Closed):
    """Only calls that ended so, or otherwise."""

    type: Literal["endedReason"]
    operator: Literal["oneOf", "notOneOf"]
    values: list[str]


class UnknownCondition(Open):
    """What has none of the types: of it only that is said."""

    type: Literal["minMessages", "minCallDuration", "endedReason"]


Condition = Annotated[
    Annotated[MinMessages, Tag(mark("minMessages"))]
    | Annotated[MinCallDuration, Tag(mark("minCallDuration"))]
    | Annotated[EndedReasons, Tag(mark("endedReason"))]
    | Annotated[UnknownCondition, Tag(mark("other"))],
    Discriminator(
        by_field(
            "type", {name: mark(name) for name in ("minMessages", "minCallDuration", "endedReason")}, mark("other")
        )
    ),
]


class ComplianceOverride(Closed):
    """Whether results are kept although the organisation keeps none."""

    force_store_on_hipaa_enabled: bool | None = None


class StructuredOutputBody(Closed):
    """Body of ``POST /structured-output``."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    schema_: Annotated[OutputSchema, Field(alias="schema")]
    type: Literal["ai", "regex"] | None = None
    regex: Annotated[Expression, Field(min_length=1, max_length=1000)] | None = None
    description: str | None = None
    model: ExtractingModel | None = None
    compliance_plan: ComplianceOverride | None = None
    conditions: list[Condition] | None = None
    assistant_ids: list[Identifier] | None = None
    workflow_ids: list[Identifier] | None = None

    # Known to the platform although its published schema does not list it.
    target: Literal["messages", "messages-with-audio"] | None = None
