"""The OpenAPI document and its page, served without any other host."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.documented_answers import ANSWERS
from api.documented_examples import example_of
from api.documented_refusals import refusals, refusals_of
from api.models.analytics import AnalyticsBody
from api.models.background_sound import BackgroundSoundBody
from api.models.call import CallBody, CallChanges, CallDeletion, SessionOffer, WebCallBody
from api.models.chat import ResponsesBody
from api.models.insight import InsightRunBody
from api.models.knowledge_base import SearchBody
from api.models.operator import HeldEvents, NewOrganization, OrganizationLimits, Rebuild, SqlStatement
from api.models.organization import OrganizationChanges
from api.models.traffic_allocation import TrafficAllocationBody
from api.object_schemas import changes_name, forms_of, listed_schema, object_name, page_of, untitled

TAGS: Final = [
    {"name": "Assistants", "description": "Configurations that calls are held with."},
    {"name": "Traffic allocations", "description": "Which versions of an assistant get how many of its calls."},
    {"name": "Squads", "description": "Assistants that hand a call to each other."},
    {"name": "Tools", "description": "What assistants can do besides talking, stored once and referred to by id."},
    {"name": "Phone numbers", "description": "Numbers and SIP addresses, and who answers on them."},
    {"name": "Credentials", "description": "Keys of providers. They can be written and never read back."},
    {"name": "Organization", "description": "The organization itself, and where its messages go."},
    {"name": "Tokens", "description": "The organization's own keys, and what public ones may be used for."},
    {"name": "Chats", "description": "Conversations in writing: a message and its answer, whole or as it is written."},
    {"name": "Sessions", "description": "Conversations that several chats and calls share."},
    {"name": "Structured outputs", "description": "What is extracted from a call when it has ended."},
    {"name": "Scorecards", "description": "Points for what was extracted from a call."},
    {"name": "Evals", "description": "Scripted conversations that an assistant is tested with."},
    {"name": "Simulations", "description": "Callers that are played by an assistant, and what they try."},
    {"name": "Campaigns", "description": "Calls to many customers."},
    {"name": "Files", "description": "Uploads, and the text that is read out of them."},
    {"name": "Knowledge bases", "description": "Files that a tool searches for answers."},
    {"name": "Provider resources", "description": "Pronunciation dictionaries."},
    {"name": "Calls", "description": "Conversations: start, read, steer, and fetch their recordings."},
    {"name": "Analytics", "description": "Figures over calls: counts, sums, averages, by group and over time."},
    {"name": "Insights", "description": "Questions over calls that are kept and asked again, as charts."},
    {"name": "Boards", "description": "Insights side by side."},
    {"name": "Webhooks", "description": "Messages to your servers: what was delivered, why not, and sending it again."},
    {"name": "Events", "description": "The event log itself: a call's history, and a live stream."},
    {"name": "Operator", "description": "The installation: organizations, all calls, SQL. Needs the operator token."},
    {"name": "Health", "description": "For load balancers and people in a hurry."},
]
_BODIES: Final[tuple[type[BaseModel], ...]] = (
    AnalyticsBody,
    BackgroundSoundBody,
    CallBody,
    CallChanges,
    CallDeletion,
    HeldEvents,
    InsightRunBody,
    NewOrganization,
    OrganizationChanges,
    OrganizationLimits,
    Rebuild,
    ResponsesBody,
    SearchBody,
    SessionOffer,
    SqlStatement,
    TrafficAllocationBody,
    WebCallBody,
)
"""Every model that a route names as its request body."""


def describe(
    *,
    body: type[BaseModel] | None = None,
    changes: type[BaseModel] | None = None,
    upload: dict[str, Any] | None = None,
    query: type[BaseModel] | None = None,
    status: int = 200,
    returns: type[BaseModel] | None = None,
    answer: str = "",
    media: str = "",
    listed: Literal["", "array", "page"] = "",
    path: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """Arguments for a route decorator that put request body, query parameters and answer into the OpenAPI document.

    ``body`` is sent whole and ``changes`` in part, ``upload`` is the schema of a form; ``returns`` is the body of the
    object that is answered, alone or ``listed`` in one of the two styles; ``answer`` the name of one of ``ANSWERS``
    instead, and ``media`` the content type of an answer that is no JSON. ``path`` are parameters of the path that the
    route function does not name.
    """
    extra: dict[str, Any] = {}
    if body is not None:
        extra["requestBody"] = _json_body(_reference(body.__name__))
    if changes is not None:
        extra["requestBody"] = _json_body(_reference(changes_name(changes)))
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": list(values)}}
        for name, values in (path or {}).items()
    ]
    if upload is not None:
        extra["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": upload}}}
    if query is not None:
        parameters += (dict(parameter) for parameter in _parameters(query))
    if parameters:
        extra["parameters"] = parameters
    responses: dict[int | str, dict[str, Any]] = {}
    if returns is not None or answer:
        shown = _reference(object_name(returns) if returns is not None else answer)
        responses[status] = {
            "description": "The object." if not listed else "The objects.",
            "content": {"application/json": {"schema": listed_schema(shown, listed)}},
        }
    elif media:
        responses[status] = {"description": "The content.", "content": {media: {"schema": {"type": "string"}}}}
    return {"openapi_extra": extra, "status_code": status, "responses": responses, "response_model": None}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def _parameters(query: type[BaseModel]) -> tuple[dict[str, Any], ...]:
    schema = query.model_json_schema(by_alias=True)
    parameters = []
    for name, shape in schema.get("properties", {}).items():
        described = {key: value for key, value in shape.items() if key not in {"title", "description"}}
        parameters.append(
            {"name": name, "in": "query", "schema": described, "description": shape.get("description", "")}
        )
    return tuple(parameters)


def install_openapi(app: FastAPI, objects: Mapping[type[BaseModel], dict[str, Any]]) -> None:
    """Give ``app`` a document with our schemas, the bearer scheme, and tags in reading order.

    ``objects`` are the bodies of resources, each with the properties that the system adds: of each there is a form to
    create, one to change, and one to read.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app, objects)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents for extending the document
    _serve(app)


