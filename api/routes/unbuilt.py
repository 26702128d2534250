"""Operations of Vapi's API that callfold knows and does not have yet: 501 with the operation's name.

A 404 would look like a wrong base URL; this way a client learns what it is missing. The paths are those of the public
API document, https://docs.vapi.ai/api-reference, and of the server SDKs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.context import ApiContext
from api.errors import Problem
from api.sections import Section

OTHERS: Final = (
    ("POST", "/structured-output/run", "run a structured output"),
    ("GET", "/eval/run", "list eval runs"),
    ("POST", "/eval/run", "run an eval"),
    ("GET", "/eval/run/{id}", "get an eval run"),
    ("DELETE", "/eval/run/{id}", "delete an eval run"),
    ("POST", "/eval/simulation/scenario/generate", "generate simulation scenarios"),
    ("GET", "/eval/simulation/run", "list simulation runs"),
    ("POST", "/eval/simulation/run", "run simulations"),
    ("GET", "/eval/simulation/run/{id}", "get a simulation run"),
    ("PATCH", "/eval/simulation/run/{id}", "cancel a simulation run"),
    ("GET", "/eval/simulation/run/{id}/item", "list the items of a simulation run"),
    ("GET", "/eval/simulation/run/{id}/item/{item_id}", "get an item of a simulation run"),
    ("PATCH", "/eval/simulation/run/{id}/item/{item_id}", "cancel an item of a simulation run"),
    ("POST", "/eval/simulation/run/{id}/item/{item_id}/generate", "suggest improvements"),
)


def operations() -> Iterator[tuple[str, str, str]]:
    """Method, path and name; literal paths before ones with parameters."""
    yield from sorted(OTHERS, key=lambda operation: operation[1].count("{"))


def unbuilt_routes(context: ApiContext) -> APIRouter:
    """Every known operation that no other router has. Their literal paths must stand before others' parameters."""
    router = Section()
    for method, path, name in operations():
        # Plain routes: they have no parameters that FastAPI would have to look for at start.
        router.add_route(path, _refuse(context, method, name), methods=[method], include_in_schema=False)
    return router


def _refuse(context: ApiContext, method: str, name: str) -> Any:
    async def refuse(request: Request) -> Response:
        await context.caller(request)
        raise Problem(
            501,
            f"{method} {request.url.path} ({name}) is not built yet.",
            detail="See /docs for the operations that are.",
        )

    return refuse
