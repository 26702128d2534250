"""How refusals of the domain and of the ports become answers, and what happens to what nobody foresaw."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Issue, Problem, conflict, invalid, problem_response
from api.preconditions import VersionMismatch
from api.request_identity import request_id
from domain.aggregate import Conflicting, NotFound, Refused
from domain.analytics import AnalyticsUnavailable, QueryRejected
from domain.artifacts import ArtifactsUnavailable
from domain.live_calls import CallNotLive, OwnerUnreachable
from domain.log.codec import BodyPruned
from domain.log.ports import LogUnavailable, OutcomeUnknown
from domain.processing import RunnerStopped, SinkUnavailable

LOGGER: Final = logging.getLogger("callfold.api")
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def from_refusal(refusal: Refused) -> Problem:
    """A refusal by an aggregate."""
    match refusal:
        case NotFound():
            return Problem(404, refusal.reason, detail=refusal.fix, code="NOT_FOUND")
        case VersionMismatch():
            return Problem(412, refusal.reason, detail=refusal.fix, code="VERSION_MISMATCH")
        case Conflicting():
            return conflict("conflict", refusal.reason, detail=refusal.fix)
        case Refused(field=""):
            return Problem(400, str(refusal), detail=refusal.fix)
        case _:
            pointer = "/body/" + refusal.field.replace(".", "/")
            return invalid([Issue("INVALID_VALUE", f"{refusal.field}: {refusal}", pointer)])


def from_log(fault: LogUnavailable) -> Problem:
    """The log took nothing, or we cannot know whether it did."""
    if fault.full:
        return Problem(
            507,
            "The server has no space left to record changes. Nothing was changed.",
            detail="Free disk space on the server; reading goes on meanwhile.",
            code="LOG_FULL",
        )
    if isinstance(fault, OutcomeUnknown):
        return Problem(
            503,
            "The change may or may not have been recorded.",
            detail="Read the object before trying again, or retry with the same Idempotency-Key.",
            code="OUTCOME_UNKNOWN",
        )
    return Problem(
        503,
        "The event log cannot be reached. Nothing was changed.",
        detail="Try again in a moment.",
        code="LOG_UNAVAILABLE",
        headers={"retry-after": "1"},
    )


def from_pruned(fault: BodyPruned) -> Problem:
    """History that this node no longer keeps."""
    return Problem(
        410,
        f"The events of {fault.originator_id} are no longer kept on this server.",
        detail="They are in the archive of the event log.",
        code="ARCHIVED",
    )


def from_query(rejected: QueryRejected) -> Problem:
    """An analytics query that asks for something that does not exist."""
    found = [
        Issue("INVALID_VALUE", f"{problem.path} {problem.reason}", "/body/" + problem.path.replace(".", "/"))
        for problem in rejected.problems
    ]
    return invalid(found) if found else Problem(400, str(rejected))


def from_http(fault: HTTPException, request: Request) -> Problem:
    """Routing found nothing, or not with this method."""
    headers = {name.lower(): value for name, value in (fault.headers or {}).items()}
    if fault.status_code == 404:
        message = f"Cannot {request.method} {request.url.path}"
        return Problem(404, message, detail="The paths are listed at /docs.", code="NOT_FOUND", headers=headers)
    if fault.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        headers["allow"] = allowed
        message = f"{request.method} is not allowed on {request.url.path}."
        return Problem(405, message, detail=f"Use {allowed}." if allowed else "", headers=headers)
    return Problem(fault.status_code, str(fault.detail), headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """What the path of a request may be asked with: several routes may share it."""
    routes = request.app.router.routes
    methods = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]


def install(app: FastAPI) -> None:
    """Register the translations on ``app``."""

    @app.exception_handler(Problem)
    async def problem(request: Request, fault: Problem) -> Response:
        return problem_response(request, fault)

    @app.exception_handler(Refused)
    async def refused(request: Request, fault: Refused) -> Response:
        return problem_response(request, from_refusal(fault))

    @app.exception_handler(LogUnavailable)
    async def unavailable(request: Request, fault: LogUnavailable) -> Response:
        LOGGER.warning("log.unavailable request=%s full=%s", request_id(request.scope), fault.full)
        return problem_response(request, from_log(fault))

    @app.exception_handler(BodyPruned)
    async def pruned(request: Request, fault: BodyPruned) -> Response:
        return problem_response(request, from_pruned(fault))

    @app.exception_handler(QueryRejected)
    async def rejected(request: Request, fault: QueryRejected) -> Response:
        return problem_response(request, from_query(fault))

    @app.exception_handler(AnalyticsUnavailable)
    async def no_analytics(request: Request, fault: AnalyticsUnavailable) -> Response:
        LOGGER.warning("analytics.unavailable request=%s reason=%s", request_id(request.scope), fault)
        return problem_response(request, _NO_ANALYTICS)

    @app.exception_handler(ArtifactsUnavailable)
    async def no_artifacts(request: Request, fault: ArtifactsUnavailable) -> Response:
        LOGGER.warning("artifacts.unavailable request=%s reason=%s", request_id(request.scope), fault)
        return problem_response(request, _NO_ARTIFACTS)

    @app.exception_handler(SinkUnavailable)
    @app.exception_handler(RunnerStopped)
    async def no_sink(request: Request, fault: SinkUnavailable | RunnerStopped) -> Response:
        LOGGER.warning("sink.unavailable request=%s reason=%s", request_id(request.scope), fault)
        return problem_response(request, _no_sink(str(fault)))

    @app.exception_handler(CallNotLive)
    async def not_live(request: Request, fault: CallNotLive) -> Response:
        return problem_response(request, Problem(404, "The call is not running.", code="NOT_FOUND"))

    @app.exception_handler(OwnerUnreachable)
    async def unreachable(request: Request, fault: OwnerUnreachable) -> Response:
        LOGGER.warning("call.owner_unreachable request=%s reason=%s", request_id(request.scope), fault)
        return problem_response(request, _NO_OWNER)

    @app.exception_handler(HTTPException)
    async def http(request: Request, fault: HTTPException) -> Response:
        if fault.status_code == 405 and request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(allowed_methods(request))})
        return problem_response(request, from_http(fault, request))


class LastResort:
    """ASGI middleware: a failure that nobody foresaw is logged with the request's id and answered with a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watching_send(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watching_send)
        except Exception:
            if begun:
                raise
            LOGGER.exception("request.failed request=%s method=%s", request_id(scope), scope["method"])
            response = problem_response(Request(scope), _UNFORESEEN)
            await response(scope, receive, send)


