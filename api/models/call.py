"""Bodies of the call endpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from api.models.assistant import AssistantBody, AssistantOverrides
from api.models.base import Closed, Identifier, Instant, JsonObject, Name, Open, by_field, mark, violation
from api.models.numbers import CheckedNumber
from api.models.squad import SquadBody

MOST_DELETED = 1_000
"""Calls that one request may delete."""
SAMPLE_RATES_HZ = (8_000, 16_000, 24_000)


def _check_sample_rate(rate: float) -> float:
    if rate not in SAMPLE_RATES_HZ:
        choices = ", ".join(str(supported) for supported in SAMPLE_RATES_HZ)
        raise violation("INVALID_CHOICE", f"must be one of the following values: {choices}")
    return rate


class AudioFormat(Closed):
    """How audio travels on the WebSocket, in both directions."""

    format: Literal["pcm_s16le", "mulaw"]
    sample_rate: Annotated[float, AfterValidator(_check_sample_rate)] | None = None
    container: Literal["raw"] | None = None


class WebSocketTransport(Closed):
    """The caller is a program that streams raw audio."""

    provider: Literal["vapi.websocket"]
    audio_format: AudioFormat | None = None
    conversation_type: Literal["voice"] | None = None


class WebRtcTransport(Closed):
    """The caller is a browser: sound over WebRTC, client messages over a data channel."""

    provider: Literal["callfold.webrtc"]
    conversation_type: Literal["voice"] | None = None


class OtherTransport(Open):
    """A carrier or a room; calls over these are not served yet."""

    provider: Literal["vapi.websocket", "callfold.webrtc", "twilio", "vonage", "telnyx", "vapi.sip", "daily"]


Transport = Annotated[
    Annotated[WebSocketTransport, Tag(mark("vapi.websocket"))]
    | Annotated[WebRtcTransport, Tag(mark("callfold.webrtc"))]
    | Annotated[OtherTransport, Tag(mark("other"))],
    Discriminator(
        by_field(
            "provider",
            {"vapi.websocket": mark("vapi.websocket"), "callfold.webrtc": mark("callfold.webrtc")},
            mark("other"),
        )
    ),
]


class Customer(CheckedNumber):
    """Whom a phone call reaches."""

    extension: Annotated[str, Field(max_length=10)] | None = None
    sip_uri: str | None = None
    name: Name | None = None
    email: Name | None = None
    external_id: Name | None = None
    assistant_overrides: AssistantOverrides | None = None
    squad_overrides: AssistantOverrides | None = None


class SchedulePlan(Closed):
    """When a call may begin."""

    earliest_at: Instant
    latest_at: Instant | None = None


class CallBody(Closed):
    """Body of ``POST /call``. Exactly one target; a WebSocket transport, or a phone number and a customer."""

    name: Name | None = None
    transport: Transport | None = None
    assistant_id: str | None = None
    assistant: AssistantBody | None = None
    assistant_overrides: AssistantOverrides | None = None
    assistant_version: str | None = None
    squad_id: Identifier | None = None
    squad: SquadBody | None = None
    squad_overrides: AssistantOverrides | None = None
    squad_version: str | None = None
    workflow_id: Identifier | None = None
    workflow: JsonObject | None = None
    workflow_overrides: JsonObject | None = None
    phone_number_id: Identifier | None = None
    phone_number: JsonObject | None = None
    customer_id: Identifier | None = None
    customer: Customer | None = None
    customers: list[Customer] | None = None
    schedule_plan: SchedulePlan | None = None
    session_id: Annotated[Identifier | None, Field(description="The session that the call becomes part of.")] = None


class WebCallBody(Closed):
    """Body of ``POST /call/web``, which browsers send."""

    name: Name | None = None
    transport: Transport | None = None
    assistant_id: str | None = None
    assistant: AssistantBody | None = None
    assistant_overrides: AssistantOverrides | None = None
    assistant_version: str | None = None
    squad_id: Identifier | None = None
    squad: SquadBody | None = None
    squad_overrides: AssistantOverrides | None = None
    workflow_id: Identifier | None = None
    workflow: JsonObject | None = None
    workflow_overrides: JsonObject | None = None
    room_delete_on_user_leave_enabled: bool | None = None


class SessionOffer(Closed):
    """A browser's offer (RFC 9429) with all its candidates: one audio section and one data channel."""

    type: Literal["offer"]
    sdp: Annotated[str, Field(min_length=1, max_length=65_536)]


class ForwardedOffer(SessionOffer):
    """The same from another process of the installation, which has looked at the call already."""

    join_seconds: float


class CallChanges(Closed):
    """Body of ``PATCH /call/{id}``."""

    name: Name | None = None


class CallDeletion(Closed):
    """Body of ``DELETE /call/{id}``. With ``ids`` those are deleted, whatever the path names."""

    ids: Annotated[list[Identifier], Field(max_length=MOST_DELETED)] | None = None
