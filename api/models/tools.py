"""Tools that an assistant's model may call, written inline in its configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from api.models.base import Closed, JsonObject, Open, Spoken, by_field, mark
from api.models.plans import Server

ToolType = Literal[
    "apiRequest",
    "code",
    "dtmf",
    "endCall",
    "function",
    "transferCall",
    "handoff",
    "bash",
    "computer",
    "textEditor",
    "query",
    "google.calendar.event.create",
    "google.sheets.row.append",
    "google.calendar.availability.check",
    "slack.message.send",
    "sms",
    "mcp",
    "gohighlevel.calendar.availability.check",
    "gohighlevel.calendar.event.create",
    "gohighlevel.contact.create",
    "gohighlevel.contact.get",
    "sipRequest",
    "voicemail",
    "make",
    "ghl",
    "output",
]


class ToolMessage(Open):
    """What the assistant says around a tool's work."""

    type: Literal["request-start", "request-response-delayed", "request-complete", "request-failed"]
    content: Spoken | None = None
    contents: list[JsonObject] | None = None
    conditions: list[JsonObject] | None = None
    blocking: bool | None = None
    role: Literal["assistant", "system"] | None = None
    end_call_after_spoken_enabled: bool | None = None
    timing_milliseconds: Annotated[float, Field(ge=100, le=120_000)] | None = None


class FunctionDefinition(Closed):
    """The function as the model sees it."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class FunctionTool(Closed):
    """A function on the tenant's server."""

    type: Literal["function"]
    function: FunctionDefinition | None = None
    messages: list[ToolMessage] | None = None
    async_: Annotated[bool | None, Field(alias="async")] = None
    server: Server | None = None
    parameters: list[JsonObject] | None = None
    variable_extraction_plan: JsonObject | None = None
    rejection_plan: JsonObject | None = None
    name: str | None = None
    metadata: JsonObject | None = None


class EndCallTool(Open):
    """Lets the model hang up."""

    type: Literal["endCall"]
    function: FunctionDefinition | None = None
    messages: list[ToolMessage] | None = None


class OtherTool(Open):
    """A tool known by its type; its own fields are kept as sent."""

    type: ToolType
    messages: list[ToolMessage] | None = None
    server: Server | None = None


Tool = Annotated[
    Annotated[FunctionTool, Tag(mark("function"))]
    | Annotated[EndCallTool, Tag(mark("endCall"))]
    | Annotated[OtherTool, Tag(mark("other"))],
    Discriminator(by_field("type", {"function": mark("function"), "endCall": mark("endCall")}, mark("other"))),
]
