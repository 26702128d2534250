"""What can be asked of a call. Facts that need no decision (what was heard and said) are recorded, not commanded.

``org_id`` is who asks: another organisation's call does not exist.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.call.events import UsageMetered


class CreateCall(msgspec.Struct, frozen=True, kw_only=True):
    """Queue a call. ``type`` is Vapi's call type, ``request`` the validated body as sent; ``assistant_version`` is for
    a call whose request leaves that open."""

    org_id: str
    type: str
    request: dict[str, Any]
    transport: dict[str, Any]
    assistant_id: str | None = None
    assistant_version: str | None = None
    name: str | None = None


class RenameCall(msgspec.Struct, frozen=True, kw_only=True):
    """Give the call another label; ``None`` takes it away."""

    org_id: str
    name: str | None


class ClaimCall(msgspec.Struct, frozen=True, kw_only=True):
    """Take the call for ``owner``, whom other processes reach at ``address``. Of several claims the log accepts the
    first."""

    owner: str
    lease_seconds: float
    address: str = ""


class EndCall(msgspec.Struct, frozen=True, kw_only=True):
    """Close the call from outside its conversation. Refused when it is over, so that the first reason stands.

    ``usage`` is what nobody else will meter any more; it is recorded with the end, or not at all."""

    reason: str
    message: str | None = None
    at_ms: float | None = None
    usage: tuple[UsageMetered, ...] = ()


class ExpireCall(msgspec.Struct, frozen=True, kw_only=True):
    """Close a call that nobody has connected to. Refused once it was claimed, so that no conversation is cut off."""

    reason: str
    message: str | None = None


class DeleteCall(msgspec.Struct, frozen=True, kw_only=True):
    """Forget the call. A queued one is ended first, a running one has to be ended by its owner first."""

    org_id: str


CallCommand = CreateCall | RenameCall | ClaimCall | EndCall | ExpireCall | DeleteCall
