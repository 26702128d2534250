"""What the OpenAPI document says of refusals."""

from __future__ import annotations

from typing import Any, Final

from api import openai_refusals

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}


def _refusal(status: int, name: str, message: Any, detail: str, code: str, **more: Any) -> Schema:
    return {
        "message": message,
        "error": name,
        "statusCode": status,
        "type": f"urn:vapi:problem:{code.lower().replace('_', '-')}",
        "title": name,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [],
        "requestId": "5f0c9a52-3a0e-4b59-a7a5-1f3f7f6f7a55",
        **more,
    }


_BROKEN_RULE: Final = "name must be shorter than or equal to 40 characters"
_REFUSALS: Final[dict[str, tuple[str, Schema]]] = {
    "400": (
        "The request is malformed or breaks a rule; `message` lists each violation, path first.",
        _refusal(
            400,
            "Bad Request",
            [_BROKEN_RULE],
            "Change the named properties and send the request again.",
            "VALIDATION_FAILED",
            errors=[{"code": "OUT_OF_RANGE", "message": _BROKEN_RULE, "pointer": "/body/name"}],
        ),
    ),
    "401": (
        "The key is missing, unknown, or of the wrong kind.",
        _refusal(
            401,
            "Unauthorized",
            "Missing Authorization Header.",
            "Send Authorization: Bearer <private key>.",
            "UNAUTHORIZED",
        ),
    ),
    "404": (
        "No such object in the key's organization.",
        _refusal(
            404,
            "Not Found",
            "Assistant 7c0f1f9e-5d4e-4a8e-9a51-0f3e6a1f4c11 does not exist or was deleted.",
            "Check the id, and that the key belongs to the organization that owns the assistant.",
            "NOT_FOUND",
        ),
    ),
    "429": (
        "More requests than the organization may send; `Retry-After` says when to come back.",
        _refusal(
            429,
            "Too Many Requests",
            "Too many requests: the organization may send 30000 a minute with private keys.",
            "Try again in 1 s, and send requests at a steadier pace.",
            "RATE_LIMITED",
        ),
    ),
    "default": (
        "Any other refusal, such as 409 for an object in use and 503 for a server that cannot answer now.",
        _refusal(
            503,
            "Service Unavailable",
            "The event log cannot be reached. Nothing was changed.",
            "Try again.",
            "LOG_UNAVAILABLE",
        ),
    ),
}


def refusals() -> dict[str, Schema]:
    """``components.responses`` by status, each in both of its content types; beside them the one in OpenAI's words, of
    which only ``error`` is another."""
    described = {_component(status, False): _response(*refusal, "Error") for status, refusal in _REFUSALS.items()}
    described["Refusal429"]["headers"]["Retry-After"] = {"schema": _INTEGER, "description": "Seconds."}
    _, malformed = _REFUSALS["400"]
    error = openai_refusals.error_object(400, _BROKEN_RULE, malformed["code"], [malformed["errors"][0]["pointer"]])
    text = "A refusal of any status, as OpenAI's clients show it."
    return described | {"ResponsesRefusal": _response(text, {**malformed, "error": error}, "ResponsesError")}


def _response(description: str, example: Schema, schema: str) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {
        "description": description,
        "headers": {"X-Request-ID": {"schema": _TEXT, "description": "Names the request."}},
        "content": dict.fromkeys(("application/json", "application/problem+json"), content),
    }


def refusals_of(path: str, secured: bool) -> dict[str, Schema]:
    """The refusals of an operation, by status."""
    told = ["400", "default"]
    if secured:
        told += ["401", "429"]
    if "{" in path:
        told.append("404")
    in_openais_words = path in openai_refusals.PATHS
    return {
        status: {"$ref": f"#/components/responses/{_component(status, in_openais_words)}"} for status in sorted(told)
    }


def _component(status: str, in_openais_words: bool) -> str:
    if in_openais_words:
        return "ResponsesRefusal"
    return f"Refusal{status}" if status != "default" else "Refusal"
