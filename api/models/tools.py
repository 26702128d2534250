"""Tools that an assistant's model may call: written inline in its configuration, or stored and referred to."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, RootModel, Tag

from api.models.base import Closed, Identifier, JsonObject, Open, Spoken, Url, by_field, mark, one_of
from api.models.plans import BackoffPlan, Server
from api.models.tool_destinations import HandoffDestination, TransferDestination


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


class RejectionCondition(Open):
    """When a call of the tool is refused; ``group`` combines others."""

    type: Literal["regex", "liquid", "group"]


class RejectionPlan(Closed):
    """Conditions that must all hold for a call of the tool to be refused before it is made."""

    conditions: list[RejectionCondition] | None = None


class StaticParameter(Closed):
    """A value that is sent whatever the model says; the model does not see it."""

    key: str
    value: Any


class ExtractedAlias(Closed):
    """A variable that is made of the answer by a template."""

    key: Annotated[str, Field(max_length=40, pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")]
    value: Annotated[str, Field(max_length=10_000)]


class VariableExtractionPlan(Closed):
    """What is kept of a tool's answer for later templates."""

    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    aliases: list[ExtractedAlias] | None = None


class _ToolCore(Closed):
    """Fields of every tool. The published schema lists ``function`` for some types only; clients set it on all."""

    messages: list[ToolMessage] | None = None
    rejection_plan: RejectionPlan | None = None
    function: FunctionDefinition | None = None


class FunctionTool(_ToolCore):
    """A function on the tenant's server."""

    type: Literal["function"]
    async_: Annotated[bool | None, Field(alias="async")] = None
    server: Server | None = None
    parameters: list[StaticParameter] | None = None
    variable_extraction_plan: VariableExtractionPlan | None = None
    name: str | None = None
    metadata: JsonObject | None = None


class ApiRequestTool(_ToolCore):
    """A request to any HTTP API."""

    type: Literal["apiRequest"]
    method: Literal["POST", "GET", "PUT", "PATCH", "DELETE"] | None = None
    url: Url
    name: Annotated[str, Field(max_length=40, pattern=r"^[a-zA-Z0-9_-]{1,40}$")] | None = None
    description: str | None = None
    body: JsonObject | None = None
    headers: JsonObject | None = None
    timeout_seconds: Annotated[float, Field(ge=1, le=300)] | None = None
    credential_id: Identifier | None = None
    encrypted_paths: list[str] | None = None
    backoff_plan: BackoffPlan | None = None
    parameters: list[StaticParameter] | None = None
    variable_extraction_plan: VariableExtractionPlan | None = None


class EnvironmentVariable(Closed):
    """A value that a code tool finds in its environment."""

    name: Annotated[str, Field(min_length=1)]
    value: str


class CodeTool(_ToolCore):
    """A piece of TypeScript."""

    type: Literal["code"]
    code: Annotated[str, Field(max_length=50_000)]
    async_: Annotated[bool | None, Field(alias="async")] = None
    server: Server | None = None
    environment_variables: list[EnvironmentVariable] | None = None
    timeout_seconds: Annotated[float, Field(ge=1, le=30)] | None = None
    credential_id: Identifier | None = None
    variable_extraction_plan: VariableExtractionPlan | None = None


class TransferCallTool(_ToolCore):
    """Sends the call to a number, a SIP address, or another assistant of the squad."""

    type: Literal["transferCall"]
    destinations: list[TransferDestination] | None = None


class HandoffTool(_ToolCore):
    """Hands the conversation to another assistant or squad."""

    type: Literal["handoff"]
    destinations: list[HandoffDestination] | None = None
    default_result: str | None = None


class EndCallTool(_ToolCore):
    """Lets the model hang up."""

    type: Literal["endCall"]


class DtmfTool(_ToolCore):
    """Lets the model press keys."""

    type: Literal["dtmf"]
    sip_info_dtmf_enabled: bool | None = None


class VoicemailTool(_ToolCore):
    """Lets the model say that it reached a voicemail."""

    type: Literal["voicemail"]
    beep_detection_enabled: bool | None = None


class SmsTool(_ToolCore):
    """Sends a text message."""

    type: Literal["sms"]
    metadata: JsonObject | None = None


class SearchedFiles(Closed):
    """Files that a query tool looks into."""

    name: str
    provider: Literal["google"]
    description: str
    file_ids: list[str]
    model: str | None = None


class QueryTool(_ToolCore):
    """Looks things up in files."""

    type: Literal["query"]
    knowledge_bases: list[SearchedFiles] | None = None


class KnowledgeBaseTool(_ToolCore):
    """Looks things up in a knowledge base, which makes this tool for itself."""

    type: Literal["knowledgeBase"]
    knowledge_base_id: str | None


