"""Keys of an organisation as Vapi's console speaks of them, ``Token``, and what a public one may be used for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import Closed, Identifier, Name
from domain.organization.events import KeyRestrictions

Origin = Annotated[str, Field(min_length=1, max_length=255)]


class TokenRestrictions(Closed):
    """What a public key may be used for; https://docs.vapi.ai/customization/jwt-authentication."""

    enabled: bool | None = None
    allowed_origins: Annotated[list[Origin], Field(max_length=100)] | None = None
    allowed_assistant_ids: Annotated[list[Identifier], Field(max_length=1000)] | None = None
    allow_transient_assistant: bool | None = None


class TokenBody(Closed):
    """Body of ``POST /token``."""

    name: Name | None = None
    tag: Literal["private", "public"] | None = None
    restrictions: TokenRestrictions | None = None


def restrictions_of(body: dict[str, Any] | None) -> KeyRestrictions | None:
    """What a valid ``TokenRestrictions`` object says. Empty lists and null mean no restriction."""
    if body is None:
        return None
    assistants = tuple(body.get("allowedAssistantIds") or ()) or None
    return KeyRestrictions(
        enabled=body.get("enabled") is not False,
        allowed_origins=tuple(body.get("allowedOrigins") or ()) or None,
        allowed_assistant_ids=assistants,
        allow_transient_assistant=body.get("allowTransientAssistant") is not False and assistants is None,
    )


def restrictions_body(restrictions: KeyRestrictions) -> dict[str, Any]:
    """The same as clients read it."""
    body: dict[str, Any] = {
        "enabled": restrictions.enabled,
        "allowTransientAssistant": restrictions.allow_transient_assistant,
    }
    if restrictions.allowed_origins is not None:
        body["allowedOrigins"] = list(restrictions.allowed_origins)
    if restrictions.allowed_assistant_ids is not None:
        body["allowedAssistantIds"] = list(restrictions.allowed_assistant_ids)
    return body