_NO_ANALYTICS: Final = Problem(
    503,
    "The analytics store does not answer.",
    detail="Try again in a moment; calls and assistants are not affected.",
    code="ANALYTICS_UNAVAILABLE",
    headers={"retry-after": "1"},
)
_NO_ARTIFACTS: Final = Problem(
    503,
    "The store of recordings and files does not answer.",
    detail="Try again in a moment; calls are not affected.",
    code="ARTIFACTS_UNAVAILABLE",
    headers={"retry-after": "5"},
)
_NO_OWNER: Final = Problem(
    503,
    "The process that serves the call does not answer.",
    detail="Try again in a moment; if that process has died, the call is ended within seconds.",
    code="OWNER_UNREACHABLE",
    headers={"retry-after": "1"},
)
_UNFORESEEN: Final = Problem(
    500, "Internal server error", detail="Report the requestId to the operator of this server.", code="INTERNAL_ERROR"
)


def _no_sink(reason: str) -> Problem:
    """Only the operator asks for what needs the tables to take rows, and can do something about the reason."""
    return Problem(
        503,
        f"What the events lead to cannot be written now: {reason}.",
        detail="What was not done stays as it was; try again when that is over.",
        code="SINK_UNAVAILABLE",
        headers={"retry-after": "5"},
    )
