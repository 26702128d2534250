"""Refusals on the wire, in the shape that Vapi clients read.

The body is Vapi's classic one (``message``, ``error``, ``statusCode``; ``message`` is an array for validation) plus
the members of RFC 9457 problem details and a list of machine-readable issues. A 409 carries a discriminator in
``error`` and no ``statusCode``. Every text names the field, what is wrong, and what to do. To OpenAI's clients
``error`` is an object, see ``api.openai_refusals``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import openai_refusals
from api.request_identity import request_id

PROBLEM_JSON = "application/problem+json"

WRONG_KEY = "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa."
MISSING_KEY = "Missing Authorization Header."


@dataclass(frozen=True)
class Issue:
    """One thing wrong with a request.

    ``message`` starts with the dotted path, ``pointer`` is a JSON Pointer below ``/body``, ``/query`` or ``/param``,
    ``code`` one of FIELD_NOT_ALLOWED, FIELD_REQUIRED, INVALID_CHOICE, INVALID_FORMAT, INVALID_SCHEMA, INVALID_TYPE,
    INVALID_VALUE, OUT_OF_RANGE.
    """

    code: str
    message: str
    pointer: str


@dataclass(eq=False)
class Problem(Exception):
    """A request that is refused. ``detail`` says what to do about it."""

    status: int
    message: str
    detail: str = ""
    code: str = ""
    error: str = ""
    issues: tuple[Issue, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the body, for refusals that name objects."""

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


def invalid(issues: Sequence[Issue]) -> Problem:
    """400 with one entry per issue in ``message``."""
    return Problem(
        400,
        "; ".join(issue.message for issue in issues),
        detail="Change the named properties and send the request again.",
        code="VALIDATION_FAILED",
        issues=tuple(issues),
    )


def bad_request(message: str, *, detail: str = "", code: str = "BAD_REQUEST") -> Problem:
    """400 for a rule that concerns the request as a whole or a referenced object."""
    return Problem(400, message, detail=detail, code=code)


def cut_off() -> Problem:
    """400 for a client that went away in the middle of its request: for the log, since nobody reads it."""
    return bad_request("The connection closed before the request body was complete.")


def unauthorized(message: str, *, detail: str = "") -> Problem:
    """401."""
    return Problem(401, message, detail=detail, code="UNAUTHORIZED", headers={"www-authenticate": "Bearer"})


def not_found(kind: str, identifier: str) -> Problem:
    """404 that looks the same for a missing, deleted, and foreign object."""
    return Problem(
        404,
        f"{kind} {identifier} does not exist or was deleted.",
        detail=f"Check the id, and that the key belongs to the organization that owns the {kind.lower()}.",
        code="NOT_FOUND",
    )


def conflict(discriminator: str, message: str, *, detail: str = "") -> Problem:
    """409. ``discriminator`` tells programs which rule stands in the way."""
    return Problem(409, message, detail=detail, code="CONFLICT", error=discriminator)


def problem_response(request: Request, problem: Problem) -> Response:
    """Render ``problem``; as ``application/problem+json`` when the client asks for that."""
    wants_problem = PROBLEM_JSON in request.headers.get("accept", "")
    body = problem_body(problem, request_id(request.scope))
    if request.scope["path"] in openai_refusals.PATHS:
        pointers = [issue.pointer for issue in problem.issues]
        body["error"] = openai_refusals.error_object(problem.status, problem.message, body["code"], pointers)
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        media_type=PROBLEM_JSON if wants_problem else "application/json",
        headers=dict(problem.headers),
    )


def problem_body(problem: Problem, identity: str) -> dict[str, Any]:
    """The JSON members, classic ones first."""
    phrase = HTTPStatus(problem.status).phrase
    code = problem.code or phrase.upper().replace(" ", "_")
    body: dict[str, Any] = {
        "message": [issue.message for issue in problem.issues] if problem.issues else problem.message,
        "error": problem.error or phrase,
    }
    if not problem.error:
        body["statusCode"] = problem.status
    body |= {
        "type": f"urn:vapi:problem:{code.lower().replace('_', '-')}",
        "title": phrase,
        "status": problem.status,
        "detail": problem.detail or problem.message,
        "code": code,
        "errors": [
            {"code": issue.code, "message": issue.message, "pointer": issue.pointer} for issue in problem.issues
        ],
        "requestId": identity,
        **problem.members,
    }
    return body
