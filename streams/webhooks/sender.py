"""One attempt: the request as it leaves, and what its answer means. Nothing is retried or remembered here."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import aiohttp
import msgspec

from domain.egress import EgressBlocked, check_url
from domain.log.ports import Clock
from domain.server_messages.access import CredentialUnusable, Outgoing, ServerAccess
from domain.server_messages.server import Server
from domain.webhook.events import Failure
from streams.webhooks.credentials import Sessions
from streams.webhooks.due import Due

ANSWER_BYTES: Final = 64 << 10
"""Of an answer to a message that needs none; more is a mistake of the receiver."""
ABORT: Final = "abort-message"
"""In the answer's ``webhook-delivery`` header: the receiver wants no more attempts at this message."""

_THROTTLED: Final = frozenset({429, 502, 503, 504})


class Sent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an attempt ended. ``failure`` is empty where the receiver took the message."""

    failure: Failure | Literal[""] = ""
    status: int | None = None
    response_bytes: int = 0
    detail: str = ""
    retry_after_seconds: float | None = None
    aborted: bool = False


@dataclass(frozen=True)
class Sender:
    """``sessions`` must be guarded."""

    sessions: Sessions
    access: ServerAccess
    clock: Clock

    async def send(self, due: Due, attempt: int) -> Sent:
        """Post the message once (twice where a token had to be renewed). Never raises but ``CancelledError``."""
        delivery = due.delivery
        request = Outgoing(id=delivery.id, about=delivery.about, event_id=delivery.event_id, body=due.body)
        headers = {"callfold-sequence": str(delivery.sequence), "callfold-attempt": str(attempt)}
        if delivery.replay:
            headers["callfold-replay"] = delivery.replay
        return await self._sent(delivery.org_id, due.server, request, headers)

    async def post(self, org_id: str, server: Server, request: Outgoing) -> str:
        """As ``Posts.post``: for messages that are told once, and have no place among those of the log."""
        return (await self._sent(org_id, server, request, {})).failure

    async def _sent(self, org_id: str, server: Server, request: Outgoing, headers: dict[str, str]) -> Sent:
        try:
            check_url(server.url)
            async with asyncio.timeout(server.timeout_seconds):
                sent, renewable = await self._posted(org_id, server, request, headers)
                if sent.status == 401 and renewable:
                    self.access.renew(server.credential_id)
                    sent, _ = await self._posted(org_id, server, request, headers)
                return sent
        except TimeoutError:
            return Sent(failure="timeout", detail=f"no answer within {server.timeout_seconds:g} s")
        except EgressBlocked as blocked:
            return Sent(failure="egress_blocked", detail=str(blocked))
        except CredentialUnusable as fault:
            return Sent(failure="credential", detail=str(fault))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _unanswered(error)

    async def _posted(
        self, org_id: str, server: Server, request: Outgoing, headers: dict[str, str]
    ) -> tuple[Sent, bool]:
        authentication = await self.access.headers(org_id, server, request)
        async with self.sessions.of(org_id).post(
            server.url,
            # Said here what it is, the client need not find out.
            data=aiohttp.BytesPayload(request.body),
            headers={**authentication.headers, **headers},
            allow_redirects=False,
        ) as answer:
            return await _judged(answer, self.clock()), authentication.renewable


async def _judged(answer: aiohttp.ClientResponse, now: datetime) -> Sent:
    status, read = answer.status, 0
    while piece := await answer.content.readany():
        read += len(piece)
        if read > ANSWER_BYTES:
            answer.close()
            return Sent(failure="oversize", status=status, response_bytes=read, detail="the answer is over 64 KiB")
    aborted = answer.headers.get("webhook-delivery", "").strip().lower() == ABORT
    if 200 <= status < 300:
        return Sent(status=status, response_bytes=read)
    detail = f"answered {status}"
    failure: Failure = "status"
    if 300 <= status < 400:
        failure, detail = "redirect", f"{detail}; redirects are not followed"
    elif status == 410:
        failure = "gone"
    elif status in _THROTTLED:
        failure = "throttled"
    return Sent(
        failure=failure,
        status=status,
        response_bytes=read,
        detail=detail,
        retry_after_seconds=retry_after(answer.headers.get("retry-after"), now),
        aborted=aborted,
    )


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3); ``None`` where it says nothing."""
    if not header:
        return None
    if header.isascii() and header.strip().isdigit():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds(), 0.0)


def _unanswered(error: Exception) -> Sent:
    cause: Any = error
    while cause is not None:
        blocked = getattr(cause, "blocked", None)
        if isinstance(blocked, EgressBlocked):
            return Sent(failure="egress_blocked", detail=str(blocked))
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return Sent(failure="dns", detail="the name could not be resolved")
        case aiohttp.ClientSSLError():
            return Sent(failure="tls", detail=f"no secure connection: {type(error).__name__}")
        case aiohttp.ClientConnectorError():
            return Sent(failure="connect", detail="the connection was refused or could not be made")
        case aiohttp.ServerTimeoutError():
            return Sent(failure="timeout", detail="no connection in time")
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Sent(failure="reset", detail=f"the answer is no HTTP or broke off: {type(error).__name__}")
        case aiohttp.InvalidURL():
            return Sent(failure="egress_blocked", detail="the server's URL is none that can be requested")
    return Sent(failure="reset", detail=f"the connection broke: {type(error).__name__}")
