"""Given what happened at an endpoint, when more is recorded or asked, then it stays in use or does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.aggregate import Conflicting, NotFound, Refused
from domain.event import Event, Recorded
from domain.webhook.aggregate import MOST_REPLAYED, decide, evolve, keys
from domain.webhook.commands import (
    ClaimEndpoint,
    DisableEndpoint,
    EnableEndpoint,
    EndpointCommand,
    RecordDeliveries,
    RequestReplay,
)
from domain.webhook.events import (
    DeliveryAttempted,
    EndpointClaimed,
    EndpointDisabled,
    EndpointEnabled,
    EndpointFound,
    Failure,
    ReplayRequested,
)
from domain.webhook.state import Endpoint

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FOUND = EndpointFound(org_id="org", origin="https://shop.example")


def attempt(failure: Failure | None = None, days: float = 0.0) -> DeliveryAttempted:
    started = NOON + timedelta(days=days)
    return DeliveryAttempted(
        message_id="msg_1",
        message_type="status-update",
        about="call",
        event_id="event",
        url="https://shop.example/",
        attempt=1,
        started_at=started,
        total_ms=5.0,
        body_sha256="00" * 32,
        request_bytes=10,
        failure=failure or "",
        next_attempt_at=started + timedelta(hours=1) if failure else None,
    )


def given(*events: Event) -> Endpoint | None:
    state = None
    for version, event in enumerate(events, 1):
        state = evolve(state, Recorded("endpoint", version, f"e.{version}", NOON, event))
    return state


def recorded(state: Endpoint | None, *facts: Event) -> Sequence[Event]:
    return decide(state, RecordDeliveries(org_id="org", origin="https://shop.example", facts=facts))


def test_the_first_delivery_finds_the_endpoint() -> None:
    assert recorded(None, attempt()) == [FOUND, attempt()]
    assert recorded(given(FOUND), attempt()) == [attempt()]


def test_an_endpoint_at_which_everything_failed_for_five_days_is_given_up() -> None:
    state = given(FOUND, attempt("status"), attempt("status", 2))
    assert recorded(state, attempt("status", 4.9)) == [attempt("status", 4.9)]
    assert recorded(state, attempt("status", 5)) == [attempt("status", 5), EndpointDisabled(reason="failing")]


def test_one_message_that_nobody_takes_is_no_dead_endpoint() -> None:
    assert recorded(given(FOUND, attempt("status")), attempt("status", 6)) == [attempt("status", 6)]


def test_a_success_begins_the_count_again() -> None:
    state = given(FOUND, attempt("status"), attempt("status", 1), attempt(None, 2))
    assert recorded(state, attempt("status", 6)) == [attempt("status", 6)]


def test_an_endpoint_that_says_it_is_gone_is_not_asked_again() -> None:
    assert recorded(given(FOUND), attempt("gone"))[-1] == EndpointDisabled(reason="gone")
    disabled = given(FOUND, EndpointDisabled(reason="gone"))
    assert recorded(disabled, attempt("gone")) == [attempt("gone")]


def test_it_can_be_switched_off_and_on() -> None:
    assert decide(given(FOUND), DisableEndpoint(org_id="org")) == [EndpointDisabled(reason="asked")]
    off = given(FOUND, attempt("status"), EndpointDisabled(reason="asked"))
    assert off is not None
    assert keys(off).status == "asked"
    assert decide(off, EnableEndpoint(org_id="org")) == [EndpointEnabled()]
    on = given(FOUND, attempt("status"), EndpointDisabled(reason="failing"), EndpointEnabled())
    assert on is not None
    assert (on.disabled, on.failures, on.failing_since) == ("", 0, None)


def test_messages_are_asked_for_again_by_their_ids() -> None:
    asked = RequestReplay(org_id="org", message_ids=("msg_1",), kind="manual")
    assert decide(given(FOUND), asked) == [ReplayRequested(message_ids=("msg_1",), kind="manual")]


@pytest.mark.parametrize(
    ("state", "command", "error"),
    [
        (None, DisableEndpoint(org_id="org"), NotFound),
        (given(FOUND), DisableEndpoint(org_id="another"), NotFound),
        (given(FOUND), EnableEndpoint(org_id="org"), Conflicting),
        (given(FOUND), RequestReplay(org_id="org", message_ids=(), kind="manual"), Refused),
        (given(FOUND), RequestReplay(org_id="org", message_ids=("m",) * (MOST_REPLAYED + 1), kind="recover"), Refused),
    ],
)
def test_what_is_refused(state: Endpoint | None, command: EndpointCommand, error: type[Refused]) -> None:
    with pytest.raises(error):
        decide(state, command)


def claim(owner: str, instead_of: str = "") -> ClaimEndpoint:
    return ClaimEndpoint(org_id="org", origin="https://shop.example", owner=owner, instead_of=instead_of)


def test_an_endpoint_that_nobody_serves_is_found_and_claimed() -> None:
    assert decide(None, claim("one")) == [FOUND, EndpointClaimed(owner="one")]
    assert decide(given(FOUND), claim("one")) == [EndpointClaimed(owner="one")]


def test_of_two_that_take_over_from_the_same_dead_one_only_the_first_does() -> None:
    before = (FOUND, EndpointClaimed(owner="dead"))
    assert decide(given(*before), claim("one", instead_of="dead")) == [EndpointClaimed(owner="one")]
    assert decide(given(*before, EndpointClaimed(owner="one")), claim("two", instead_of="dead")) == []


def test_what_a_former_owner_did_is_recorded_all_the_same() -> None:
    state = given(FOUND, EndpointClaimed(owner="one"), EndpointClaimed(owner="two"))
    assert recorded(state, attempt()) == [attempt()]
    after = given(FOUND, EndpointClaimed(owner="one"), EndpointClaimed(owner="two"), attempt())
    assert after is not None
    assert (after.owner, after.delivered) == ("two", 1)
