"""Which events a command on a call leads to, given its phase."""

from __future__ import annotations

from collections.abc import Sequence

from domain.aggregate import Conflicting, NotFound, Refused
from domain.call.commands import CallCommand, ClaimCall, CreateCall, DeleteCall, EndCall, ExpireCall, RenameCall
from domain.call.events import CallClaimed, CallCreated, CallDeleted, CallEnded, CallRenamed
from domain.call.state import Call, Deleted, Ended, KeptCall, Live, Queued, Ringing
from domain.event import Event

CALL_TYPES = ("inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall")
"""Vapi's call types, https://docs.vapi.ai/api-reference/calls/get."""

DELETED_BEFORE_START = "call-deleted"
"""The ended reason of a call that was deleted while it waited."""


def decide(state: Call | None, command: CallCommand) -> Sequence[Event]:
    """The events that ``command`` leads to, or ``Refused``."""
    if isinstance(command, CreateCall):
        return _create(state, command)
    if state is None or isinstance(state, Deleted):
        raise NotFound("The call does not exist.", field="id", fix="List calls with GET /call.")
    match command:
        case RenameCall(org_id=org_id, name=name):
            _require_owner(state, org_id)
            return [CallRenamed(name=name)]
        case ClaimCall():
            return _claim(state, command)
        case EndCall():
            if isinstance(state, Ended):
                raise Conflicting(f"The call has ended already with {state.end.reason}.", field="status")
            return [*command.usage, CallEnded(reason=command.reason, at_ms=command.at_ms, message=command.message)]
        case ExpireCall(reason=reason, message=message):
            if not isinstance(state, Queued):
                raise Conflicting("The call does not wait for a connection any more.", field="status")
            return [CallEnded(reason=reason, message=message)]
        case DeleteCall(org_id=org_id):
            _require_owner(state, org_id)
            return _delete(state)


def _create(state: Call | None, command: CreateCall) -> Sequence[Event]:
    if state is not None:
        raise Conflicting("A call with this id exists already.", field="id")
    if command.type not in CALL_TYPES:
        raise Refused(f"{command.type!r} is not a call type.", field="type", fix=f"Use one of {', '.join(CALL_TYPES)}.")
    return [
        CallCreated(
            org_id=command.org_id,
            type=command.type,
            request=command.request,
            transport=command.transport,
            assistant_id=command.assistant_id,
            assistant_version=command.assistant_version,
            name=command.name,
        )
    ]


def _claim(state: KeptCall, command: ClaimCall) -> Sequence[Event]:
    match state:
        case Queued():
            return [CallClaimed(owner=command.owner, lease_seconds=command.lease_seconds, address=command.address)]
        case Ringing() | Live():
            raise Conflicting("Another connection serves the call already.", field="status")
        case Ended():
            raise Conflicting(f"The call has ended with {state.end.reason}.", field="status", fix="Create a new call.")


def _delete(state: KeptCall) -> Sequence[Event]:
    match state:
        case Queued():
            return [CallEnded(reason=DELETED_BEFORE_START), CallDeleted()]
        case Ringing() | Live():
            raise Conflicting(
                "The call is running.", field="status", fix="End it first, for example through monitor.controlUrl."
            )
        case Ended():
            return [CallDeleted()]


def _require_owner(state: KeptCall, org_id: str) -> None:
    if state.identity.org_id != org_id:
        raise NotFound("The call does not exist.", field="id", fix="List calls with GET /call.")
