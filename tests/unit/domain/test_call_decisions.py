from __future__ import annotations

import pytest

from domain.aggregate import Conflicting, NotFound, Refused
from domain.call.aggregate import CALL
from domain.call.commands import CallCommand, ClaimCall, CreateCall, DeleteCall, EndCall, ExpireCall, RenameCall
from domain.call.events import CallClaimed, CallDeleted, CallEnded, CallRenamed
from domain.event import Event
from tests.unit.domain.call_facts import CLAIMED, CREATED, LIVE, ORG, OVER, RINGING
from tests.unit.domain.specification import given

CREATE = CreateCall(
    org_id=CREATED.org_id,
    type=CREATED.type,
    request=CREATED.request,
    transport=CREATED.transport,
    assistant_id=CREATED.assistant_id,
    name=CREATED.name,
)
CLAIM = ClaimCall(owner="media-2", lease_seconds=5.0, address="http://media-2:8081")
END = EndCall(reason="call.in-progress.error-vapifault-worker-died", message="The lease ran out.")
DELETED = (*OVER, CallDeleted())


def test_a_call_is_queued() -> None:
    given(CALL).when(CREATE).then(CREATED)


def test_a_call_is_created_once() -> None:
    given(CALL, CREATED).when(CREATE).refused(Conflicting, because="exists", field="id")


def test_only_known_types_are_queued() -> None:
    command = CreateCall(org_id=ORG, type="telegram", request={}, transport={})
    given(CALL).when(command).refused(Refused, because="telegram", field="type")


def test_a_queued_call_can_be_claimed() -> None:
    claimed = CallClaimed(owner="media-2", lease_seconds=5.0, address="http://media-2:8081")
    given(CALL, CREATED).when(CLAIM).then(claimed)


@pytest.mark.parametrize("history", [RINGING, LIVE, OVER])
def test_a_call_is_claimed_once_and_not_after_its_end(history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(CLAIM).refused(Conflicting, because="", field="status")


@pytest.mark.parametrize("history", [(CREATED,), RINGING, LIVE])
def test_a_call_can_be_ended_from_outside_until_it_is_over(history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(END).then(CallEnded(reason=END.reason, message=END.message))


def test_a_call_that_nobody_connected_to_expires() -> None:
    expire = ExpireCall(reason="call.in-progress.error-vapifault-transport-never-connected", message="Nobody came.")
    given(CALL, CREATED).when(expire).then(CallEnded(reason=expire.reason, message=expire.message))


@pytest.mark.parametrize("history", [RINGING, LIVE, OVER])
def test_a_call_that_somebody_connected_to_does_not_expire(history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(ExpireCall(reason="late")).refused(Conflicting, because="connection", field="status")


def test_the_first_ended_reason_stands() -> None:
    given(CALL, *OVER).when(END).refused(Conflicting, because="customer-ended-call", field="status")


@pytest.mark.parametrize("history", [(CREATED,), LIVE, OVER])
def test_a_call_can_be_renamed_in_every_phase(history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(RenameCall(org_id=ORG, name=None)).then(CallRenamed(name=None))


def test_a_finished_call_can_be_deleted() -> None:
    given(CALL, *OVER).when(DeleteCall(org_id=ORG)).then(CallDeleted())


def test_a_waiting_call_is_ended_before_it_is_deleted() -> None:
    given(CALL, CREATED).when(DeleteCall(org_id=ORG)).then(CallEnded(reason="call-deleted"), CallDeleted())


@pytest.mark.parametrize("history", [RINGING, LIVE])
def test_a_running_call_is_not_deleted_under_its_owner(history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(DeleteCall(org_id=ORG)).refused(Conflicting, because="running", field="status")


@pytest.mark.parametrize("command", [RenameCall(org_id="other", name="x"), DeleteCall(org_id="other")])
def test_another_organizations_call_does_not_exist(command: CallCommand) -> None:
    given(CALL, *OVER).when(command).refused(NotFound, because="does not exist")


@pytest.mark.parametrize("command", [CLAIM, END, RenameCall(org_id=ORG, name="x"), DeleteCall(org_id=ORG)])
@pytest.mark.parametrize("history", [(), DELETED])
def test_neither_a_missing_nor_a_deleted_call_takes_commands(command: CallCommand, history: tuple[Event, ...]) -> None:
    given(CALL, *history).when(command).refused(NotFound, because="does not exist")


def test_an_accepted_claim_is_what_a_second_claimant_meets() -> None:
    given(CALL, CREATED, CLAIMED).when(CLAIM).refused(Conflicting, because="Another connection", field="status")
