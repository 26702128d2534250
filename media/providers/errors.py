"""A handful of failure categories that policies can act on, whatever the vendor's own error was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

Category = Literal[
    "not-configured", "unauthorized", "forbidden", "quota", "bad-request", "overloaded", "server", "timeout", "failed"
]
Stage = Literal["transcriber", "model", "voice"]

PERMANENT: frozenset[Category] = frozenset({"not-configured", "unauthorized", "forbidden", "bad-request"})

_OF_STATUS: Final[Mapping[int, Category]] = {
    401: "unauthorized",
    402: "quota",
    403: "forbidden",
    408: "timeout",
    429: "quota",
    503: "overloaded",
    529: "overloaded",
}


def category_of_status(status: int) -> Category:
    """What an HTTP status of 400 or more says about who is to blame, and whether trying again can help."""
    return _OF_STATUS.get(status, "server" if status >= 500 else "bad-request")


def retry_after_s(headers: Mapping[str, str] | None) -> float | None:
    """The seconds of a ``Retry-After`` header (RFC 9110, section 10.2.3); a date counts from now, and the past as 0."""
    value = (headers or {}).get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo is not None else None


class ProviderError(Exception):
    """A provider did not do its work. ``permanent`` means that a retry cannot help.

    ``retry_after_s`` is how long it asks not to be asked again, where it says so.
    """

    def __init__(
        self,
        provider: str,
        stage: Stage,
        category: Category,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{provider} {stage}: {category}" + (f" ({detail})" if detail else ""))
        self.provider = provider
        self.stage = stage
        self.category = category
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def permanent(self) -> bool:
        return self.category in PERMANENT
