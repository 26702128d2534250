"""How a call's state follows from its events. Total: what the log accepted is never refused here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec.structs import replace

from domain.aggregate import NotFound
from domain.call.events import (
    ArtifactStored,
    AssistantActivated,
    AssistantInterrupted,
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRenamed,
    CallStarted,
    MessageCommitted,
    RecordingConsentAnswered,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TransferEnded,
    TransferRequested,
    TurnMeasured,
    UsageMetered,
    VariablesSet,
    Warned,
)
from domain.call.state import (
    Call,
    Claim,
    Consent,
    Deleted,
    End,
    Ended,
    HandedOver,
    Identity,
    KeptCall,
    Live,
    Queued,
    Ringing,
    Said,
    Start,
    ToolBroke,
    ToolRequested,
    ToolReturned,
    Transfer,
)
from domain.call.usage import add_reading
from domain.event import Event, Recorded


def evolve(state: Call | None, recorded: Recorded) -> Call:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation.

    An event that comes too late for its phase (a second end, a claim of a claimed call, a start without a claim)
    leaves the phase as it is: the first one stands.
    """
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        return _created(recorded)
    if isinstance(state, Deleted):
        return _after_deletion(state, event, time, version)
    # Ordered by how often each comes, since a rebuild spends its time here.
    match event:
        case MessageCommitted():
            return replace(state, entries=state.entries.appended(Said(event)), updated_at=time, version=version)
        case TurnMeasured():
            return replace(state, turns=state.turns.appended(event), updated_at=time, version=version)
        case UsageMetered():
            return replace(state, usage=add_reading(state.usage, event), updated_at=time, version=version)
        case ToolCalled():
            entries = state.entries.appended(ToolRequested(event))
            return replace(state, entries=entries, updated_at=time, version=version)
        case ToolCompleted():
            return replace(state, entries=state.entries.appended(ToolReturned(event)), updated_at=time, version=version)
        case ToolFailed():
            return replace(state, entries=state.entries.appended(ToolBroke(event)), updated_at=time, version=version)
        case AssistantInterrupted():
            count = state.assistant_interruptions + 1
            return replace(state, assistant_interruptions=count, updated_at=time, version=version)
        case ArtifactStored():
            return replace(state, artifacts=_stored(state.artifacts, event), updated_at=time, version=version)
        case Warned():
            return replace(state, warnings=state.warnings.appended(event), updated_at=time, version=version)
        case AssistantActivated():
            return replace(state, entries=state.entries.appended(HandedOver(event)), updated_at=time, version=version)
        case VariablesSet(values=values):
            return replace(state, variables={**state.variables, **values}, updated_at=time, version=version)
        case TransferRequested():
            transfers = (*state.transfers, Transfer(requested=event))
            return replace(state, transfers=transfers, updated_at=time, version=version)
        case TransferEnded():
            return replace(state, transfers=_settled(state.transfers, event), updated_at=time, version=version)
        case RecordingConsentAnswered():
            consent = Consent(answer=event, answered_at=time)
            return replace(state, consent=consent, updated_at=time, version=version)
        case CallRenamed(name=name):
            return replace(state, name=name, updated_at=time, version=version)
        case CallClaimed() | CallStarted() | CallEnded() | CallDeleted():
            return _moved(replace(state, updated_at=time, version=version), event, time)
        case _:
            return replace(state, updated_at=time, version=version)


def _created(recorded: Recorded) -> Queued:
    event = recorded.event
    if not isinstance(event, CallCreated):
        raise NotFound(f"Call {recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
    identity = Identity(
        id=recorded.originator_id,
        org_id=event.org_id,
        type=event.type,
        request=event.request,
        transport=event.transport,
        assistant_id=event.assistant_id,
        created_at=recorded.time,
        assistant_version=event.assistant_version,
    )
    return Queued(identity=identity, name=event.name, version=recorded.originator_version, updated_at=recorded.time)


def _moved(state: KeptCall, event: CallClaimed | CallStarted | CallEnded | CallDeleted, time: datetime) -> Call:
    """The next phase, or the same one where the event comes too late for its phase."""
    match event:
        case CallClaimed() if isinstance(state, Queued):
            claim = Claim(owner=event.owner, lease_seconds=event.lease_seconds, claimed_at=time, address=event.address)
            return Ringing(**_kept(state), claim=claim)
        case CallStarted() if isinstance(state, Ringing):
            start = Start(
                clock_origin=event.clock_origin,
                at_ms=event.at_ms,
                assistant=event.assistant,
                assistant_version=event.assistant_version,
                variable_values=event.variable_values,
                assistant_id=event.assistant_id,
                used=event.used,
            )
            return Live(**_kept(state), claim=state.claim, start=start)
        case CallEnded() if not isinstance(state, Ended):
            return _ended(state, End(reason=event.reason, message=event.message, at_ms=event.at_ms, recorded_at=time))
        case CallDeleted():
            return _deleted(state)
        case CallClaimed() | CallStarted() | CallEnded():
            return state
        case _:
            assert_never(event)


def _kept(state: KeptCall) -> dict[str, Any]:
    """The fields that every phase has, to build the next phase with."""
    return {name: getattr(state, name) for name in Queued.__struct_fields__}


def _ended(state: Queued | Ringing | Live, end: End) -> Ended:
    match state:
        case Queued():
            return Ended(**_kept(state), end=end)
        case Ringing():
            return Ended(**_kept(state), end=end, claim=state.claim)
        case Live():
            return Ended(**_kept(state), end=end, claim=state.claim, start=state.start)


def _deleted(state: KeptCall) -> Deleted:
    identity = state.identity
    return Deleted(
        id=identity.id,
        org_id=identity.org_id,
        type=identity.type,
        assistant_id=identity.assistant_id,
        created_at=identity.created_at,
        updated_at=state.updated_at,
        version=state.version,
        reason=state.end.reason if isinstance(state, Ended) else "",
        usage=state.usage,
    )


def _after_deletion(state: Deleted, event: Event, time: datetime, version: int) -> Deleted:
    """Only money still counts: a late reading is used and paid for, everything else stays forgotten."""
    usage = add_reading(state.usage, event) if isinstance(event, UsageMetered) else state.usage
    return replace(state, usage=usage, updated_at=time, version=version)


def _stored(artifacts: tuple[ArtifactStored, ...], artifact: ArtifactStored) -> tuple[ArtifactStored, ...]:
    """One artifact per track; a later one (a second attempt at encoding, say) takes the place of the earlier."""
    return (*(kept for kept in artifacts if kept.track != artifact.track), artifact)


def _settled(transfers: tuple[Transfer, ...], ended: TransferEnded) -> tuple[Transfer, ...]:
    """A later outcome of the same transfer (connected, then completed) takes the place of the earlier."""
    return tuple(
        replace(transfer, ended=ended) if transfer.requested.transfer_id == ended.transfer_id else transfer
        for transfer in transfers
    )
