"""When messages are tried again: in virtual time, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.server_messages.server import BackoffPlan
from domain.webhook.schedule import LONGEST_WAIT_SECONDS, is_stale, next_attempt

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NO_JITTER = 1 / 3
"""Where in [0, 1) a delay is neither shortened nor lengthened."""


def tried(now: datetime, attempts: int, **more: Any) -> datetime | None:
    given = {
        "patience": "durable",
        "failure": "status",
        "status": 500,
        "backoff": None,
        "retry_after_seconds": None,
        "jitter": NO_JITTER,
    }
    return next_attempt(now, attempts=attempts, **{**given, **more})


def all_attempts(**more: Any) -> list[float]:
    """Seconds since the first, until the message is given up."""
    times, now = [0.0], NOON
    while (again := tried(now, len(times), **more)) is not None:
        now = again
        times.append(round((now - NOON).total_seconds(), 3))
    return times


def test_ten_attempts_over_seventy_five_hours_and_thirty_five_minutes() -> None:
    times = all_attempts()
    assert len(times) == 10
    assert times[:4] == [0.0, 5.0, 305.0, 2105.0]
    assert times[-1] == 75 * 3600 + 35 * 60 + 5


def test_a_server_that_was_away_for_72_hours_gets_the_message() -> None:
    back = NOON + timedelta(hours=72)
    attempts, now = 1, NOON
    while now < back:
        again = tried(now, attempts, failure="connect", status=None)
        assert again is not None, "given up before the server came back"
        attempts, now = attempts + 1, again
    assert attempts == 10
    assert now - back < timedelta(hours=4)


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_jitter_moves_a_delay_by_a_tenth_back_or_a_fifth_on(attempts: int, jitter: float) -> None:
    plain, moved = tried(NOON, attempts), tried(NOON, attempts, jitter=jitter)
    assert plain is not None
    assert moved is not None
    assert 0.9 - 1e-6 <= (moved - NOON) / (plain - NOON) <= 1.2 + 1e-6


def test_the_tenants_own_plan_comes_first_and_then_the_long_one_from_its_third_row() -> None:
    plan = BackoffPlan(kind="exponential", max_retries=3, base_delay_seconds=2)
    assert all_attempts(backoff=plan)[:5] == [0.0, 2.0, 6.0, 14.0, 14.0 + 1800.0]
    fixed = BackoffPlan(kind="fixed", max_retries=2, base_delay_seconds=4)
    assert all_attempts(backoff=fixed)[:3] == [0.0, 4.0, 8.0]


def test_live_messages_are_tried_three_times_within_seconds_and_then_stale() -> None:
    assert all_attempts(patience="live") == [0.0, 1.0, 6.0]
    assert not is_stale("live", NOON, NOON + timedelta(seconds=30))
    assert is_stale("live", NOON, NOON + timedelta(seconds=31))
    assert not is_stale("durable", NOON, NOON + timedelta(days=2))


@pytest.mark.parametrize(
    ("asked", "waits"), [(1.0, 5.0), (120.0, 120.0), (10 * LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)]
)
def test_a_receiver_may_ask_for_a_longer_pause_up_to_a_day(asked: float, waits: float) -> None:
    again = tried(NOON, 1, failure="throttled", status=429, retry_after_seconds=asked)
    assert again == NOON + timedelta(seconds=waits)


@pytest.mark.parametrize(
    ("attempts", "more"),
    [
        (1, {"failure": "gone", "status": 410}),
        (3, {"failure": "egress_blocked", "status": None}),
        (1, {"status": 422, "backoff": BackoffPlan(max_retries=3, excluded_status_codes=(422,))}),
        (10, {}),
        (3, {"patience": "live"}),
    ],
)
def test_what_is_given_up_at_once(attempts: int, more: dict[str, Any]) -> None:
    assert tried(NOON, attempts, **more) is None