class McpTool(_ToolCore):
    """The tools of a Model Context Protocol server."""

    type: Literal["mcp"]
    server: Server | None = None
    tool_messages: list[JsonObject] | None = None
    metadata: JsonObject | None = None


class SipRequestTool(_ToolCore):
    """Sends a SIP request within the call's dialogue."""

    type: Literal["sipRequest"]
    verb: Literal["INFO", "MESSAGE", "NOTIFY"]
    headers: JsonObject | None = None
    body: Any = None


class BashTool(_ToolCore):
    """Anthropic's shell tool."""

    type: Literal["bash"]
    sub_type: Literal["bash_20241022"]
    name: Literal["bash"]
    server: Server | None = None


class ComputerTool(_ToolCore):
    """Anthropic's screen tool."""

    type: Literal["computer"]
    sub_type: Literal["computer_20241022"]
    name: Literal["computer"]
    display_width_px: float
    display_height_px: float
    display_number: float | None = None
    server: Server | None = None


class TextEditorTool(_ToolCore):
    """Anthropic's editor tool."""

    type: Literal["textEditor"]
    sub_type: Literal["text_editor_20241022"]
    name: Literal["str_replace_editor"]
    server: Server | None = None


IntegrationType = Literal[
    "google.calendar.event.create",
    "google.calendar.availability.check",
    "google.sheets.row.append",
    "slack.message.send",
    "gohighlevel.calendar.availability.check",
    "gohighlevel.calendar.event.create",
    "gohighlevel.contact.create",
    "gohighlevel.contact.get",
]


class IntegrationTool(_ToolCore):
    """Something in an account that is connected by a credential."""

    type: IntegrationType
    name: str | None = None
    description: str | None = None


class LegacyTool(Open):
    """A type that older configurations hold; its own fields are kept as sent."""

    type: Literal["make", "ghl", "output"]
    messages: list[ToolMessage] | None = None
    server: Server | None = None


_TAGS = {
    "apiRequest": "apiRequest",
    "function": "function",
    "code": "code",
    "transferCall": "transferCall",
    "handoff": "handoff",
    "endCall": "endCall",
    "dtmf": "dtmf",
    "voicemail": "voicemail",
    "sms": "sms",
    "query": "query",
    "mcp": "mcp",
    "sipRequest": "sipRequest",
    "bash": "bash",
    "computer": "computer",
    "textEditor": "textEditor",
    **dict.fromkeys(get_args(IntegrationType), "integration"),
}
_INLINE_TAGS = {**_TAGS, "knowledgeBase": "knowledgeBase", **dict.fromkeys(("make", "ghl", "output"), "legacy")}


class UnknownTool(Open):
    """What has none of the types: of it only that is said."""

    type: Annotated[str, one_of(_TAGS)]


_Storable = (
    Annotated[FunctionTool, Tag(mark("function"))]
    | Annotated[ApiRequestTool, Tag(mark("apiRequest"))]
    | Annotated[CodeTool, Tag(mark("code"))]
    | Annotated[TransferCallTool, Tag(mark("transferCall"))]
    | Annotated[HandoffTool, Tag(mark("handoff"))]
    | Annotated[EndCallTool, Tag(mark("endCall"))]
    | Annotated[DtmfTool, Tag(mark("dtmf"))]
    | Annotated[VoicemailTool, Tag(mark("voicemail"))]
    | Annotated[SmsTool, Tag(mark("sms"))]
    | Annotated[QueryTool, Tag(mark("query"))]
    | Annotated[McpTool, Tag(mark("mcp"))]
    | Annotated[SipRequestTool, Tag(mark("sipRequest"))]
    | Annotated[BashTool, Tag(mark("bash"))]
    | Annotated[ComputerTool, Tag(mark("computer"))]
    | Annotated[TextEditorTool, Tag(mark("textEditor"))]
    | Annotated[IntegrationTool, Tag(mark("integration"))]
    | Annotated[UnknownTool, Tag(mark("other"))]
)

Tool = Annotated[
    _Storable | Annotated[KnowledgeBaseTool, Tag(mark("knowledgeBase"))] | Annotated[LegacyTool, Tag(mark("legacy"))],
    Discriminator(by_field("type", {name: mark(tag) for name, tag in _INLINE_TAGS.items()}, mark("other"))),
]
"""A tool as an assistant's configuration holds it."""


class ToolBody(
    RootModel[
        Annotated[
            _Storable, Discriminator(by_field("type", {name: mark(tag) for name, tag in _TAGS.items()}, mark("other")))
        ]
    ]
):
    """Body of ``POST /tool``: a tool of any of the 23 types."""