def _serve(app: FastAPI) -> None:
    """The document in place of FastAPI's own route, and both under the names that Vapi has for them too.

    It is built once, in a thread: that takes a second of computing, in which calls of this process would stand still.
    """
    building = asyncio.Lock()
    encoded: list[bytes] = []

    async def document(request: Request) -> Response:
        async with building:
            if not encoded:
                encoded.append(await asyncio.to_thread(lambda: msgspec.json.encode(app.openapi())))
        return Response(encoded[0], media_type="application/json")

    routes = app.router.routes
    page = next(route.endpoint for route in routes if isinstance(route, Route) and route.path == "/docs")
    routes[:] = [route for route in routes if not (isinstance(route, Route) and route.path == "/openapi.json")]
    for path, endpoint in (("/openapi.json", document), ("/api-json", document), ("/api", page)):
        app.add_route(path, endpoint, include_in_schema=False)


def _build(app: FastAPI, objects: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    built = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS)
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys((*_BODIES, *objects))],
        ref_template="#/components/schemas/{model}",
    )
    components = built.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(definitions.get("$defs", {}))
    schemas.update(forms_of(objects, schemas))
    schemas.update(ANSWERS)
    components["schemas"] = {name: untitled(schema) for name, schema in schemas.items()}
    components["responses"] = refusals()
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of the organization, or a JSON Web Token signed (HS256) with its private key.",
        }
    }
    built["security"] = [{"bearer": []}]
    for path, operations in built["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    return built


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Refusals and examples."""
    opened_otherwise = "Health" in operation.get("tags", ())
    if opened_otherwise:
        operation["security"] = []
    answers: dict[str, Any] = operation["responses"]
    answers.pop("422", None)
    answers.update(refusals_of(path, secured=not opened_otherwise))
    for described in (operation.get("requestBody", {}), *(answers[status] for status in answers if status < "3")):
        content = described.get("content", {}).get("application/json", {})
        if (example := _example(content.get("schema", {}))) is not None:
            content["example"] = example


def _example(schema: dict[str, Any]) -> Any:
    """An example of the schema, or of a list of it."""
    if "$ref" in schema:
        return example_of(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        one = _example(schema["items"])
        return None if one is None else [one]
    if "results" in schema.get("properties", {}):
        several = _example(schema["properties"]["results"])
        return None if several is None else page_of(several)
    return None


def operation_id(route: APIRoute) -> str:
    """What generated clients call the method: ``createAssistant``, ``listAssistants``, ``getCallEvents``."""
    method = min(route.methods or {"GET"})
    words = [word for part in route.path.split("/") if "{" not in part for word in re.split(r"[-_.]", part) if word]
    own = route.name.split("_")
    verb = _VERBS.get(route.name, "")
    if not verb and method == "GET":
        verb = "get"
        if route.path.endswith("}"):
            words[-1] = words[-1].removesuffix("s")
    elif not verb:
        verb, rest = own[0], own[1:]
        if words[-len(own) :] == own:
            words = [*rest, *words[: -len(own)]]
    if verb == "list":
        words[-1] = words[-1].removesuffix("y") + ("ies" if words[-1].endswith("y") else "s")
    return verb + "".join(word[:1].upper() + word[1:] for word in words)


_VERBS: Final = {
    **{"create": "create", "listing": "list", "read": "get", "update": "update", "change": "update"},
    **{"rename": "update", "delete": "delete", "revoke": "delete", "replace": "replace"},
}
"""By the name of the route function, for the five usual operations and what comes close to them."""
