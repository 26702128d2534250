"""Numbers and SIP addresses of every provider, told apart by ``provider``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, RootModel, Tag

from api.models.base import Closed, Identifier, JsonObject, Name, Open, by_field, mark
from api.models.numbers import CheckedNumber
from api.models.plans import Server
from api.models.tool_destinations import NumberDestination, SipDestination

PhoneNumberProvider = Literal["byo-phone-number", "twilio", "vonage", "vapi", "telnyx"]


class UnknownFallback(Open):
    """What is neither: of it only that is said."""

    type: Literal["number", "sip"]


FallbackDestination = Annotated[
    Annotated[NumberDestination, Tag(mark("number"))]
    | Annotated[SipDestination, Tag(mark("sip"))]
    | Annotated[UnknownFallback, Tag(mark("other"))],
    Discriminator(by_field("type", {"number": mark("number"), "sip": mark("sip")}, mark("other"))),
]


class PhoneNumberHook(Closed):
    """What happens before an assistant answers, or when none could."""

    on: Literal["call.ringing", "call.ending"]
    do: Any = None
    filters: list[JsonObject] | None = None
    name: str | None = None


class _PhoneNumberCore(Closed):
    """Fields of every number."""

    name: Name | None = None
    assistant_id: Identifier | None = None
    squad_id: Identifier | None = None
    workflow_id: Identifier | None = None
    server: Server | None = None
    fallback_destination: FallbackDestination | None = None
    hooks: list[PhoneNumberHook] | None = None


class ByoPhoneNumber(_PhoneNumberCore, CheckedNumber):
    """A number on the tenant's own SIP trunk."""

    provider: Literal["byo-phone-number"]
    credential_id: Identifier


class TwilioPhoneNumber(_PhoneNumberCore):
    """A number in a Twilio account."""

    provider: Literal["twilio"]
    number: str
    twilio_account_sid: str
    twilio_auth_token: str | None = None
    twilio_api_key: str | None = None
    twilio_api_secret: str | None = None
    sms_enabled: bool | None = None


class CarrierPhoneNumber(_PhoneNumberCore):
    """A number in an account at Vonage or Telnyx."""

    provider: Literal["vonage", "telnyx"]
    number: str
    credential_id: Identifier


class SipAuthentication(Closed):
    """What a caller of a SIP address must know."""

    username: Annotated[str, Field(min_length=20, max_length=40)]
    password: Annotated[str, Field(min_length=20, max_length=40)]
    realm: str | None = None


class OwnPhoneNumber(_PhoneNumberCore):
    """A SIP address of this installation, or a wish for a number."""

    provider: Literal["vapi"]
    number_desired_area_code: Annotated[str, Field(pattern=r"^[0-9]{3}$")] | None = None
    sip_uri: Annotated[str, Field(pattern=r"^sips?:[^\s@]+@[^\s@]+$")] | None = None
    authentication: SipAuthentication | None = None


class UnknownPhoneNumber(Open):
    """What has none of the providers: of it only that is said."""

    provider: PhoneNumberProvider


_TAGS = {
    "byo-phone-number": mark("byo"),
    "twilio": mark("twilio"),
    "vonage": mark("carrier"),
    "telnyx": mark("carrier"),
    "vapi": mark("vapi"),
}


class PhoneNumberBody(
    RootModel[
        Annotated[
            Annotated[ByoPhoneNumber, Tag(mark("byo"))]
            | Annotated[TwilioPhoneNumber, Tag(mark("twilio"))]
            | Annotated[CarrierPhoneNumber, Tag(mark("carrier"))]
            | Annotated[OwnPhoneNumber, Tag(mark("vapi"))]
            | Annotated[UnknownPhoneNumber, Tag(mark("other"))],
            Discriminator(by_field("provider", _TAGS, mark("other"))),
        ]
    ]
):
    """Body of ``POST /phone-number``."""
