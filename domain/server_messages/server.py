"""A tenant's server as configurations name it, https://docs.vapi.ai/server-url, and which of several is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

DEFAULT_TIMEOUT_SECONDS: Final = 20.0
LONGEST_TIMEOUT_SECONDS: Final = 300.0
MOST_RETRIES: Final = 10
LONGEST_BASE_DELAY_SECONDS: Final = 10.0


class BackoffPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's own first retries: the same delay again, or one that doubles each time."""

    kind: Literal["fixed", "exponential"] = "fixed"
    max_retries: int = 0
    base_delay_seconds: float = 1.0
    excluded_status_codes: tuple[int, ...] = ()

    def delay_seconds(self, failures: int) -> float:
        """Before the retry that follows this many failures (from 1)."""
        return self.base_delay_seconds * (2 ** (failures - 1) if self.kind == "exponential" else 1)

    def repeats(self, status: int) -> bool:
        """Whether an answer with this status may be cured by asking again."""
        return (status in (408, 429) or status >= 500) and status not in self.excluded_status_codes


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go and how. ``secret`` is the old inline one, ``credential_id`` names a stored credential.

    ``encrypts``: values of the messages are to be encrypted (``encryptedPaths``), which is not built.
    """

    url: str
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    headers: dict[str, str] = {}
    secret: str = ""
    credential_id: str = ""
    backoff: BackoffPlan | None = None
    encrypts: bool = False


def read_server(
    holder: Mapping[str, Any], *, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> Server | None:
    """The server that a tool, an assistant, a phone number or an organisation names, in the present form or the flat
    one."""
    given = holder.get("server")
    if isinstance(given, Mapping) and isinstance(given.get("url"), str) and given["url"]:
        return Server(
            url=given["url"],
            timeout_seconds=_bounded(
                given.get("timeoutSeconds"), default_timeout_seconds, 1.0, LONGEST_TIMEOUT_SECONDS
            ),
            headers=_headers(given.get("headers")),
            secret=_text(given.get("secret")),
            credential_id=_text(given.get("credentialId")),
            backoff=read_backoff(given.get("backoffPlan")),
            encrypts=bool(given.get("encryptedPaths")),
        )
    if isinstance(holder.get("serverUrl"), str) and holder["serverUrl"]:
        return Server(
            url=holder["serverUrl"],
            timeout_seconds=default_timeout_seconds,
            secret=_text(holder.get("serverUrlSecret")),
        )
    return None


def most_specific(
    *holders: Mapping[str, Any] | None, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> Server | None:
    """The server of the first holder that names one: give tool, assistant, phone number and organisation in this
    order."""
    for holder in holders:
        server = read_server(holder, default_timeout_seconds=default_timeout_seconds) if holder is not None else None
        if server is not None:
            return server
    return None


def read_backoff(plan: Any) -> BackoffPlan | None:
    """A ``backoffPlan`` within its bounds; what is none repeats nothing."""
    if not isinstance(plan, Mapping):
        return None
    codes = plan.get("excludedStatusCodes")
    return BackoffPlan(
        kind="exponential" if plan.get("type") == "exponential" else "fixed",
        max_retries=int(_bounded(plan.get("maxRetries"), 0, 0, MOST_RETRIES)),
        base_delay_seconds=_bounded(plan.get("baseDelaySeconds"), 1.0, 0.0, LONGEST_BASE_DELAY_SECONDS),
        excluded_status_codes=tuple(code for code in codes if isinstance(code, int)) if isinstance(codes, list) else (),
    )


def _bounded(value: Any, default: float, least: float, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return default
    return float(min(max(value, least), most))


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): str(text) for name, text in value.items() if isinstance(text, str | int | float)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
