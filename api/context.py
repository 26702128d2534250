"""What every route needs: who asks, and whether this node has seen as much of the log as the client has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from api.authentication import KeyRing, Principal, authenticate
from api.bodies import read_object
from api.dependencies import ApiDependencies
from api.errors import Problem, bad_request
from api.rate_limits import RateLimits
from api.request_log import RequestLog, remember
from api.responses import POSITION_HEADER
from api.restrictions import check_origin
from domain.log.position import Position
from domain.organization.events import KeyTag
from domain.sealing import sealed


@dataclass(frozen=True)
class ApiContext:
    """Shared by all routes of one application."""

    dependencies: ApiDependencies
    ring: KeyRing
    closing: asyncio.Event
    """Set when the server stops: answers that would never end, end then."""
    rates: RateLimits = field(default_factory=RateLimits)
    requests: RequestLog = field(default_factory=RequestLog)

    async def caller(self, request: Request, required: KeyTag = "private") -> Principal:
        """Authenticate, count the request against the organisation's quota, then wait until this node has caught up
        with the position the client names, if any."""
        principal = authenticate(self.ring, request.headers.get("authorization"), required)
        self._count(request, principal)
        check_origin(principal, request.headers.get("origin"))
        await self._catch_up(request)
        return principal

    def _count(self, request: Request, principal: Principal) -> None:
        limits, own = self.dependencies.settings.limits, principal.limits
        if principal.tag == "private":
            given, quota = own.private_requests_per_minute, limits.private_requests_per_minute
        else:
            given, quota = own.public_requests_per_minute, limits.public_requests_per_minute
        now = self.dependencies.clock()
        allowance = self.rates.take(principal.org_id, principal.tag, quota if given is None else given, now)
        remember(request.scope, principal, allowance.headers() if allowance is not None else {})
        if allowance is not None and allowance.retry_after_s is not None:
            raise allowance.refusal()

    async def body(self, request: Request, *, required: bool = True) -> dict[str, Any]:
        """The request's JSON object, within the configured limit."""
        return await read_object(request, self.dependencies.settings.limits.body_bytes, required=required)

    def sealed(self, principal: Principal, config: dict[str, Any], kind: str = "") -> dict[str, Any]:
        """``config`` as it is kept: its secrets under the organisation's seal."""
        return sealed(config, principal.org_id, self.dependencies.seal, kind)

    def seen(self, principal: Principal) -> Position:
        """How far this node has seen the shard of the caller's organisation."""
        return self.dependencies.log.head(principal.shard)

    async def _catch_up(self, request: Request) -> None:
        text = request.headers.get(POSITION_HEADER)
        if text is None:
            return
        try:
            wanted = Position.parse(text)
        except ValueError as fault:
            raise bad_request(
                f"The {POSITION_HEADER} header is wrong: {fault}.", detail="Send it as an earlier answer gave it."
            ) from None
        if wanted.shard not in self.dependencies.shards():
            raise bad_request(
                f"The {POSITION_HEADER} header is wrong: the log has no shard {wanted.shard}.",
                detail="Send it as an earlier answer gave it.",
            )
        log = self.dependencies.log
        if await log.wait_for(wanted, self.dependencies.settings.limits.position_wait_seconds):
            return
        raise Problem(
            503,
            f"This node stands at {log.head(wanted.shard)} and has not yet seen {wanted}.",
            detail="Try again in a moment.",
            code="NOT_CAUGHT_UP",
            headers={"retry-after": "1"},
        )
