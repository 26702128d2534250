"""How many requests an organisation may send: a bucket per organisation and kind of key, refilled all the time.

The arithmetic is the generic cell rate algorithm: one moment per bucket, no counters to reset. Quotas hold per process;
an installation of several API processes gives each of them the full quota. The headers are those of the IETF's draft on
RateLimit fields, https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.errors import Problem
from domain.organization.events import KeyTag

WINDOW_SECONDS: Final = 60.0
_ROUNDING_SECONDS: Final = 1e-6
REMEMBERED_BUCKETS: Final = 10_000
"""A bucket that is forgotten was not used for longest, so it was full or nearly so."""


@dataclass(frozen=True)
class Allowance:
    """What became of one request. ``full_after_s`` is how long the bucket needs to be full again."""

    tag: KeyTag
    quota: int
    remaining: int
    full_after_s: float
    retry_after_s: float | None = None
    """When to try again; ``None`` for a request that is let through."""

    def headers(self) -> Mapping[str, str]:
        """The quota and what is left of it, for every answer."""
        return {
            "ratelimit-policy": f'"{self.tag}";q={self.quota};w={WINDOW_SECONDS:.0f}',
            "ratelimit": f'"{self.tag}";r={self.remaining};t={math.ceil(self.full_after_s)}',
        }

    def refusal(self) -> Problem:
        """429 that says when to come back."""
        seconds = max(1, math.ceil(self.retry_after_s or 0))
        return Problem(
            429,
            f"Too many requests: the organization may send {self.quota} a minute with {self.tag} keys.",
            detail=f"Try again in {seconds} s, and send requests at a steadier pace.",
            code="RATE_LIMITED",
            headers={"retry-after": str(seconds)},
        )


class RateLimits:
    """The buckets of this process."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[tuple[str, KeyTag], float] = OrderedDict()

    def take(self, org_id: str, tag: KeyTag, quota: int, now: datetime) -> Allowance | None:
        """Take one request out of the bucket, if there is one. ``None`` where ``quota`` (a minute) is 0: no limit."""
        if quota == 0:
            return None
        bucket, moment = (org_id, tag), now.timestamp()
        cost = WINDOW_SECONDS / quota
        missing_s = max(0.0, self._full_at.get(bucket, moment) - moment)
        if missing_s > WINDOW_SECONDS + _ROUNDING_SECONDS:
            # No bucket lacks more than all it holds: the clock was set back.
            missing_s = 0.0
        if missing_s + cost > WINDOW_SECONDS + _ROUNDING_SECONDS:
            return Allowance(tag, quota, 0, missing_s, retry_after_s=missing_s + cost - WINDOW_SECONDS)
        self._full_at[bucket] = moment + missing_s + cost
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > REMEMBERED_BUCKETS:
            self._full_at.popitem(last=False)
        remaining = int((WINDOW_SECONDS - missing_s - cost + _ROUNDING_SECONDS) / cost)
        return Allowance(tag, quota, remaining, missing_s + cost)
