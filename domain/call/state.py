"""What is known of a call, one type per phase of its life: a call that is live has been claimed and has started."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.append_only import AppendOnly
from domain.call.events import (
    ArtifactStored,
    AssistantActivated,
    ConfigurationUse,
    MessageCommitted,
    RecordingConsentAnswered,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TransferEnded,
    TransferRequested,
    TurnMeasured,
    UsageMetered,
    Warned,
)


class Said(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="said"):
    """A message of the conversation."""

    message: MessageCommitted


class ToolRequested(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-requested"):
    """The model asked for a tool."""

    call: ToolCalled


class ToolReturned(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-returned"):
    """The tool answered."""

    answer: ToolCompleted


class ToolBroke(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-broke"):
    """The tool did not answer; ``failure.error`` is what the model was told."""

    failure: ToolFailed


class HandedOver(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="handed-over"):
    """Another assistant took over; what came before may have left the context."""

    activation: AssistantActivated


Entry = Said | ToolRequested | ToolReturned | ToolBroke | HandedOver
"""One step of the conversation, kept in the order of the log."""


class Identity(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What never changes about a call. ``request`` is the body as the client sent it; see ``CallCreated``."""

    id: str
    org_id: str
    type: str
    request: dict[str, Any]
    transport: dict[str, Any]
    assistant_id: str | None
    created_at: datetime
    assistant_version: str | None = None


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which process serves the call, and where others reach it. Its lease is renewed by being alive, not by events."""

    owner: str
    lease_seconds: float
    claimed_at: datetime
    address: str = ""


class Start(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Media flows since ``at_ms`` of the call's clock, whose zero is the wall-clock time ``clock_origin``.

    ``assistant`` is the resolved configuration: overrides merged, templates rendered.
    """

    clock_origin: datetime
    at_ms: float
    assistant: dict[str, Any]
    assistant_version: str | None
    variable_values: dict[str, Any]
    assistant_id: str | None = None
    used: tuple[ConfigurationUse, ...] = ()


class Transfer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An attempt to connect the caller to somebody else; ``ended`` once its outcome is known."""

    requested: TransferRequested
    ended: TransferEnded | None = None


class Consent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the caller answered to being recorded, and when."""

    answer: RecordingConsentAnswered
    answered_at: datetime


class End(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why and when it was over. ``at_ms`` is absent where nobody who knew the call's clock ended it."""

    reason: str
    message: str | None
    at_ms: float | None
    recorded_at: datetime


class _Kept(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="phase"):
    """What every call holds until it is deleted: media facts may come in any phase, late ones after the end.

    ``usage`` holds one summed reading per meter, provider, model, configuration and price table. ``version`` counts
    the events folded, so that two equal states saw the same number of them.
    """

    identity: Identity
    name: str | None
    version: int
    updated_at: datetime
    entries: AppendOnly[Entry] = AppendOnly()
    turns: AppendOnly[TurnMeasured] = AppendOnly()
    usage: tuple[UsageMetered, ...] = ()
    artifacts: tuple[ArtifactStored, ...] = ()
    warnings: AppendOnly[Warned] = AppendOnly()
    assistant_interruptions: int = 0
    variables: dict[str, Any] = {}
    """Values that came up in the call, beside those it started with."""
    transfers: tuple[Transfer, ...] = ()
    consent: Consent | None = None


class Queued(_Kept, frozen=True, gc=False, kw_only=True, tag="queued"):
    """Accepted; nobody serves it yet."""


class Ringing(_Kept, frozen=True, gc=False, kw_only=True, tag="ringing"):
    """A process has it and prepares; no media yet."""

    claim: Claim


class Live(_Kept, frozen=True, gc=False, kw_only=True, tag="in-progress"):
    """The conversation runs."""

    claim: Claim
    start: Start


class Ended(_Kept, frozen=True, gc=False, kw_only=True, tag="ended"):
    """Over, for one reason. ``claim`` and ``start`` are absent where it ended before them."""

    end: End
    claim: Claim | None = None
    start: Start | None = None


class Deleted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="phase", tag="deleted"):
    """What stays of a deleted call: that it was, and what it used; nothing that was said, nobody who spoke."""

    id: str
    org_id: str
    type: str
    assistant_id: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    reason: str
    usage: tuple[UsageMetered, ...] = ()


KeptCall = Queued | Ringing | Live | Ended
Call = KeptCall | Deleted


def status(call: Call) -> str:
    """Vapi's status word of the phase; a deleted call shows ``not-found``."""
    match call:
        case Queued():
            return "queued"
        case Ringing():
            return "ringing"
        case Live():
            return "in-progress"
        case Ended():
            return "ended"
        case Deleted():
            return "not-found"
