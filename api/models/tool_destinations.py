"""Where a tool may send a call: numbers, SIP addresses, assistants, squads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from api.models.base import Closed, Identifier, JsonObject, Open, by_field, mark
from api.models.numbers import CheckedNumber
from api.models.plans import Server

TransferMode = Literal[
    "rolling-history",
    "swap-system-message-in-history",
    "swap-system-message-in-history-and-remove-transfer-tool-messages",
    "delete-history",
]
TransferPlanMode = Literal[
    "blind-transfer",
    "blind-transfer-add-summary-to-sip-header",
    "warm-transfer-say-message",
    "warm-transfer-say-summary",
    "warm-transfer-twiml",
    "warm-transfer-wait-for-operator-to-speak-first-and-then-say-message",
    "warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary",
    "warm-transfer-experimental",
    # Older spellings.
    "warm-transfer-with-summary",
    "warm-transfer-with-message",
    "warm-transfer-with-twiml",
]


class TransferPlan(Open):
    """How a transfer is carried out."""

    mode: TransferPlanMode
    timeout: Annotated[float, Field(ge=1, le=600)] | None = None
    sip_verb: Literal["refer", "bye", "dial"] | None = None
    twiml: Annotated[str, Field(max_length=4096)] | None = None


class NumberDestination(CheckedNumber):
    """A telephone number."""

    type: Literal["number"]
    number: Annotated[str, Field(min_length=3, max_length=40)]
    message: Any = None
    extension: Annotated[str, Field(min_length=1, max_length=10)] | None = None
    caller_id: Annotated[str, Field(max_length=40)] | None = None
    transfer_plan: TransferPlan | None = None
    description: str | None = None


class SipDestination(Closed):
    """A SIP address."""

    type: Literal["sip"]
    sip_uri: str
    message: Any = None
    caller_id: Annotated[str, Field(max_length=40)] | None = None
    transfer_plan: TransferPlan | None = None
    sip_headers: JsonObject | None = None
    description: str | None = None


class NamedAssistantDestination(Closed):
    """Another assistant of the squad, by its name."""

    type: Literal["assistant"]
    assistant_name: str
    message: Any = None
    transfer_mode: TransferMode | None = None
    description: str | None = None


class UnknownDestination(Open):
    """What has none of the types: of it only that is said."""

    type: Literal["assistant", "number", "sip"]


TransferDestination = Annotated[
    Annotated[NumberDestination, Tag(mark("number"))]
    | Annotated[SipDestination, Tag(mark("sip"))]
    | Annotated[NamedAssistantDestination, Tag(mark("assistant"))]
    | Annotated[UnknownDestination, Tag(mark("other"))],
    Discriminator(by_field("type", {name: mark(name) for name in ("number", "sip", "assistant")}, mark("other"))),
]


class HandoffDestination(Closed):
    """An assistant, a squad, or (``dynamic``) whatever the tenant's server answers."""

    type: Literal["assistant", "squad", "dynamic"]
    assistant_name: str | None = None
    assistant_id: Identifier | None = None
    assistant: JsonObject | None = None
    assistant_overrides: JsonObject | None = None
    squad_id: Identifier | None = None
    squad: JsonObject | None = None
    squad_overrides: JsonObject | None = None
    entry_assistant_name: str | None = None
    server: Server | None = None
    context_engineering_plan: JsonObject | None = None
    variable_extraction_plan: JsonObject | None = None
    description: str | None = None
