"""When a message is tried again: a pure function of how often it failed, and of what the receiver said.

The default spreads ten attempts over 75 hours and 35 minutes, so that a server may be away for three days. Randomness
is an argument: ``jitter`` in [0, 1) moves a delay by -10 % to +20 %, so that retries of many messages spread.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from domain.server_messages.selection import Patience
from domain.server_messages.server import BackoffPlan
from domain.webhook.events import Failure

_HOUR: Final = 3600.0
DELAYS_SECONDS: Final = (
    5.0, 300.0, 1800.0, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
"""After each failure of a durable message; then it is given up."""
LIVE_DELAYS_SECONDS: Final = (1.0, 5.0)
LIVE_SECONDS: Final = 30.0
"""How long after its event a live message still tells the receiver something."""
BLOCKED_ATTEMPTS: Final = 3
"""Attempts at an address that is refused by the guard: the operator or the tenant has to change something."""
LONGEST_WAIT_SECONDS: Final = 24 * _HOUR
"""Of what a receiver asks for with ``Retry-After``."""
AFTER_OWN_PLAN: Final = 2
"""Where a durable message stands among ``DELAYS_SECONDS`` when the tenant's own plan is used up."""


def next_attempt(
    now: datetime,
    *,
    attempts: int,
    patience: Patience,
    failure: Failure,
    status: int | None,
    backoff: BackoffPlan | None,
    retry_after_seconds: float | None,
    jitter: float,
) -> datetime | None:
    """When to try again after the ``attempts``-th attempt (from 1) failed; ``None`` where it is given up."""
    if status is not None and backoff is not None and status in backoff.excluded_status_codes:
        return None
    if failure == "gone" or (failure == "egress_blocked" and attempts >= BLOCKED_ATTEMPTS):
        return None
    delay = _delay(attempts, patience, backoff)
    if delay is None:
        return None
    delay *= 0.9 + 0.3 * jitter
    if retry_after_seconds is not None:
        delay = max(delay, min(retry_after_seconds, LONGEST_WAIT_SECONDS))
    return now + timedelta(seconds=delay)


def is_stale(patience: Patience, happened: datetime, now: datetime) -> bool:
    """Whether a live message comes too late to be sent."""
    return patience == "live" and now - happened > timedelta(seconds=LIVE_SECONDS)


def _delay(attempts: int, patience: Patience, backoff: BackoffPlan | None) -> float | None:
    if patience == "live":
        return LIVE_DELAYS_SECONDS[attempts - 1] if attempts <= len(LIVE_DELAYS_SECONDS) else None
    step = attempts - 1
    if backoff is not None and backoff.max_retries:
        if attempts <= backoff.max_retries:
            return backoff.delay_seconds(attempts)
        step = AFTER_OWN_PLAN + attempts - backoff.max_retries - 1
    return DELAYS_SECONDS[step] if step < len(DELAYS_SECONDS) else None
